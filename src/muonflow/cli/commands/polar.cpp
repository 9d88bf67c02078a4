// muonflow polar: the polar factor of every matrix of a file, and how good it is.
#include "muonflow/linalg/polar.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <limits>
#include <nlohmann/json.hpp>

#include "muonflow/cli/command.hpp"
#include "muonflow/cli/threads_option.hpp"
#include "muonflow/core/error.hpp"
#include "muonflow/core/safetensors.hpp"
#include "muonflow/core/text.hpp"
#include "muonflow/linalg/minimax.hpp"
#include "muonflow/linalg/norms.hpp"
#include "muonflow/linalg/polar/report.hpp"
#include "muonflow/linalg/regularized_polar.hpp"

namespace muonflow::cli {

enum class EpsilonMode { absolute, relative };

}  // namespace muonflow::cli

template <>
struct muonflow::EnumNames<muonflow::cli::EpsilonMode> {
  static constexpr std::array<std::string_view, 2> names{"absolute", "relative"};
};

namespace muonflow::cli {
namespace {

struct PolarOptions {
  linalg::Polar polar;
  linalg::Generate generate;
  std::optional<double> epsilon;
  EpsilonMode epsilon_mode = EpsilonMode::absolute;

  void fields(FieldVisitor& v) {
    v.optional_integer("ns_steps", polar.ns_steps, {.lo = 0, .hi = 1000},
                       "steps of a polynomial method; off: 5, for turbo 4");
    v.real("eps", polar.eps, kNonNegative, "guards the division by the norm");
    v.choice("eps_mode", polar.eps_mode, "divide by norm + eps (add) or by the larger (max)");
    v.optional_real("epsilon", epsilon, kNonNegative, "regularization of the polar map");
    v.group("generate", generate, "steps made to measure in place of a method's table");
    v.choice("epsilon_mode", epsilon_mode, "relative: epsilon times ||Q||_F / sqrt(r)");
  }
};

linalg::PolarMethod method_named(const std::string& name) {
  constexpr auto& kNames = EnumNames<linalg::PolarMethod>::names;
  const auto at = std::find(kNames.begin(), kNames.end(), name);
  if (at != kNames.end()) return static_cast<linalg::PolarMethod>(at - kNames.begin());
  const std::vector<std::string> known(kNames.begin(), kNames.end());
  const auto near = nearest_name(name, known);
  throw ConfigError({.place = "--method",
                     .what = "unknown method '" + name + "'",
                     .expected = "one of " + join(known),
                     .advice = near.empty() ? "" : "did you mean '" + near + "'?"});
}

PolarOptions options_from(const std::string& method, const std::string& text) {
  PolarOptions options;
  options.polar.method = method_named(method);
  const Json tree = Json::parse(text, nullptr, false);
  if (!tree.is_object()) {
    throw ConfigError(
        {.place = "--options", .expected = "a JSON object", .found = text.substr(0, 60)});
  }
  read(tree, options, [](const std::string& path) {
    return path.empty() ? std::string("--options") : "--options " + path;
  });
  if (tree.contains("generate")) {
    if (linalg::is_exact(options.polar.method)) {
      throw ConfigError({.place = "--options generate",
                         .what = "the method '" + method + "' takes no polynomial steps",
                         .expected = "a polynomial method such as polar_express"});
    }
    if (options.polar.ns_steps) {
      throw ConfigError({.place = "--options ns_steps",
                         .what = "the number of generated steps is generate.steps",
                         .expected = "one of the two"});
    }
    options.polar.steps = linalg::generate(options.generate);
  }
  return options;
}

// How a tensor is cut into matrices: [m, n] is one, [B, m, n] a stack of B, [out, a, b, c] one of
// [out, a b c].
struct Layout {
  std::int64_t count = 1;
  Index rows = 0;
  Index cols = 0;
};

Layout layout_of(const std::string& place, const Shape& shape) {
  switch (shape.size()) {
    case 2:
      return {1, shape[0], shape[1]};
    case 3:
      return {shape[0], shape[1], shape[2]};
    case 4:
      return {1, shape[0], shape[1] * shape[2] * shape[3]};
    default:
      throw ConfigError({.place = place,
                         .what = "a polar factor is one of matrices",
                         .expected = "a tensor of rank 2, 3 or 4",
                         .found = "shape " + to_string(shape)});
  }
}

// The worst over the matrices of a tensor; times and flops add up.
struct Numbers {
  double orthogonality_error = 0;
  double residual = 0;
  double kernel_error = 0;
  double dual_gap = -std::numeric_limits<double>::infinity();
  double seconds = 0;
  double flops = 0;

  void add(const linalg::PolarReport& report) {
    orthogonality_error = std::max(orthogonality_error, report.orthogonality_error);
    residual = std::max(residual, report.residual);
    kernel_error = std::max(kernel_error, report.kernel_error);
    dual_gap = std::max(dual_gap, report.dual_gap);
    flops += report.flops;
  }
  Json json() const {
    return Json{{"orthogonality_error", orthogonality_error},
                {"residual", residual},
                {"kernel_error", kernel_error},
                {"dual_gap", std::isfinite(dual_gap) ? dual_gap : 0.0},
                {"milliseconds", 1e3 * seconds},
                {"gflops", seconds > 0 ? 1e-9 * flops / seconds : 0.0}};
  }
};

template <class T>
class Factors {
 public:
  Factors(const PolarOptions& options, const Tensor& tensor, std::string place)
      : options_(options), place_(std::move(place)), layout_(layout_of(place_, tensor.shape)) {
    const std::vector<T> input = tensor.to<T>();
    std::vector<T> factors = input;
    const Index size = layout_.rows * layout_.cols;
    const Eigen::OuterStride<> stride(layout_.cols);
    for (std::int64_t b = 0; b < layout_.count; ++b) {
      const ConstMatrixMap<T> q(input.data() + b * size, layout_.rows, layout_.cols, stride);
      orthogonalize(q, MatrixMap<T>(factors.data() + b * size, layout_.rows, layout_.cols, stride));
    }
    output = make_tensor<T>(tensor.dtype, tensor.shape, factors);
    // The numbers describe what is written, after its rounding to the tensor's own type.
    const std::vector<T> written = output.to<T>();
    for (std::int64_t b = 0; b < layout_.count; ++b) {
      const ConstMatrixMap<T> q(input.data() + b * size, layout_.rows, layout_.cols, stride);
      const ConstMatrixMap<T> x(written.data() + b * size, layout_.rows, layout_.cols, stride);
      numbers.add(linalg::polar_report<T>(q, x, options_.polar, epsilon_of(q)));
    }
  }

  Tensor output;
  Numbers numbers;

 private:
  std::optional<double> epsilon_of(const ConstMatrixRef<T>& q) const {
    if (!options_.epsilon || options_.epsilon_mode == EpsilonMode::absolute) {
      return options_.epsilon;
    }
    const auto r = static_cast<double>(std::max<Index>(1, std::min(q.rows(), q.cols())));
    return *options_.epsilon * linalg::frobenius_norm<T>(q) / std::sqrt(r);
  }

  // Short ones are repeated and the best time counts, so that the first call's preparations do not.
  void orthogonalize(const ConstMatrixRef<T>& q, MatrixRef<T> x) {
    using Clock = std::chrono::steady_clock;
    constexpr double kShort = 0.05;
    constexpr int kRepeats = 5;
    if (!linalg::all_finite<T>(q)) {
      throw DataError({.place = place_, .expected = "finite numbers", .found = "NaN or infinity"});
    }
    const auto epsilon = epsilon_of(q);
    double best = std::numeric_limits<double>::infinity();
    for (int repeat = 0; repeat == 0 || (repeat < kRepeats && best < kShort); ++repeat) {
      x = q;
      const auto start = Clock::now();
      const Outcome outcome =
          epsilon ? linalg::regularized_polar_by<T>(x, *epsilon, options_.polar, workspace_)
                  : linalg::polar<T>(x, options_.polar, workspace_);
      best = std::min(best, std::chrono::duration<double>(Clock::now() - start).count());
      if (!outcome.ok()) {
        throw DataError({.place = place_, .what = std::string(to_string(outcome.status))});
      }
    }
    numbers.seconds += best;
  }

  const PolarOptions& options_;
  std::string place_;
  Layout layout_;
  linalg::Workspace<T> workspace_;
};

class PolarCommand final : public Command {
 public:
  void arguments(Arguments& a) override {
    a.option("method", method_,
             "jordan, you, polar_express, polar_express.paper, polar_express.dion, turbo, cans, "
             "classic, "
             "qdwh, zolotarev or svd",
             true);
    a.option("options", options_,
             "ns_steps, eps, eps_mode, epsilon, epsilon_mode, generate as JSON");
    a.option("input", input_, "safetensors file of matrices", true);
    a.option("output", output_, "file to write: the same names and types", true);
    threads_.argument(a);
  }

  int run() override {
    threads_.apply();
    const PolarOptions options = options_from(method_, options_);
    const Safetensors input = read_safetensors(input_);
    // Shapes and types first: a refusal should not come after minutes of work.
    for (const auto& [name, tensor] : input.tensors) {
      const std::string place = input_ + ": " + name;
      (void)layout_of(place, tensor.shape);
      if (!is_floating(tensor.dtype)) {
        throw DataError({.place = place,
                         .expected = "a floating-point tensor",
                         .found = std::string(name_of(tensor.dtype))});
      }
    }
    TensorMap output;
    Json numbers = Json::object();
    for (const auto& [name, tensor] : input.tensors) {
      const std::string place = input_ + ": " + name;
      if (tensor.dtype == Dtype::f64) {
        keep(name, Factors<double>(options, tensor, place), output, numbers);
      } else {
        keep(name, Factors<float>(options, tensor, place), output, numbers);
      }
    }
    write_safetensors(output_, output, input.metadata);
    fmt::print("{}\n", numbers.dump(2));
    return 0;
  }

 private:
  template <class T>
  static void keep(const std::string& name, Factors<T> factors, TensorMap& output, Json& numbers) {
    numbers[name] = factors.numbers.json();
    output.emplace(name, std::move(factors.output));
  }

  std::string method_;
  std::string options_ = "{}";
  std::string input_;
  std::string output_;
  ThreadsOption threads_;
};

const Enrolled<PolarCommand> enrolled_polar{
    "polar", "orthogonalizes the matrices of a file with any method, prints error and time",
    "muonflow polar --method jordan --input weights.safetensors --output factors.safetensors"};

}  // namespace
}  // namespace muonflow::cli

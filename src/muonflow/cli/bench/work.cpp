#include "muonflow/cli/bench/work.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <set>
#include <sstream>

#include "muonflow/cli/progress.hpp"
#include "muonflow/core/error.hpp"
#include "muonflow/core/text.hpp"
#include "muonflow/linalg/batched/batched_regularized_polar.hpp"
#include "muonflow/linalg/inverse_root.hpp"
#include "muonflow/linalg/polar.hpp"
#include "muonflow/linalg/polar/plain.hpp"
#include "muonflow/linalg/polar/plain_spectral.hpp"
#include "muonflow/linalg/regularized_polar.hpp"

namespace muonflow::cli {
namespace {

constexpr Index kLargest = 16384;          // of --size: one float matrix is 1 GB
constexpr Index kBatch = 32;               // of polar_batch
constexpr Index kBatchElements = 2560000;  // of regularized_batch: 10,000 of 16 x 16
constexpr Index kJudged = 256;             // matrices of a batch whose error is looked at
constexpr double kCondition = 1e4;

std::vector<MatrixShape> default_sizes(WorkKind kind) {
  switch (kind) {
    case WorkKind::polar:
      return {{128, 128}, {256, 256}, {512, 512}, {768, 768}, {768, 3072}, {1024, 4096}};
    case WorkKind::polar_batch:
      return {{128, 128}};
    case WorkKind::regularized:
      return {{512, 512}};
    case WorkKind::regularized_batch:
      return {{16, 16}, {8, 8}, {4, 8}, {32, 32}};
    case WorkKind::inverse_root:
      return {{256, 256}, {512, 512}};
    case WorkKind::muon:
      break;
  }
  return {{0, 0}};
}

[[noreturn]] void refuse_size(const std::string& text) {
  throw ConfigError({.place = "--size",
                     .expected = fmt::format("M or M,N from 1 to {}", kLargest),
                     .found = "'" + text + "'"});
}

MatrixShape size_from(const std::string& text) {
  std::vector<Index> numbers;
  std::istringstream words(text);
  if (text.ends_with(',')) refuse_size(text);
  for (std::string word; std::getline(words, word, ',');) {
    Index number = 0;
    const auto end = word.data() + word.size();
    const auto [rest, error] = std::from_chars(word.data(), end, number);
    if (error != std::errc() || rest != end || number < 1 || number > kLargest) refuse_size(text);
    numbers.push_back(number);
  }
  if (numbers.empty() || numbers.size() > 2) refuse_size(text);
  return {numbers.front(), numbers.back()};
}

std::set<WorkKind> kinds_from(const std::string& text) {
  constexpr auto& kNames = EnumNames<WorkKind>::names;
  const std::vector<std::string> known(kNames.begin(), kNames.end());
  std::set<WorkKind> kinds;
  std::istringstream words(text);
  for (std::string word; std::getline(words, word, ',');) {
    const auto at = std::find(kNames.begin(), kNames.end(), word);
    if (at == kNames.end() && word != "all") {
      const auto near = nearest_name(word, known);
      throw ConfigError({.place = "--work",
                         .what = "unknown work '" + word + "'",
                         .expected = "all or some of " + join(known),
                         .advice = near.empty() ? "" : "did you mean '" + near + "'?"});
    }
    for (std::size_t i = 0; i < kNames.size(); ++i) {
      if (word == "all" || word == kNames[i]) kinds.insert(static_cast<WorkKind>(i));
    }
  }
  return kinds;
}

linalg::Workspace<float>& workspace() {
  thread_local linalg::Workspace<float> memory;
  return memory;
}

void mark_failure(const Outcome& outcome, MatrixRef<float> x) {
  if (!outcome.ok()) x.setConstant(std::numeric_limits<float>::quiet_NaN());
}

void our_polar(MatrixRef<float> x) {
  const linalg::Polar options{.method = linalg::PolarMethod::jordan, .ns_steps = kPolarSteps};
  mark_failure(linalg::polar<float>(x, options, workspace()), x);
}

void our_regularized_polar(MatrixRef<float> x, double epsilon) {
  mark_failure(linalg::regularized_polar<float>(x, epsilon, workspace()), x);
}

// A batch [N, m, n] of tiny matrices.
void our_regularized_batch(Matrices& batch, double epsilon) {
  const auto first = batch.at(0);
  (void)linalg::batched_regularized_polar<float>(batch.at(0).data(), batch.count(), first.rows(),
                                                 first.cols(), {.epsilon = epsilon});
}

// Methods by their notes; eigh is what `automatic` takes.
std::vector<OurWay> our_inverse_roots(int p) {
  using Method = linalg::InverseRootMethod;
  const std::pair<const char*, Method> methods[] = {{"eigh", Method::automatic},
                                                    {"coupled Newton", Method::newton},
                                                    {"rational", Method::rational}};
  std::vector<OurWay> ways;
  for (const auto& [note, method] : methods) {
    const linalg::InverseRoot options{.method = method, .p = static_cast<double>(p)};
    ways.push_back({note, [options](Matrices& x) {
                      mark_failure(linalg::inverse_root<float>(x.at(0), options, workspace()),
                                   x.at(0));
                    }});
  }
  return ways;
}

// Of the first of the matrices.
std::vector<Matrix<double>> exact_results(const Work& work) {
  std::vector<Matrix<double>> exact;
  const auto steps = linalg::jordan_steps(kPolarSteps);
  linalg::Workspace<double> memory;
  for (Index i = 0; i < std::min(work.input.count(), kJudged); ++i) {
    Matrix<double> x = work.input.at(i).cast<double>();
    if (work.task == Task::polar) {
      linalg::plain_steps(x, steps, memory);
    } else if (work.task == Task::inverse_root) {
      (void)linalg::inverse_root<double>(x, {.p = work.number}, memory);
    } else {
      // Where it does not converge the matrix stays as it is, and every error shows it.
      (void)linalg::regularized_polar<double>(x, work.number, memory,
                                              linalg::RegularizedKernel::reference);
    }
    exact.push_back(std::move(x));
  }
  return exact;
}

// Muon's matrices of a GPT with six layers of width 384: query, key and value in one, the
// projection, and both of the feed-forward part.
std::vector<MatrixShape> gpt_shapes() {
  std::vector<MatrixShape> shapes;
  for (int layer = 0; layer < 6; ++layer) {
    shapes.insert(shapes.end(), {{1152, 384}, {384, 384}, {1536, 384}, {384, 1536}});
  }
  return shapes;
}

std::vector<MatrixShape> shapes_of(const WorkPlan& plan) {
  const auto [rows, cols] = plan.size;
  switch (plan.kind) {
    case WorkKind::muon:
      return gpt_shapes();
    case WorkKind::polar_batch:
      return {static_cast<std::size_t>(kBatch), plan.size};
    case WorkKind::regularized_batch:
      return {static_cast<std::size_t>(std::max<Index>(1, kBatchElements / (rows * cols))),
              plan.size};
    case WorkKind::inverse_root:
      return {{rows, rows}};
    case WorkKind::polar:
    case WorkKind::regularized:
      break;
  }
  return {plan.size};
}

std::string title_of(const WorkPlan& plan) {
  switch (plan.kind) {
    case WorkKind::polar:
      return "polar by 5 quintic steps";
    case WorkKind::polar_batch:
      return "polar by 5 quintic steps, batch";
    case WorkKind::muon:
      return "Muon's orthogonalizations, GPT of 10.6M parameters";
    case WorkKind::regularized:
      return "exact regularized polar, condition 1e4, epsilon 1e-2";
    case WorkKind::regularized_batch:
      return "exact regularized polar, batch, epsilon 1e-2";
    case WorkKind::inverse_root:
      return fmt::format("C^(-1/{}) of a positive definite C, condition 1e4", plan.p);
  }
  return "";
}

std::string size_of(const Matrices& input) {
  const Index count = input.count();
  if (!input.equal_shapes()) return fmt::format("{} matrices", count);
  const auto one = fmt::format("{} x {}", input.shape(0).rows, input.shape(0).cols);
  return count == 1 ? one : fmt::format("{} of {}", thousands(static_cast<double>(count)), one);
}

// One for the whole batch.
double epsilon_for(const Matrices& input) {
  double squares = 0;
  for (const float value : input.values()) squares += static_cast<double>(value) * value;
  const auto [rows, cols] = input.shape(0);
  return kMapEpsilon *
         std::sqrt(squares / static_cast<double>(input.count() * std::min(rows, cols)));
}

double plain_flops(Task task, const MatrixShape& shape) {
  switch (task) {
    case Task::polar:
      return linalg::plain_steps_flops(shape.rows, shape.cols, kPolarSteps);
    case Task::regularized_polar:
      return linalg::plain_regularized_polar_flops(shape.rows, shape.cols);
    case Task::inverse_root:
      break;
  }
  return linalg::plain_inverse_root_flops(shape.rows);
}

}  // namespace

std::vector<WorkPlan> planned_works(const std::string& kinds,
                                    const std::vector<std::string>& sizes) {
  std::vector<MatrixShape> chosen;
  for (const auto& size : sizes) chosen.push_back(size_from(size));
  const auto wanted = kinds_from(!kinds.empty() ? kinds : sizes.empty() ? "all" : "polar");
  std::vector<WorkPlan> plans;
  for (const auto kind : wanted) {
    const bool own = chosen.empty() || kind == WorkKind::muon;
    for (const auto& size : own ? default_sizes(kind) : chosen) {
      plans.push_back({kind, size});
      if (kind == WorkKind::inverse_root) plans.push_back({kind, size, 4});
    }
  }
  return plans;
}

Work make_work(const WorkPlan& plan) {
  Matrices input(shapes_of(plan));
  Work work{.kind = plan.kind,
            .title = title_of(plan),
            .size = size_of(input),
            .task = Task::polar,
            .input = std::move(input),
            .number = 0,
            .flops = 0,
            .exact = {},
            .ours = {}};
  fill_gaussian(work.input, 1);
  const auto [rows, cols] = work.input.shape(0);
  switch (plan.kind) {
    case WorkKind::polar:
      work.ours = {{"", [](Matrices& x) { our_polar(x.at(0)); }}};
      break;
    case WorkKind::polar_batch:
    case WorkKind::muon:
      work.ours = {{"", [](Matrices& x) {
                      for_each(x, Loop::one_a_thread, [&](Index i) { our_polar(x.at(i)); });
                    }}};
      break;
    case WorkKind::regularized:
      work.task = Task::regularized_polar;
      work.input.at(0) = with_condition(rows, cols, kCondition, 2).cast<float>();
      work.number = epsilon_for(work.input);
      work.ours = {
          {"", [epsilon = work.number](Matrices& x) { our_regularized_polar(x.at(0), epsilon); }}};
      break;
    case WorkKind::regularized_batch:
      work.task = Task::regularized_polar;
      work.number = epsilon_for(work.input);
      work.ours = {
          {"", [epsilon = work.number](Matrices& x) { our_regularized_batch(x, epsilon); }}};
      break;
    case WorkKind::inverse_root:
      work.task = Task::inverse_root;
      work.input.at(0) = positive_definite(rows, kCondition, 2).cast<float>();
      work.number = plan.p;
      work.ours = our_inverse_roots(plan.p);
      break;
  }
  for (Index i = 0; i < work.input.count(); ++i)
    work.flops += plain_flops(work.task, work.input.shape(i));
  work.exact = exact_results(work);
  return work;
}

}  // namespace muonflow::cli

#include "muonflow/flow/detail/unit_network.hpp"

#include <cmath>

#include "muonflow/core/rng.hpp"
#include "muonflow/flow/detail/enroll_objective.hpp"
#include "muonflow/linalg/norms.hpp"

namespace muonflow::flow::detail {
namespace {

// Random streams of a seed.
enum : std::uint64_t { kInputs, kFixed, kTeacher, kNoise };

Tensor tensor_of(const Matrix<double>& a) { return make_tensor<double>(ConstMatrixRef<double>(a)); }

// The main block gives hidden and inputs.
const Block& main_block(const UnitSpec& spec, const Layout& layout) {
  if (spec.fixed_out && !spec.gate) return only_block(layout, spec.objective);
  for (const auto& block : layout.blocks()) {
    if (block.name == "in") return block;
  }
  throw ShapeError({.place = "particles",
                    .expected = "a block 'in' for objective '" + std::string(spec.objective) + "'",
                    .found = layout.text()});
}

UnitBlocks find_blocks(const UnitSpec& spec, const Layout& layout, Index outputs) {
  UnitBlocks blocks{.in = main_block(spec, layout), .out = {}, .router = {}};
  const Index m = blocks.in.rows, p = blocks.in.cols;
  if (!spec.fixed_out) blocks.out = named_block(layout, "out", outputs, m, spec.objective);
  if (spec.gate) blocks.router = named_block(layout, "router", 1, p, spec.objective);
  if (layout.width() != blocks.in.size() + (blocks.out ? blocks.out->size() : 0) +
                            (blocks.router ? blocks.router->size() : 0)) {
    throw ShapeError(
        {.place = "particles",
         .expected = "no other blocks for objective '" + std::string(spec.objective) + "'",
         .found = layout.text()});
  }
  return blocks;
}

template <class T>
GatedUnits<T> make_units(const UnitSpec& spec, const TensorMap& data, const Layout& layout,
                         const std::string& place) {
  const Index outputs = outputs_of(data, place);
  const auto blocks = find_blocks(spec, layout, outputs);
  Matrix<double> fixed;
  if (spec.fixed_out) {
    const Index m = blocks.in.rows;
    if (data.contains("V")) {
      const Shape shape{outputs, m};
      const auto values =
          data_values<double>(data_tensor(data, "V", shape, to_string(shape), place), "V", place);
      fixed = Eigen::Map<const Matrix<double>>(values.data(), outputs, m);
    } else {
      fixed = normal_matrix(outputs, m, 1, spec.seed, kFixed);
    }
  }
  return GatedUnits<T>(inputs_of(data, blocks.in.cols, place).template cast<T>(), fixed.cast<T>(),
                       blocks, spec.activation, spec.gate);
}

// Largest |sigma|, |sigma'| and |sigma''|.
struct ActivationBounds {
  std::optional<double> value;
  double slope, bend;
};
std::optional<ActivationBounds> bounds_of(nn::SmoothMap activation) {
  const double root = std::sqrt(3.0);
  switch (activation) {
    case nn::SmoothMap::tanh:
      return ActivationBounds{1.0, 1, 4 / (3 * root)};
    case nn::SmoothMap::sigmoid:
      return ActivationBounds{1.0, 0.25, 1 / (6 * root)};
    case nn::SmoothMap::softplus:
      return ActivationBounds{std::nullopt, 1, 0.25};
    default:
      return std::nullopt;
  }
}

// |DF u|^2 = sum_x |V sigma'(W x) o (u x)|^2 <= |V|^2 sigma'^2 s_max(X)^2 |u|^2, and the change of
// DF likewise with sigma'' max |x|.
Constants constants_of(const UnitSpec& spec, const GatedUnits<double>& units, const Risk& risk) {
  const auto bounds = bounds_of(spec.activation);
  if (!bounds || spec.gate || !spec.fixed_out) return {};
  const double out = linalg::spectral_norm<double>(units.fixed());
  const double inputs = linalg::spectral_norm<double>(units.inputs());
  const double longest = units.inputs().rowwise().norm().maxCoeff();
  std::optional<double> largest;
  if (bounds->value) {
    largest = *bounds->value * out * std::sqrt(static_cast<double>(units.fixed().rows()));
  }
  return Constants{.feature_slope = out * bounds->slope * inputs,
                   .feature_curvature = out * bounds->bend * longest * inputs,
                   .risk_slope = risk.slope(largest),
                   .risk_curvature = risk.curvature()}
      .completed();
}

std::optional<double> infimum_by_teacher(const UnitSpec& spec, const Risk& risk,
                                         const TensorMap& data, const Layout& layout,
                                         const std::string& place) {
  const auto infimum = risk.infimum();
  const auto teacher = get_particles(data, "teacher", layout, place);
  if (!infimum || !teacher) return std::nullopt;
  const double reached =
      risk.value(mean_features(make_units<double>(spec, data, layout, place), *teacher));
  // Targets made by this teacher, but for the rounding of a float file.
  return reached <= *infimum + 1e-12 * (1 + std::abs(*infimum)) ? infimum : std::nullopt;
}

}  // namespace

std::vector<Block> unit_blocks(const UnitSpec& spec, Index hidden, Index inputs, Index outputs) {
  if (spec.fixed_out && !spec.gate) return {Block{.name = "", .rows = hidden, .cols = inputs}};
  std::vector<Block> blocks{{.name = "in", .rows = hidden, .cols = inputs}};
  if (!spec.fixed_out) blocks.push_back({.name = "out", .rows = outputs, .cols = hidden});
  if (spec.gate) blocks.push_back({.name = "router", .rows = 1, .cols = inputs});
  return blocks;
}

TensorMap draw_unit_data(const UnitSpec& spec, const SupervisedOptions& options, RiskKind risk,
                         const Layout& layout) {
  if (!options.dataset.empty()) {
    throw ConfigError({.place = "objective.dataset",
                       .what = "data set '" + options.dataset + "' has not been loaded",
                       .advice = "hand its tensors over as the objective's data"});
  }
  const auto& main = main_block(spec, layout);
  TensorMap data;
  data["X"] = tensor_of(normal_matrix(options.samples, main.cols, 1, spec.seed, kInputs));
  if (spec.fixed_out) {
    data["V"] = tensor_of(normal_matrix(options.outputs, main.rows, 1, spec.seed, kFixed));
  }
  const auto teacher =
      normal_matrix(options.teachers, layout.width(), options.teacher_scale, spec.seed, kTeacher);
  put_particles(data, "teacher", layout, teacher);
  // Targets of the right shape first, for the network's sake.
  std::vector<double> y(static_cast<std::size_t>(options.samples * options.outputs), 0.0);
  const Shape shape{options.samples, options.outputs};
  data["y"] = make_tensor<double>(shape, y);
  const auto units = make_units<double>(spec, data, layout, "objective");
  const auto z = mean_features(units, teacher);
  for (std::size_t k = 0; k < y.size(); ++k) {
    const std::size_t sample = k / static_cast<std::size_t>(options.outputs);
    y[k] = spec.gate == Gate::softmax ? z[k] / z[y.size() + sample] : z[k];
  }
  Rng rng(spec.seed, kNoise);
  to_targets(y, options.outputs, risk, options.noise, rng);
  data["y"] = make_tensor<double>(shape, y);
  return data;
}

template <class T>
UnitNetwork<T>::UnitNetwork(const UnitSpec& spec, RiskKind risk, const TensorMap& data,
                            const Layout& layout, const std::string& place)
    : units_(make_units<T>(spec, data, layout, place)),
      risk_(risk, targets_of(data, risk, units_.samples(), place), place,
            {.classes = units_.outputs(),
             .weight = 1 / static_cast<double>(units_.samples()),
             .quotient = spec.gate == Gate::softmax}),
      infimum_(infimum_by_teacher(spec, risk_, data, layout, place)),
      constants_(constants_of(spec, make_units<double>(spec, data, layout, place), risk_)) {}

template class UnitNetwork<float>;
template class UnitNetwork<double>;

}  // namespace muonflow::flow::detail

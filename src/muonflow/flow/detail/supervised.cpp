#include "muonflow/flow/detail/supervised.hpp"

#include <algorithm>
#include <cmath>

#include "muonflow/flow/detail/enroll_objective.hpp"

namespace muonflow::flow::detail {
namespace {

constexpr std::int64_t kMostClasses = 4096;

std::vector<std::int64_t> labels_of(const TensorMap& data, const std::string& place) {
  const auto labels = tensor_values<std::int64_t>(data.at("labels"), "labels", place);
  for (std::size_t s = 0; s < labels.size(); ++s) {
    if (labels[s] < 0 || labels[s] >= kMostClasses) {
      throw DataError({.place = place + ", tensor labels, element " + std::to_string(s),
                       .expected = "a class between 0 and " + std::to_string(kMostClasses - 1),
                       .found = std::to_string(labels[s])});
    }
  }
  return labels;
}

std::string particles_name(const std::string& name, const Block& block) {
  return block.name.empty() ? name : name + "/" + block.name;
}

}  // namespace

void SupervisedOptions::fields(FieldVisitor& v) {
  v.integer("samples", samples, {.lo = 1, .hi = 1e7},
            "number n of inputs, drawn or taken from a data set");
  v.integer("outputs", outputs, {.lo = 1, .hi = kMostClasses},
            "number o of outputs, where data are drawn");
  v.integer("teachers", teachers, {.lo = 1, .hi = 1e6},
            "particles of the teacher that makes the targets, where data are drawn");
  v.real("teacher_scale", teacher_scale, kNonNegative,
         "standard deviation of the teacher's entries");
  v.real("noise", noise, kNonNegative, "standard deviation of what is added to the teacher");
  v.integer("seed", seed, kNonNegative, "draws inputs, teacher and noise where no file is given");
  v.text("dataset", dataset, "real data by name instead of a seed (muonflow list data)");
}

Matrix<double> normal_matrix(Index rows, Index cols, double scale, std::uint64_t seed,
                             std::uint64_t stream) {
  Rng rng(seed, stream);
  Matrix<double> a(rows, cols);
  for (Index k = 0; k < a.size(); ++k) a.data()[k] = scale * rng.normal();
  return a;
}

Index outputs_of(const TensorMap& data, const std::string& place) {
  if (data.contains("labels")) {
    const auto labels = labels_of(data, place);
    return labels.empty() ? 1 : *std::max_element(labels.begin(), labels.end()) + 1;
  }
  const auto y = data.find("y");
  if (y == data.end() || y->second.shape.empty() || y->second.shape.back() < 1) {
    throw ShapeError({.place = place,
                      .expected = "a tensor 'y' [n, outputs] or 'labels' [n]",
                      .found = y == data.end() ? "neither" : to_string(y->second.shape)});
  }
  return y->second.shape.back();
}

Matrix<double> inputs_of(const TensorMap& data, Index inputs, const std::string& place) {
  const auto found = data.find("X");
  const auto expected = "X [n, " + std::to_string(inputs) + "], as the particles are";
  if (found == data.end()) {
    throw ShapeError({.place = place, .what = "no tensor 'X'", .expected = expected});
  }
  const auto& shape = found->second.shape;
  if (shape.size() < 2 || shape.back() != inputs || found->second.count() < 1) {
    throw ShapeError(
        {.place = place + ", tensor X", .expected = expected, .found = to_string(shape)});
  }
  const auto values = data_values<double>(found->second, "X", place);
  return Eigen::Map<const Matrix<double>>(values.data(), found->second.count() / inputs, inputs);
}

std::vector<double> targets_of(const TensorMap& data, RiskKind risk, Index samples,
                               const std::string& place) {
  const Index outputs = outputs_of(data, place);
  const bool labelled = data.contains("labels");
  const std::string name = labelled ? "labels" : "y";
  const auto& tensor = data.at(name);
  if (tensor.count() != samples * (labelled ? 1 : outputs)) {
    throw ShapeError({.place = place + ", tensor " + name,
                      .expected = "one for each of the " + std::to_string(samples) + " inputs",
                      .found = to_string(tensor.shape)});
  }
  if (!labelled) return data_values<double>(tensor, "y", place);
  const double rest = risk == RiskKind::logistic ? -1 : 0;
  std::vector<double> y(static_cast<std::size_t>(samples * outputs), rest);
  const auto labels = labels_of(data, place);
  for (std::size_t s = 0; s < labels.size(); ++s) {
    y[s * static_cast<std::size_t>(outputs) + static_cast<std::size_t>(labels[s])] = 1;
  }
  return y;
}

void to_targets(std::vector<double>& u, Index outputs, RiskKind risk, double noise, Rng& rng) {
  for (double& x : u) {
    if (noise > 0) x += noise * rng.normal();
    if (risk == RiskKind::logistic) x = x < 0 ? -1 : 1;
  }
  if (risk != RiskKind::cross_entropy) return;
  const auto width = static_cast<std::size_t>(outputs);
  for (std::size_t begin = 0; begin < u.size(); begin += width) {
    const auto row = std::span(u).subspan(begin, width);
    const double most = *std::max_element(row.begin(), row.end());
    double sum = 0;
    for (double& x : row) sum += x = std::exp(x - most);
    for (double& x : row) x /= sum;
  }
}

void put_particles(TensorMap& data, const std::string& name, const Layout& layout,
                   const Matrix<double>& rows) {
  for (const auto& block : layout.blocks()) {
    const Matrix<double> part = rows.middleCols(block.offset, block.size());
    data[particles_name(name, block)] = make_tensor<double>(
        {part.rows(), block.rows, block.cols},
        std::span<const double>(part.data(), static_cast<std::size_t>(part.size())));
  }
}

std::optional<Matrix<double>> get_particles(const TensorMap& data, const std::string& name,
                                            const Layout& layout, const std::string& place) {
  const auto first = data.find(particles_name(name, layout.blocks().front()));
  if (first == data.end()) return std::nullopt;
  const auto count = first->second.shape.empty() ? 0 : first->second.shape[0];
  Matrix<double> rows(count, layout.width());
  for (const auto& block : layout.blocks()) {
    const auto full = particles_name(name, block);
    const Shape shape{count, block.rows, block.cols};
    const auto values =
        data_values<double>(data_tensor(data, full, shape, to_string(shape), place), full, place);
    rows.middleCols(block.offset, block.size()) =
        Eigen::Map<const Matrix<double>>(values.data(), count, block.size());
  }
  return rows;
}

}  // namespace muonflow::flow::detail

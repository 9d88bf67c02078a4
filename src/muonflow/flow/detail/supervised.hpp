// Inputs and targets of the objectives that fit a function: drawn with a teacher, read from
// tensors, or handed over from a data set.
//
//   tensor  shape    meaning
//   X       [n, p]   inputs
//   y       [n, o]   targets; the logistic risk takes 1 and -1, cross_entropy rows of probabilities
//   labels  [n]      instead of y: classes 0, 1, ... (whole numbers); coded as 1 and 0, for the
//                    logistic risk as 1 and -1 (one class against the rest)
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "muonflow/core/fields.hpp"
#include "muonflow/core/rng.hpp"
#include "muonflow/core/tensor.hpp"
#include "muonflow/flow/layout.hpp"
#include "muonflow/flow/risk.hpp"
#include "muonflow/linalg/workspace.hpp"

namespace muonflow::flow::detail {

struct SupervisedOptions {
  std::int64_t samples = 64;
  std::int64_t outputs = 2;
  std::int64_t teachers = 4;
  double teacher_scale = 1;
  double noise = 0;
  std::int64_t seed = 0;
  std::string dataset;

  void fields(FieldVisitor& v);
};

// Classes of `labels`, or columns of `y`. Throws ShapeError naming `place` where there is neither,
// DataError for labels that are no classes.
Index outputs_of(const TensorMap& data, const std::string& place);

// X [n, p] in double: all leading dimensions of the tensor together are the rows, of which there
// must be as many as targets. Throws ShapeError, DataError.
Matrix<double> inputs_of(const TensorMap& data, Index inputs, const std::string& place);

// Targets [n, o] by rows, from y or labels. Throws ShapeError, DataError.
std::vector<double> targets_of(const TensorMap& data, RiskKind risk, Index samples,
                               const std::string& place);

// What a teacher's values u [n, o] are as targets: u plus noise for squared, its sign for logistic,
// softmax(u) by rows for cross_entropy.
void to_targets(std::vector<double>& u, Index outputs, RiskKind risk, double noise, Rng& rng);

// Particles as tensors NAME or NAME/BLOCK, [K, m, n], and back; none where the first is absent.
// Throws ShapeError.
void put_particles(TensorMap& data, const std::string& name, const Layout& layout,
                   const Matrix<double>& rows);
std::optional<Matrix<double>> get_particles(const TensorMap& data, const std::string& name,
                                            const Layout& layout, const std::string& place);

// Independent entries N(0, scale^2).
Matrix<double> normal_matrix(Index rows, Index cols, double scale, std::uint64_t seed,
                             std::uint64_t stream);

inline std::span<const double> span_of(const Matrix<double>& a) {
  return {a.data(), static_cast<std::size_t>(a.size())};
}

// Mean features of some particles, the rows; units have features() and forward().
template <class Units>
std::vector<double> mean_features(const Units& units, const Matrix<double>& rows) {
  linalg::Workspace<double> workspace;
  std::vector<double> z(static_cast<std::size_t>(units.features()));
  units.forward(rows, z, workspace);
  for (double& x : z) x /= static_cast<double>(rows.rows());
  return z;
}

}  // namespace muonflow::flow::detail

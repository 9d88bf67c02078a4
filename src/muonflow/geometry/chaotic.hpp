// Kaon's map: singular values thrown about by a chaotic polynomial, a direction with no meaning in
// its spectrum. It has no potential: the question that it asks is whether a kinetic energy matters.
//
//   X = P/||P||_F, 5 times X <- 4.1 (I - X X^T)^2 X;   the map is X/1.175
// With x_i = s_i/|s| the map is s -> f(x_i), and d f(x_i)/d s_j = -f'(x_i) x_i x_j/|s| is symmetric
// in i and j only where f' is the same at all x_i: not a gradient for two singular values or more.
// So there is no Phi, no energy and no conjugate; momentum-free dynamics and rules take it, the
// inertial flow refuses it. ||map||_op <= 1. A. Shumaylov et al., arXiv:2605.11181.
#pragma once

#include <limits>

#include "muonflow/geometry/entry.hpp"
#include "muonflow/linalg/chaotic_map.hpp"

namespace muonflow::geometry {

template <class T>
class Chaotic final : public Potential<T> {
 public:
  static constexpr GeometryInfo kInfo{.name = "chaotic",
                                      .equation = "no potential: 4.1 s (1 - s^2)^2 five times",
                                      .cite = "arXiv:2605.11181",
                                      .convex = false,
                                      .smooth = false,
                                      .bounded_gradient = true,
                                      .orthogonally_invariant = true,
                                      .has_potential = false};
  struct Options {
    linalg::ChaoticMap map;
    void fields(FieldVisitor& v) { map.fields(v); }
  };
  explicit Chaotic(const Options& options = {}) : map_(options.map) {}

  const GeometryInfo& info() const override { return kInfo; }
  double value(const ConstMatrixRef<T>&, linalg::Workspace<T>&) const override {
    return std::numeric_limits<double>::quiet_NaN();
  }
  Outcome gradient(MatrixRef<T> p, linalg::Workspace<T>& workspace) const override {
    return linalg::chaotic_map<T>(p, map_, workspace);
  }
  ValueAndGradient value_and_gradient(MatrixRef<T> p,
                                      linalg::Workspace<T>& workspace) const override {
    auto result = Potential<T>::value_and_gradient(p, workspace);
    result.value = 0;
    return result;
  }
  std::optional<double> conjugate(const ConstMatrixRef<T>&, linalg::Workspace<T>&) const override {
    return std::nullopt;
  }

 private:
  linalg::ChaoticMap map_;
};

inline const Enrolled<Chaotic> kChaoticEnrolled;

}  // namespace muonflow::geometry

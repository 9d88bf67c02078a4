// A Schatten quasi-norm, scaled so that it does not depend on how many singular values there are:
// the kinetic energy of Freon beyond Muon, whose direction favours small singular values.
//
//   Phi(P) = r ((1/r) sum_i s_i^q)^(1/q), 0 < q < 1       r = min(m, n); q = 1 is nuclear
//   grad   = mu U diag(s^(q-1)) V^T, mu = ((1/r) sum s^q)^((1-q)/q)
// The gradient is exactly Freon's covariant map with c = 1 - q/2 (c = 2/3 for q = 2/3), mu included.
// Phi is of degree 1, so the map forgets the scale of P, and <P, grad> = Phi. Not convex: no
// conjugate, and a step minimizes nothing. The slope is infinite where a singular value vanishes;
// values up to `floor` of the largest count as 0 there, and stay.
// "Muon is not that special", arXiv:2605.11181; the potential is derived here.
#pragma once

#include <cmath>

#include "muonflow/geometry/detail/spectral_potential.hpp"
#include "muonflow/linalg/spectral_power.hpp"

namespace muonflow::geometry {

template <class T>
class SchattenQuasi final : public Potential<T> {
 public:
  static constexpr GeometryInfo kInfo{.name = "schatten_quasi",
                                      .equation = "r (mean_i s_i^q)^(1/q), 0 < q < 1",
                                      .cite = "arXiv:2605.11181",
                                      .convex = false,
                                      .smooth = false,
                                      .bounded_gradient = false,
                                      .orthogonally_invariant = true};
  struct Options {
    double q = 2.0 / 3.0;
    double floor = 1e-7;
    void fields(FieldVisitor& v) {
      v.real("q", q, {.lo = 0, .hi = 1, .lo_open = true, .hi_open = true},
             "exponent, 2 (1 - c) of Freon");
      v.real("floor", floor, kUnitBelowOne, "part of the largest singular value that counts as 0");
    }
  };
  explicit SchattenQuasi(const Options& options = {}) : options_(options) {}

  const GeometryInfo& info() const override { return kInfo; }
  double value(const ConstMatrixRef<T>& p, linalg::Workspace<T>& workspace) const override {
    const double largest = linalg::max_abs<T>(p);
    if (largest == 0 && linalg::all_finite<T>(p)) return 0;
    const auto rank = static_cast<double>(std::min(p.rows(), p.cols()));
    // Over the largest entry, so that no power leaves the range of double.
    const double sum = detail::spectral_sum<T>(
        p, workspace, [&](double s) { return std::pow(s / largest, options_.q); });
    return rank * largest * std::pow(sum / rank, 1 / options_.q);
  }
  Outcome gradient(MatrixRef<T> p, linalg::Workspace<T>& workspace) const override {
    const linalg::SpectralPower power{.c = 1 - options_.q / 2,
                                      .normalization = linalg::SpectralNormalization::covariant,
                                      .floor = options_.floor};
    return linalg::spectral_power<T>(p, power, workspace);
  }
  std::optional<double> conjugate(const ConstMatrixRef<T>&, linalg::Workspace<T>&) const override {
    return std::nullopt;
  }

 private:
  Options options_;
};

inline const Enrolled<SchattenQuasi> kSchattenQuasiEnrolled;

}  // namespace muonflow::geometry

// The nuclear norm: the kinetic energy of Muon, whose steepest direction is the polar factor.
//
//   Phi(P) = sum s_i     grad Phi(P) = U V^T     Phi*(X) = 0 if ||X||_op <= 1, else infinity
//
// Not smooth. The gradient is what the chosen polar method makes of P; only `svd` (the default
// here) is the exact one, on the numerical support. K. Jordan 2024; J. Bernstein, L. Newhouse,
// arXiv:2409.20325.
#pragma once

#include <span>

#include "muonflow/geometry/entry.hpp"
#include "muonflow/linalg/polar.hpp"

namespace muonflow::geometry {

namespace nuclear {

// d <- polar(d) by the given method: the call of the Muon rule.
template <class T>
Outcome steepest(MatrixRef<T> d, const linalg::Polar& polar, linalg::Workspace<T>& workspace) {
  return linalg::polar<T>(d, polar, workspace);
}

// Whether matrices of this shape can be taken sixteen at a time by this method: polynomial steps on
// at most 32 x 64 entries.
bool in_batches(Index rows, Index cols, const linalg::Polar& polar);

// d[i] <- polar(d[i]) for every matrix of a batch of such a shape; outcomes [count]. Trouble
// concerns one matrix, which is left as it was; bits do not depend on the neighbours.
template <class T>
void steepest_each(const Batch<T>& d, const linalg::Polar& polar, std::span<Outcome> outcomes,
                   linalg::Workspace<T>& workspace);

// What the exact decomposition of a matrix says of its size.
struct Size {
  double norm = 0;  // sum s_i
  Index rank = 0;   // how many s_i count: linalg::support_cutoff
};

// d <- U V^T exactly, on the numerical support; the size of d before comes from the same
// decomposition. Zero gives zero, of rank 0.
template <class T>
Outcome exact_steepest(MatrixRef<T> d, Size& size, linalg::Workspace<T>& workspace);

}  // namespace nuclear

template <class T>
class Nuclear final : public Potential<T> {
 public:
  static constexpr GeometryInfo kInfo{.name = "nuclear",
                                      .equation = "sum_i s_i",
                                      .cite = "K. Jordan 2024; arXiv:2409.20325",
                                      .convex = true,
                                      .smooth = false,
                                      .bounded_gradient = true,
                                      .orthogonally_invariant = true,
                                      .step = "nothing more, over ||W' - W||_op <= h"};
  struct Options {
    linalg::Polar polar{.method = linalg::PolarMethod::svd};
    void fields(FieldVisitor& v) { polar.fields(v); }
  };
  explicit Nuclear(const Options& options = {}) : options_(options) {}

  const GeometryInfo& info() const override { return kInfo; }
  double value(const ConstMatrixRef<T>& p, linalg::Workspace<T>& workspace) const override;
  Outcome gradient(MatrixRef<T> p, linalg::Workspace<T>& workspace) const override {
    return nuclear::steepest<T>(p, options_.polar, workspace);
  }
  ValueAndGradient value_and_gradient(MatrixRef<T> p,
                                      linalg::Workspace<T>& workspace) const override;
  std::optional<double> conjugate(const ConstMatrixRef<T>& x,
                                  linalg::Workspace<T>& workspace) const override;

 private:
  Options options_;
};

extern template class Nuclear<float>;
extern template class Nuclear<double>;

inline const Enrolled<Nuclear> kNuclearEnrolled;

}  // namespace muonflow::geometry

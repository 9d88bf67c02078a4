#include "muonflow/linalg/polar/qdwh.hpp"

#include <algorithm>

#include "muonflow/core/error.hpp"
#include "muonflow/linalg/gemm.hpp"

namespace muonflow::linalg {
namespace {

OddRational qdwh_step(double l, std::int64_t, double, const RationalPolar&) {
  return qdwh_coefficients(l).rational();
}

}  // namespace

template <class T>
Outcome qdwh(MatrixRef<T> x, const RationalPolar& options, Workspace<T>& workspace,
             RationalPolarReport* report) {
  return rational_polar<T>(x, qdwh_step, options, workspace, report);
}

template <class T>
Outcome polar_with_hermitian(MatrixRef<T> x, MatrixRef<T> h, const RationalPolar& options,
                             Workspace<T>& workspace) {
  const Index r = std::min(x.rows(), x.cols());
  if (h.rows() != r || h.cols() != r) {
    throw ShapeError({.what = "hermitian factor",
                      .expected = to_string(Shape{r, r}),
                      .found = to_string(Shape{h.rows(), h.cols()})});
  }
  typename Workspace<T>::Frame frame(workspace);
  MatrixMap<T> input = frame.matrix(x.rows(), x.cols());
  input = x;
  const Outcome outcome = qdwh<T>(x, options, workspace);
  if (!outcome.ok()) return outcome;
  if (x.rows() >= x.cols()) {
    gemm<T>(Op::transpose, Op::none, T(1), x, input, T(0), h);
  } else {
    gemm<T>(Op::none, Op::transpose, T(1), input, x, T(0), h);
  }
  for (Index i = 0; i < r; ++i) {
    for (Index j = 0; j < i; ++j) {
      const T mean = h(i, j) / 2 + h(j, i) / 2;
      h(i, j) = mean;
      h(j, i) = mean;
    }
  }
  return {};
}

#define MUONFLOW_INSTANTIATE(T)                                                              \
  template Outcome qdwh<T>(MatrixRef<T>, const RationalPolar&, Workspace<T>&,                \
                           RationalPolarReport*);                                            \
  template Outcome polar_with_hermitian<T>(MatrixRef<T>, MatrixRef<T>, const RationalPolar&, \
                                           Workspace<T>&);
MUONFLOW_INSTANTIATE(float)
MUONFLOW_INSTANTIATE(double)
#undef MUONFLOW_INSTANTIATE

}  // namespace muonflow::linalg

#include "muonflow/linalg/polar/spectral_map.hpp"

#include <algorithm>
#include <cmath>

#include "muonflow/linalg/gemm.hpp"
#include "muonflow/linalg/svd.hpp"

namespace muonflow::linalg {

template <class T>
Outcome map_singular_values(MatrixRef<T> x, const SpectralFunction& f, Scratch& scratch) {
  const Index m = x.rows();
  const Index n = x.cols();
  const Index r = std::min(m, n);
  if (r == 0) return {};
  Scratch::Frame frame(scratch);
  MatrixMap<double> u = frame.matrix<double>(m, r);
  MatrixMap<double> vt = frame.matrix<double>(r, n);
  MatrixMap<double> wide = frame.matrix<double>(m, n);
  const std::span<double> s = frame.values<double>(r);
  wide = x.template cast<double>();
  const Outcome outcome = svd_into<double>(wide, u.data(), s.data(), vt.data(), scratch);
  if (!outcome.ok()) return {.status = outcome.status, .changed = false};
  f(s);
  // Directions whose value is zero are left out: their vectors may be arbitrary.
  Index kept = 0;
  for (Index i = 0; i < r; ++i) {
    const double value = s[static_cast<std::size_t>(i)];
    if (!std::isfinite(value)) return {.status = Status::non_finite_result, .changed = false};
    if (value != 0) kept = i + 1;
  }
  for (Index i = 0; i < m; ++i) {
    for (Index j = 0; j < kept; ++j) u(i, j) *= s[static_cast<std::size_t>(j)];
  }
  gemm<double>(Op::none, Op::none, 1.0, u.leftCols(kept), vt.topRows(kept), 0.0, wide);
  x = wide.template cast<T>();
  return {};
}

template Outcome map_singular_values<float>(MatrixRef<float>, const SpectralFunction&, Scratch&);
template Outcome map_singular_values<double>(MatrixRef<double>, const SpectralFunction&, Scratch&);

}  // namespace muonflow::linalg

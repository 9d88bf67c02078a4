#include "muonflow/linalg/roots/root_interval.hpp"

#include <algorithm>

#include "muonflow/linalg/detail/cholesky.hpp"
#include "muonflow/linalg/norms.hpp"

namespace muonflow::linalg {

std::optional<RootInterval> root_interval(MatrixRef<double> a, double least) {
  if (a.rows() == 0) return std::nullopt;
  const double largest_row = a.cwiseAbs().rowwise().sum().maxCoeff();
  // A little more and a little less cover the rounding of norm and factorization.
  const double upper = std::min(frobenius_norm<double>(a), largest_row) * (1 + 1e-12);
  const detail::Definiteness found = detail::definiteness(a);
  if (!(found.inverse_trace > 0)) return std::nullopt;
  const double lower = std::min(upper, (1 - 1e-3) / found.inverse_trace);
  if (!(lower > least * upper)) return std::nullopt;
  return RootInterval{lower, upper, found.log_determinant};
}

}  // namespace muonflow::linalg

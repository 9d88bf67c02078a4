#include "muonflow/geometry/sign.hpp"

#include <limits>

#include "muonflow/geometry/detail/unit_ball.hpp"

namespace muonflow::geometry {

template <class T>
std::optional<double> Sign<T>::conjugate(const ConstMatrixRef<T>& x, linalg::Workspace<T>&) const {
  if (!linalg::all_finite<T>(x)) return std::numeric_limits<double>::quiet_NaN();
  return detail::in_unit_ball<T>(linalg::max_abs<T>(x), x)
             ? 0
             : std::numeric_limits<double>::infinity();
}

template class Sign<float>;
template class Sign<double>;

}  // namespace muonflow::geometry

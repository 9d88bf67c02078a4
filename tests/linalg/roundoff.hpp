// Units that tolerances are counted in.
#pragma once

#include <limits>

namespace muonflow::linalg {

constexpr double kUnit = std::numeric_limits<double>::epsilon();
template <class T>
constexpr double kUnitOf = static_cast<double>(std::numeric_limits<T>::epsilon());

}  // namespace muonflow::linalg

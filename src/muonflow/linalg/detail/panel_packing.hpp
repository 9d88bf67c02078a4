// Matrices into panels.
#pragma once

#include "muonflow/linalg/detail/panels.hpp"

namespace muonflow::linalg::detail {

// Panels over the rows, or over the columns, of x / divisor; x [rows, cols] row-major.
template <class T>
void pack_rows(const ConstMatrixRef<T>& x, double divisor, const Panels<T>& to);
template <class T>
void pack_columns(const ConstMatrixRef<T>& x, double divisor, const Panels<T>& to);

}  // namespace muonflow::linalg::detail

// Sums over the entries of whole rows, for norms.hpp: row after row, each row in eight running sums
// in double that are added in a fixed order. The same bits with every instruction set.
#pragma once

#include "muonflow/core/matrix.hpp"

namespace muonflow::linalg::detail {

// Rows of `cols` entries, `stride` apart.
template <class T>
struct Rows {
  const T* data;
  Index rows, cols, stride;
};

// sum (scale_a scale_b a)^2: two factors, so that their product may leave the range of double.
double sum_of_squares(const Rows<float>& a, double scale_a, double scale_b);
double sum_of_squares(const Rows<double>& a, double scale_a, double scale_b);
// sum a b; b has the shape of a.
double sum_of_products(const Rows<float>& a, const Rows<float>& b);
double sum_of_products(const Rows<double>& a, const Rows<double>& b);
double sum_of_absolutes(const Rows<float>& a);
double sum_of_absolutes(const Rows<double>& a);
bool finite(const Rows<float>& a);
bool finite(const Rows<double>& a);
// Largest absolute entry; entries that are NaN are skipped.
float largest(const Rows<float>& a);
double largest(const Rows<double>& a);

}  // namespace muonflow::linalg::detail

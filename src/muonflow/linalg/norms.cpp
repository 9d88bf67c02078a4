#include "muonflow/linalg/norms.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "muonflow/core/error.hpp"
#include "muonflow/core/parallel.hpp"
#include "muonflow/linalg/elementwise/detail/sums.hpp"
#include "muonflow/linalg/svd.hpp"

namespace muonflow::linalg {
namespace {

// Rows are dealt into at most kParts parts by the shape alone; each part's sum is formed in order,
// and so is the sum of the parts.
constexpr Index kParts = 64;
constexpr Index kPartElements = 1 << 14;

template <class T>
detail::Rows<T> rows_of(const ConstMatrixRef<T>& a, Index first, Index count) {
  return {a.data() + first * a.outerStride(), count, a.cols(), a.outerStride()};
}

// sum(first row, rows) of each part, over the parts of [rows, cols].
template <class Sum>
double over_parts(Index rows, Index cols, const Sum& part_sum) {
  const Index parts =
      std::clamp<Index>(rows * cols / kPartElements, 1, std::min(kParts, std::max<Index>(rows, 1)));
  std::array<double, kParts> sums{};
  parallel_for(parts, 4, [&](Index begin, Index end) {
    for (Index part = begin; part < end; ++part) {
      const Index first = rows * part / parts;
      sums[static_cast<std::size_t>(part)] = part_sum(first, rows * (part + 1) / parts - first);
    }
  });
  double sum = 0;
  for (Index part = 0; part < parts; ++part) sum += sums[static_cast<std::size_t>(part)];
  return sum;
}

template <class T>
double squares(const ConstMatrixRef<T>& a, double scale_a, double scale_b) {
  return over_parts(a.rows(), a.cols(), [&](Index first, Index rows) {
    return detail::sum_of_squares(rows_of<T>(a, first, rows), scale_a, scale_b);
  });
}

void check_norms(const char* what, Index rows, Index cols, const MatrixRef<double>& norms) {
  if (norms.rows() == rows && norms.cols() == cols) return;
  throw ShapeError({.what = what,
                    .expected = to_string(Shape{rows, cols}),
                    .found = to_string(Shape{norms.rows(), norms.cols()})});
}

}  // namespace

template <class T>
double frobenius_norm(const ConstMatrixRef<T>& a) {
  const double plain = squares<T>(a, 1, 1);
  // Squares of floats never leave the range of double. For double, outside this band squares may
  // have been lost or have overflowed, and a power of two brings the largest entry to about 1.
  if (sizeof(T) == sizeof(float) || std::isnan(plain) || (plain > 1e-250 && plain < 1e300)) {
    return std::sqrt(plain);
  }
  const double largest = max_abs<T>(a);
  if (largest == 0 || std::isinf(largest)) return largest;
  const int shift = std::ilogb(largest);
  // Two factors, since 2^1074 is not a double.
  const int half = shift / 2;
  const double sum = squares<T>(a, std::ldexp(1.0, -half), std::ldexp(1.0, half - shift));
  return std::ldexp(std::sqrt(sum), shift);
}

template <class T>
double dot(const ConstMatrixRef<T>& a, const ConstMatrixRef<T>& b) {
  if (a.rows() != b.rows() || a.cols() != b.cols()) {
    throw ShapeError({.what = "dot",
                      .expected = "two matrices of one shape",
                      .found = to_string(Shape{a.rows(), a.cols()}) + " and " +
                               to_string(Shape{b.rows(), b.cols()})});
  }
  return over_parts(a.rows(), a.cols(), [&](Index first, Index rows) {
    return detail::sum_of_products(rows_of<T>(a, first, rows), rows_of<T>(b, first, rows));
  });
}

template <class T>
double absolute_sum(const ConstMatrixRef<T>& a) {
  return over_parts(a.rows(), a.cols(), [&](Index first, Index rows) {
    return detail::sum_of_absolutes(rows_of<T>(a, first, rows));
  });
}

template <class T>
double max_abs(const ConstMatrixRef<T>& a) {
  return static_cast<double>(detail::largest(rows_of<T>(a, 0, a.rows())));
}

template <class T>
void row_norms(const ConstMatrixRef<T>& a, MatrixRef<double> norms) {
  check_norms("row_norms", a.rows(), 1, norms);
  for (Index i = 0; i < a.rows(); ++i) norms(i, 0) = frobenius_norm<T>(a.row(i));
}

// Down the rows, so that memory is read in its order.
template <class T>
void column_norms(const ConstMatrixRef<T>& a, MatrixRef<double> norms) {
  check_norms("column_norms", 1, a.cols(), norms);
  const double largest = max_abs<T>(a);
  const bool plain = sizeof(T) == sizeof(float) || largest == 0 || !std::isfinite(largest);
  const int shift = plain ? 0 : std::ilogb(largest);
  norms.setZero();
  for (Index i = 0; i < a.rows(); ++i) {
    for (Index j = 0; j < a.cols(); ++j) {
      const double x = shift == 0 ? static_cast<double>(a(i, j))
                                  : std::ldexp(static_cast<double>(a(i, j)), -shift);
      norms(0, j) += x * x;
    }
  }
  for (Index j = 0; j < a.cols(); ++j) {
    norms(0, j) = std::ldexp(std::sqrt(norms(0, j)), shift);
  }
}

template <class T>
void divide_rows(MatrixRef<T> x, double factor, double eps) {
  for (Index i = 0; i < x.rows(); ++i) {
    const double by = factor * frobenius_norm<T>(x.row(i)) + eps;
    if (by == 0) continue;
    for (Index j = 0; j < x.cols(); ++j) {
      x(i, j) = static_cast<T>(static_cast<double>(x(i, j)) / by);
    }
  }
}

template <class T>
void divide_columns(MatrixRef<T> x, double factor, double eps, Scratch& scratch) {
  Scratch::Frame frame(scratch);
  auto by = frame.matrix<double>(1, x.cols());
  column_norms<T>(x, by);
  for (Index j = 0; j < x.cols(); ++j) by(0, j) = factor * by(0, j) + eps;
  for (Index i = 0; i < x.rows(); ++i) {
    for (Index j = 0; j < x.cols(); ++j) {
      if (by(0, j) != 0) x(i, j) = static_cast<T>(static_cast<double>(x(i, j)) / by(0, j));
    }
  }
}

template <class T>
bool all_finite(const ConstMatrixRef<T>& a) {
  const double troubles = over_parts(a.rows(), a.cols(), [&](Index first, Index rows) {
    return detail::finite(rows_of<T>(a, first, rows)) ? 0.0 : 1.0;
  });
  return troubles == 0;
}

template <class T>
double nuclear_norm(const ConstMatrixRef<T>& a) {
  const Vector<T> s = singular_values<T>(a);
  double sum = 0;
  for (Index i = s.size() - 1; i >= 0; --i) sum += static_cast<double>(s[i]);
  return sum;
}

template <class T>
double spectral_norm(const ConstMatrixRef<T>& a) {
  const Vector<T> s = singular_values<T>(a);
  return s.size() == 0 ? 0.0 : static_cast<double>(s[0]);
}

#define MUONFLOW_INSTANTIATE(T)                                               \
  template double frobenius_norm<T>(const ConstMatrixRef<T>&);                \
  template double dot<T>(const ConstMatrixRef<T>&, const ConstMatrixRef<T>&); \
  template double absolute_sum<T>(const ConstMatrixRef<T>&);                  \
  template double max_abs<T>(const ConstMatrixRef<T>&);                       \
  template void row_norms<T>(const ConstMatrixRef<T>&, MatrixRef<double>);    \
  template void column_norms<T>(const ConstMatrixRef<T>&, MatrixRef<double>); \
  template void divide_rows<T>(MatrixRef<T>, double, double);                 \
  template void divide_columns<T>(MatrixRef<T>, double, double, Scratch&);    \
  template bool all_finite<T>(const ConstMatrixRef<T>&);                      \
  template double nuclear_norm<T>(const ConstMatrixRef<T>&);                  \
  template double spectral_norm<T>(const ConstMatrixRef<T>&);
MUONFLOW_INSTANTIATE(float)
MUONFLOW_INSTANTIATE(double)
#undef MUONFLOW_INSTANTIATE

}  // namespace muonflow::linalg

#include "muonflow/linalg/norms.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "muonflow/core/error.hpp"
#include "muonflow/core/parallel.hpp"
#include "muonflow/linalg/detail/row_dot.hpp"
#include "muonflow/linalg/svd.hpp"

namespace muonflow::linalg {
namespace {

// Rows are dealt into at most kParts parts by the shape alone; each part's sum is formed in order,
// and so is the sum of the parts.
constexpr Index kParts = 64;
constexpr Index kPartElements = 1 << 14;

template <class Row>
double reduce_rows(Index rows, Index cols, const Row& row_sum) {
  const Index parts =
      std::clamp<Index>(rows * cols / kPartElements, 1, std::min(kParts, std::max<Index>(rows, 1)));
  std::array<double, kParts> sums{};
  parallel_for(parts, 4, [&](Index begin, Index end) {
    for (Index part = begin; part < end; ++part) {
      double sum = 0;
      for (Index i = rows * part / parts; i < rows * (part + 1) / parts; ++i) sum += row_sum(i);
      sums[static_cast<std::size_t>(part)] = sum;
    }
  });
  double sum = 0;
  for (Index part = 0; part < parts; ++part) sum += sums[static_cast<std::size_t>(part)];
  return sum;
}

// Eight running sums: a fixed order that the compiler can keep in vector registers.
template <class Term>
double row_reduce(Index cols, const Term& term) {
  std::array<double, 8> lanes{};
  Index j = 0;
  for (; j + 8 <= cols; j += 8) {
    for (Index l = 0; l < 8; ++l) lanes[static_cast<std::size_t>(l)] += term(j + l);
  }
  for (Index l = 0; j < cols; ++j, ++l) lanes[static_cast<std::size_t>(l)] += term(j);
  return ((lanes[0] + lanes[4]) + (lanes[1] + lanes[5])) +
         ((lanes[2] + lanes[6]) + (lanes[3] + lanes[7]));
}

template <class T>
double sum_of_squares(const ConstMatrixRef<T>& a) {
  return reduce_rows(a.rows(), a.cols(), [&](Index i) {
    const T* const row = a.data() + i * a.outerStride();
    return detail::row_dot(a.cols(), row, row);
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
  const double plain = sum_of_squares<T>(a);
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
  const double scale_a = std::ldexp(1.0, -half);
  const double scale_b = std::ldexp(1.0, half - shift);
  const double sum = reduce_rows(a.rows(), a.cols(), [&](Index i) {
    const T* const row = a.data() + i * a.outerStride();
    return row_reduce(a.cols(), [=](Index j) {
      const double x = static_cast<double>(row[j]) * scale_a * scale_b;
      return x * x;
    });
  });
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
  return reduce_rows(a.rows(), a.cols(), [&](Index i) {
    return detail::row_dot(a.cols(), a.data() + i * a.outerStride(),
                           b.data() + i * b.outerStride());
  });
}

template <class T>
double absolute_sum(const ConstMatrixRef<T>& a) {
  return reduce_rows(a.rows(), a.cols(), [&](Index i) {
    const T* const row = a.data() + i * a.outerStride();
    return row_reduce(a.cols(), [=](Index j) { return std::abs(static_cast<double>(row[j])); });
  });
}

template <class T>
double max_abs(const ConstMatrixRef<T>& a) {
  T largest = 0;
  for (Index i = 0; i < a.rows(); ++i) {
    const T* const row = a.data() + i * a.outerStride();
    for (Index j = 0; j < a.cols(); ++j) {
      const T x = std::abs(row[j]);
      largest = x > largest ? x : largest;
    }
  }
  return static_cast<double>(largest);
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
  // x - x is 0 for a finite x and NaN for any other; a sum of those needs no branch.
  const double sum = reduce_rows(a.rows(), a.cols(), [&](Index i) {
    const T* const row = a.data() + i * a.outerStride();
    return row_reduce(a.cols(), [=](Index j) { return static_cast<double>(row[j] - row[j]); });
  });
  return sum == 0;
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

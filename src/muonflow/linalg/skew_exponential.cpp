#include "muonflow/linalg/skew_exponential.hpp"

#include <algorithm>
#include <cmath>
#include <span>

#include "muonflow/core/error.hpp"
#include "muonflow/linalg/detail/factorizations.hpp"
#include "muonflow/linalg/detail/one_thread.hpp"
#include "muonflow/linalg/gemm.hpp"
#include "muonflow/linalg/norms.hpp"
#include "muonflow/linalg/symmetric.hpp"

namespace muonflow::linalg {
namespace {

struct PadeDegree {
  int degree;
  double reach;  // 1-norms up to which the backward error is below the unit roundoff
};

// N. Higham 2005, tables 2.3 (double) and A.1 (single); degree 13 is left out: an angle beyond the
// reach of 9 is rare, and a squaring serves it.
constexpr std::array<PadeDegree, 4> kDouble{{{3, 1.495585217958292e-2},
                                             {5, 2.539398330063230e-1},
                                             {7, 9.504178996162932e-1},
                                             {9, 2.097847961257068}}};
constexpr std::array<PadeDegree, 3> kSingle{
    {{3, 4.258730016922831e-1}, {5, 1.880152677804762}, {7, 3.925724783138660}}};

constexpr std::span<const PadeDegree> degrees(float) { return kSingle; }
constexpr std::span<const PadeDegree> degrees(double) { return kDouble; }

// Coefficients of the numerator: c_0 = 1, c_j = c_(j-1) (m - j + 1) / (j (2 m - j + 1)).
std::array<double, 10> pade(int degree) {
  std::array<double, 10> c{1.0};
  for (int j = 1; j <= degree; ++j) {
    c[static_cast<std::size_t>(j)] = c[static_cast<std::size_t>(j - 1)] * (degree - j + 1) /
                                     static_cast<double>(j * (2 * degree - j + 1));
  }
  return c;
}

template <class T>
void make_skew(MatrixRef<T> x) {
  for (Index i = 0; i < x.rows(); ++i) {
    x(i, i) = 0;
    for (Index j = 0; j < i; ++j) x(j, i) = -x(i, j);
  }
}

template <class T>
double largest_column_sum(const ConstMatrixRef<T>& x) {
  double largest = 0;
  for (Index i = 0; i < x.rows(); ++i) {
    largest = std::max(largest, absolute_sum<T>(x.row(i)));
  }
  return largest;
}

template <class T>
void add_to_diagonal(MatrixRef<T> x, double value) {
  for (Index i = 0; i < x.rows(); ++i) x(i, i) += static_cast<T>(value);
}

// x <- (V - U)^(-1) (V + U) for a symmetric V and a skew U, which commute. LAPACK reads rows as
// columns, so what it solves is (V + U) Y = V - U, and it writes Y by columns: Y^T by rows, which
// is the result.
template <class T>
void solve(const ConstMatrixRef<T>& u, const ConstMatrixRef<T>& v, MatrixRef<T> x,
           Workspace<T>& workspace) {
  typename Workspace<T>::Frame frame(workspace);
  const auto n = static_cast<int>(x.rows());
  auto factor = frame.matrix(n, n);
  auto right = frame.matrix(n, n);
  int* const pivots = frame.template values<int>(n).data();
  factor = v - u;
  right = v + u;
  int info = 0;
  const detail::OneThread one_thread;
  detail::getrf(n, factor.data(), n, pivots, &info);  // v has a dominant spectrum: info is 0
  detail::getrs('N', n, n, factor.data(), n, pivots, right.data(), n);
  x = right;
}

template <class T>
void cayley(MatrixRef<T> x, Workspace<T>& workspace) {
  typename Workspace<T>::Frame frame(workspace);
  auto u = frame.matrix(x.rows(), x.cols());
  auto v = frame.matrix(x.rows(), x.cols());
  u = T(0.5) * x;
  v.setIdentity();
  solve<T>(u, v, x, workspace);
}

// The even part of the numerator is V, the odd part U, both polynomials in b = x^2.
template <class T>
void diagonal_pade(MatrixRef<T> x, int degree, Workspace<T>& workspace) {
  const Index n = x.rows();
  typename Workspace<T>::Frame frame(workspace);
  auto b = frame.matrix(n, n);
  auto power = frame.matrix(n, n);
  auto next = frame.matrix(n, n);
  auto odd = frame.matrix(n, n);
  auto v = frame.matrix(n, n);
  const auto c = pade(degree);
  const auto at = [&](int j) { return static_cast<T>(c[static_cast<std::size_t>(j)]); };
  symmetric_product<T>(T(-1), x, T(0), b, workspace);  // x^2 = -x x^T
  v = at(2) * b;
  odd = at(3) * b;
  add_to_diagonal<T>(v, c[0]);
  add_to_diagonal<T>(odd, c[1]);
  power = b;
  for (int j = 5; j <= degree; j += 2) {
    gemm<T>(Op::none, Op::none, T(1), power, b, T(0), next);
    power = next;
    v += at(j - 1) * power;
    odd += at(j) * power;
  }
  gemm<T>(Op::none, Op::none, T(1), x, odd, T(0), b);  // U, skew but for rounding
  make_skew<T>(b);
  next = T(0.5) * (v + v.transpose());
  solve<T>(b, next, x, workspace);
}

// x <- x^2, then one Newton step x <- x (3 I - x^T x) / 2 towards its polar factor.
template <class T>
void square(MatrixRef<T> x, Workspace<T>& workspace) {
  typename Workspace<T>::Frame frame(workspace);
  auto squared = frame.matrix(x.rows(), x.cols());
  auto gram = frame.matrix(x.rows(), x.cols());
  gemm<T>(Op::none, Op::none, T(1), x, x, T(0), squared);
  gemm<T>(Op::transpose, Op::none, T(-0.5), squared, squared, T(0), gram);
  add_to_diagonal<T>(gram, 1.5);
  gemm<T>(Op::none, Op::none, T(1), squared, gram, T(0), x);
}

template <class T>
void exponential(MatrixRef<T> x, Workspace<T>& workspace) {
  const auto table = degrees(T{});
  const double norm = largest_column_sum<T>(x);
  const auto fits = std::find_if(table.begin(), table.end(),
                                 [&](const PadeDegree& one) { return norm <= one.reach; });
  if (fits != table.end()) return diagonal_pade<T>(x, fits->degree, workspace);
  const int squarings = std::ilogb(norm / table.back().reach) + 1;
  x *= static_cast<T>(std::ldexp(1.0, -squarings));
  diagonal_pade<T>(x, table.back().degree, workspace);
  for (int i = 0; i < squarings; ++i) square<T>(x, workspace);
}

}  // namespace

template <class T>
Outcome skew_exponential(MatrixRef<T> x, SkewMap map, Workspace<T>& workspace) {
  const Index n = x.rows();
  if (n != x.cols()) {
    throw ShapeError({.what = "skew_exponential",
                      .expected = "a square matrix",
                      .found = to_string(Shape{n, x.cols()})});
  }
  if (n == 0) return {};
  typename Workspace<T>::Frame frame(workspace);
  auto skew = frame.matrix(n, n);
  skew = x;
  make_skew<T>(skew);
  if (!all_finite<T>(skew)) return {.status = Status::non_finite_input, .changed = false};
  if (map == SkewMap::exp) {
    exponential<T>(skew, workspace);
  } else if (map == SkewMap::cayley) {
    cayley<T>(skew, workspace);
  } else {
    auto sum = frame.matrix(n, n);
    symmetric_product<T>(T(-0.5), skew, T(0), sum, workspace);  // x^2 / 2
    skew += sum;
    add_to_diagonal<T>(skew, 1);
  }
  if (!all_finite<T>(skew)) return {.status = Status::non_finite_result, .changed = false};
  x = skew;
  return {};
}

template <class T>
Outcome turn(Side side, SkewMap map, MatrixRef<T> skew, MatrixRef<T> x, Workspace<T>& workspace) {
  const Index other = side == Side::left ? x.cols() : x.rows();
  if (map != SkewMap::taylor2 || 2 * other >= skew.rows()) {
    const Outcome outcome = skew_exponential<T>(skew, map, workspace);
    if (outcome.ok()) multiply_side<T>(side, Op::none, skew, x, workspace);
    return outcome;
  }
  make_skew<T>(skew);
  if (!all_finite<T>(skew)) return {.status = Status::non_finite_input, .changed = false};
  typename Workspace<T>::Frame frame(workspace);
  auto once = frame.matrix(x.rows(), x.cols());
  auto twice = frame.matrix(x.rows(), x.cols());
  once = x;
  multiply_side<T>(side, Op::none, skew, once, workspace);
  twice = once;
  multiply_side<T>(side, Op::none, skew, twice, workspace);
  once = x + once + T(0.5) * twice;
  if (!all_finite<T>(once)) return {.status = Status::non_finite_result, .changed = false};
  x = once;
  return {};
}

#define MUONFLOW_INSTANTIATE(T)                                               \
  template Outcome skew_exponential<T>(MatrixRef<T>, SkewMap, Workspace<T>&); \
  template Outcome turn<T>(Side, SkewMap, MatrixRef<T>, MatrixRef<T>, Workspace<T>&);
MUONFLOW_INSTANTIATE(float)
MUONFLOW_INSTANTIATE(double)
#undef MUONFLOW_INSTANTIATE

}  // namespace muonflow::linalg

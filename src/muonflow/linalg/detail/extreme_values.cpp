#include "muonflow/linalg/detail/extreme_values.hpp"

#include <algorithm>
#include <cmath>

#include "muonflow/core/rng.hpp"
#include "muonflow/linalg/detail/factorizations.hpp"
#include "muonflow/linalg/detail/one_thread.hpp"
#include "muonflow/linalg/norms.hpp"

namespace muonflow::linalg::detail {
namespace {

constexpr int kSweeps = 8;

// Calls a LAPACK routine twice: for the size of its work space, and to work.
template <class T, class Routine>
void with_work(Scratch& scratch, const Routine& routine) {
  const OneThread one_thread;
  Scratch::Frame frame(scratch);
  T size = 0;
  routine(&size, -1);
  const auto length = static_cast<int>(size) + 1;
  routine(frame.values<T>(length).data(), length);
}

// Scales v to unit length and returns the length it had.
template <class T>
double normalize(std::span<T> v) {
  double squares = 0;
  for (const T value : v) squares += static_cast<double>(value) * static_cast<double>(value);
  const double norm = std::sqrt(squares);
  for (T& value : v) value = static_cast<T>(static_cast<double>(value) / norm);
  return norm;
}

template <class T>
std::span<T> start(Index size, Scratch::Frame& frame) {
  const std::span<T> v = frame.values<T>(size);
  Rng rng(0, 1);
  for (T& value : v) value = static_cast<T>(rng.normal());
  normalize(v);
  return v;
}

// solve(v, length) is v <- (A^T A)^-1 v in two halves, normalized after each; it returns the
// product of their lengths.
template <class T, class Solve>
double iterate_inversely(Index size, Scratch::Frame& frame, const Solve& solve) {
  const std::span<T> v = start<T>(size, frame);
  double norm = 0;
  for (int sweep = 0; sweep < kSweeps; ++sweep) {
    norm = solve(v.data(), [&] { return normalize(v); });
    if (!std::isfinite(norm) || norm == 0) return 0;
  }
  return 1 / std::sqrt(norm);
}

}  // namespace

template <class T>
MatrixMap<T> Triangle<T>::form_q(int k, Scratch& scratch) {
  int info = 0;
  with_work<T>(scratch, [&](T* work, int length) {
    orgqr(cols(), k, k, factored.data(), cols(), tau.data(), work, length, &info);
  });
  return MatrixMap<T>(factored.data(), k, factored.cols(), Eigen::OuterStride<>(factored.cols()));
}

template <class T>
Triangle<T> triangle(const ConstMatrixRef<T>& w, Scratch& scratch, Scratch::Frame& frame) {
  Triangle<T> qr{frame.matrix<T>(w.rows(), w.cols()), frame.values<T>(w.rows())};
  qr.factored = w;
  int info = 0;
  with_work<T>(scratch, [&](T* work, int length) {
    geqrf(qr.cols(), qr.rows(), qr.factored.data(), qr.cols(), qr.tau.data(), work, length, &info);
  });
  return qr;
}

template <class T>
Triangle<T> pivoted_triangle(const ConstMatrixRef<T>& w, std::span<int> pivots, Scratch& scratch,
                             Scratch::Frame& frame) {
  Triangle<T> qr{frame.matrix<T>(w.rows(), w.cols()), frame.values<T>(w.rows())};
  qr.factored = w;
  std::fill(pivots.begin(), pivots.end(), 0);  // all are free to move
  int info = 0;
  with_work<T>(scratch, [&](T* work, int length) {
    geqp3(qr.cols(), qr.rows(), qr.factored.data(), qr.cols(), pivots.data(), qr.tau.data(), work,
          length, &info);
  });
  return qr;
}

template <class T>
double largest_from_below(const ConstMatrixRef<T>& x, Scratch& scratch) {
  Scratch::Frame frame(scratch);
  const std::span<T> v = start<T>(x.rows(), frame);
  const std::span<T> w = frame.values<T>(x.cols());
  Eigen::Map<Vector<T>> left(v.data(), x.rows());
  Eigen::Map<Vector<T>> right(w.data(), x.cols());
  double norm = 0;
  for (int sweep = 0; sweep < kSweeps; ++sweep) {
    right.noalias() = x.transpose() * left;
    left.noalias() = x * right;
    norm = normalize(v);
    if (norm == 0) return 0;
  }
  return std::sqrt(norm);
}

template <class T>
double smallest_from_above(const Triangle<T>& qr, Scratch& scratch) {
  const OneThread one_thread;
  Scratch::Frame frame(scratch);
  if ((qr.factored.diagonal().array() == T(0)).any()) return 0;
  const T* const r = qr.factored.data();
  return iterate_inversely<T>(qr.rows(), frame, [&](T* v, const auto& length) {
    trsv('U', 'T', qr.rows(), r, qr.cols(), v);
    const double first = length();
    trsv('U', 'N', qr.rows(), r, qr.cols(), v);
    return first * length();
  });
}

template <class T>
double smallest_from_above(const ConstMatrixRef<T>& square, Scratch& scratch) {
  const OneThread one_thread;
  Scratch::Frame frame(scratch);
  const auto n = static_cast<int>(square.rows());
  MatrixMap<T> lu = frame.matrix<T>(n, n);
  lu = square;
  const std::span<int> pivots = frame.values<int>(n);
  int info = 0;
  getrf(n, lu.data(), n, pivots.data(), &info);
  if (info != 0) return 0;
  return iterate_inversely<T>(n, frame, [&](T* v, const auto& length) {
    getrs('T', n, 1, lu.data(), n, pivots.data(), v, n);
    const double first = length();
    getrs('N', n, 1, lu.data(), n, pivots.data(), v, n);
    return first * length();
  });
}

template <class T>
double norm_bound(const ConstMatrixRef<T>& x) {
  double rows = 0;
  for (Index i = 0; i < x.rows(); ++i) {
    rows = std::max(rows, x.row(i).template cast<double>().cwiseAbs().sum());
  }
  const Vector<double> sums = x.template cast<double>().cwiseAbs().colwise().sum();
  return std::min(frobenius_norm<T>(x), std::sqrt(rows) * std::sqrt(sums.maxCoeff()));
}

#define MUONFLOW_INSTANTIATE(T)                                                                \
  template struct Triangle<T>;                                                                 \
  template Triangle<T> triangle<T>(const ConstMatrixRef<T>&, Scratch&, Scratch::Frame&);       \
  template Triangle<T> pivoted_triangle<T>(const ConstMatrixRef<T>&, std::span<int>, Scratch&, \
                                           Scratch::Frame&);                                   \
  template double largest_from_below<T>(const ConstMatrixRef<T>&, Scratch&);                   \
  template double smallest_from_above<T>(const Triangle<T>&, Scratch&);                        \
  template double smallest_from_above<T>(const ConstMatrixRef<T>&, Scratch&);                  \
  template double norm_bound<T>(const ConstMatrixRef<T>&);
MUONFLOW_INSTANTIATE(float)
MUONFLOW_INSTANTIATE(double)
#undef MUONFLOW_INSTANTIATE

}  // namespace muonflow::linalg::detail

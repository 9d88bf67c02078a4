#include "muonflow/linalg/polar/plain_spectral.hpp"

#include <algorithm>
#include <cmath>

#include "muonflow/linalg/detail/all_threads.hpp"
#include "muonflow/linalg/detail/blas.hpp"

namespace muonflow::linalg {
namespace {

// c [m, n] = a [m, k] b [k, n], or a^T b with a [k, m]; contiguous. Fortran sees c^T = b^T a^T.
template <class T>
void product(bool transpose_a, const MatrixMap<T>& a, const MatrixMap<T>& b, MatrixMap<T>& c) {
  const char plain = 'N';
  const char other = transpose_a ? 'T' : 'N';
  const auto m = static_cast<int>(c.rows()), n = static_cast<int>(c.cols()),
             k = static_cast<int>(b.rows()), lda = static_cast<int>(a.cols());
  const T one = 1, zero = 0;
  if constexpr (sizeof(T) == sizeof(float)) {
    sgemm_(&plain, &other, &n, &m, &k, &one, b.data(), &n, a.data(), &lda, &zero, c.data(), &n, 1,
           1);
  } else {
    dgemm_(&plain, &other, &n, &m, &k, &one, b.data(), &n, a.data(), &lda, &zero, c.data(), &n, 1,
           1);
  }
}

// s / sqrt(s^2 + epsilon^2), 0 for a matrix without anything in it.
template <class T>
T regularized(T s, double epsilon) {
  return s > 0 ? static_cast<T>(s / std::hypot(static_cast<double>(s), epsilon)) : T(0);
}

// LAPACK sees x^T = v diag(s) u^T, so its left factor is our v^T by rows.
bool by_svd(MatrixRef<float> x, double epsilon, Scratch& scratch) {
  const Index r = std::min(x.rows(), x.cols());
  const auto m = static_cast<int>(x.cols()), n = static_cast<int>(x.rows()),
             k = static_cast<int>(r);
  Scratch::Frame frame(scratch);
  MatrixMap<float> copy = frame.matrix<float>(x.rows(), x.cols());
  MatrixMap<float> u = frame.matrix<float>(x.rows(), r);
  MatrixMap<float> vt = frame.matrix<float>(r, x.cols());
  const auto s = frame.values<float>(r);
  int* const integers = frame.values<int>(8 * r).data();
  copy = x;
  float size = 0;
  int info = 0;
  detail::gesdd('S', m, n, copy.data(), m, s.data(), vt.data(), m, u.data(), k, &size, -1, integers,
                &info);
  const auto length = static_cast<int>(size) + 1;
  detail::gesdd('S', m, n, copy.data(), m, s.data(), vt.data(), m, u.data(), k,
                frame.values<float>(length).data(), length, integers, &info);
  if (info != 0) return false;
  for (Index i = 0; i < r; ++i) vt.row(i) *= regularized(s[static_cast<std::size_t>(i)], epsilon);
  product<float>(false, u, vt, copy);
  x = copy;
  return true;
}

// Eigenvectors as the rows of `a`, values ascending; false where LAPACK did not converge.
template <class T>
bool decompose_symmetric(MatrixMap<T>& a, T* values, Scratch& scratch) {
  Scratch::Frame frame(scratch);
  const auto n = static_cast<int>(a.rows());
  const int length = 1 + 6 * n + 2 * n * n, integers = 3 + 5 * n;
  int info = 0;
  detail::syevd('V', 'U', n, a.data(), n, values, frame.values<T>(length).data(), length,
                frame.values<int>(integers).data(), integers, &info);
  return info == 0;
}

// root [n, n] = vectors^T diag(weights) vectors, with the vectors as rows.
template <class T>
void compose_symmetric(const MatrixMap<T>& vectors, std::span<const T> weights, MatrixMap<T>& root,
                       Scratch& scratch) {
  Scratch::Frame frame(scratch);
  MatrixMap<T> scaled = frame.matrix<T>(vectors.rows(), vectors.cols());
  for (Index i = 0; i < vectors.rows(); ++i) {
    scaled.row(i) = weights[static_cast<std::size_t>(i)] * vectors.row(i);
  }
  product<T>(true, vectors, scaled, root);
}

bool by_eigh(MatrixRef<float> x, double epsilon, Scratch& scratch) {
  const bool tall = x.rows() > x.cols();
  const Index r = std::min(x.rows(), x.cols()), n = std::max(x.rows(), x.cols());
  Scratch::Frame frame(scratch);
  MatrixMap<double> other = frame.matrix<double>(n, r);  // the transpose of the wide matrix
  MatrixMap<double> gram = frame.matrix<double>(r, r);
  MatrixMap<double> root = frame.matrix<double>(r, r);
  MatrixMap<double> result = frame.matrix<double>(n, r);
  const auto values = frame.values<double>(r);
  if (tall) {
    other = x.cast<double>();
  } else {
    other = x.transpose().cast<double>();
  }
  product<double>(true, other, other, gram);
  if (!decompose_symmetric(gram, values.data(), scratch)) return false;
  for (double& value : values) {
    const double sum = std::max(value, 0.0) + epsilon * epsilon;
    value = sum > 0 ? 1 / std::sqrt(sum) : 0;
  }
  compose_symmetric<double>(gram, values, root, scratch);
  product<double>(false, other, root, result);
  if (tall) {
    x = result.cast<float>();
  } else {
    x = result.transpose().cast<float>();
  }
  return true;
}

}  // namespace

bool plain_regularized_polar(MatrixRef<float> x, double epsilon, Decomposition decomposition,
                             Scratch& scratch) {
  const detail::AllThreads all_threads;
  return decomposition == Decomposition::svd ? by_svd(x, epsilon, scratch)
                                             : by_eigh(x, epsilon, scratch);
}

void plain_regularized_polar(MatrixRef<float> x, double epsilon, ProductLibrary library,
                             Scratch& scratch) {
  static const std::vector<OddPolynomial> steps = polar_express_steps(8);
  const bool tall = x.rows() > x.cols();
  const Index r = std::min(x.rows(), x.cols()), n = std::max(x.rows(), x.cols());
  Scratch::Frame frame(scratch);
  MatrixMap<float> augmented = frame.matrix<float>(r, n + r);
  if (tall) {
    augmented.leftCols(n) = x.transpose();
  } else {
    augmented.leftCols(n) = x;
  }
  augmented.rightCols(r).setIdentity();
  augmented.rightCols(r) *= static_cast<float>(epsilon);
  plain_steps(augmented, steps, library, scratch);
  if (tall) {
    x = augmented.leftCols(n).transpose();
  } else {
    x = augmented.leftCols(n);
  }
}

double plain_regularized_polar_flops(Index rows, Index cols) {
  const auto r = static_cast<double>(std::min(rows, cols));
  const auto n = static_cast<double>(std::max(rows, cols));
  return 6 * r * r * n + 22 * r * r * r;
}

template <class T>
bool plain_inverse_root(MatrixRef<float> a, double p, Scratch& scratch) {
  const detail::AllThreads all_threads;
  const Index n = a.rows();
  Scratch::Frame frame(scratch);
  MatrixMap<T> vectors = frame.matrix<T>(n, n);
  MatrixMap<T> root = frame.matrix<T>(n, n);
  const auto values = frame.values<T>(n);
  vectors = a.cast<T>();
  if (!decompose_symmetric(vectors, values.data(), scratch)) return false;
  for (T& value : values) {
    value = value > 0 ? static_cast<T>(std::pow(static_cast<double>(value), -1 / p)) : T(0);
  }
  compose_symmetric<T>(vectors, values, root, scratch);
  a = root.template cast<float>();
  return true;
}

template bool plain_inverse_root<float>(MatrixRef<float>, double, Scratch&);
template bool plain_inverse_root<double>(MatrixRef<float>, double, Scratch&);

double plain_inverse_root_flops(Index size) {
  const auto n = static_cast<double>(size);
  return 11 * n * n * n;
}

}  // namespace muonflow::linalg

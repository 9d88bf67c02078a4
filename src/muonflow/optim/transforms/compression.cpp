#include "muonflow/optim/transforms/compression.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "muonflow/core/error.hpp"
#include "muonflow/linalg/norms.hpp"

namespace muonflow::optim {
namespace {

constexpr Index kGroup = 256;  // entries that share a scale in int8

Index kept_entries(const Compression& c, Index size) {
  return std::clamp<Index>(static_cast<Index>(std::ceil(c.fraction * static_cast<double>(size))), 1,
                           size);
}

template <class T>
void top_k(T* x, Index size, Index keep, linalg::Workspace<T>& workspace) {
  typename linalg::Workspace<T>::Frame frame(workspace);
  auto index = frame.template values<Index>(size);
  std::iota(index.begin(), index.end(), Index{0});
  std::nth_element(index.begin(), index.begin() + keep - 1, index.end(), [x](Index a, Index b) {
    const T of_a = std::abs(x[a]);
    const T of_b = std::abs(x[b]);
    return of_a != of_b ? of_a > of_b : a < b;
  });
  for (Index i = keep; i < size; ++i) x[index[static_cast<std::size_t>(i)]] = 0;
}

// Rows of p become orthonormal, by Gram and Schmidt twice ("twice is enough"); a row that depends
// on those before it becomes 0.
template <class T>
void orthonormalize_rows(MatrixRef<T> p) {
  for (Index i = 0; i < p.rows(); ++i) {
    const double before = linalg::frobenius_norm<T>(p.row(i));
    if (before > 0) p.row(i) *= static_cast<T>(1 / before);
    for (int pass = 0; pass < 2; ++pass) {
      for (Index j = 0; j < i; ++j) {
        p.row(i) -= static_cast<T>(linalg::dot<T>(p.row(i), p.row(j))) * p.row(j);
      }
      const double length = linalg::frobenius_norm<T>(p.row(i));
      const bool depends = length <= 100 * static_cast<double>(std::numeric_limits<T>::epsilon());
      p.row(i) *= depends ? T(0) : static_cast<T>(1 / length);
    }
  }
}

template <class T>
void low_rank(MatrixRef<T> x, MatrixRef<T> basis, linalg::Workspace<T>& workspace) {
  typename linalg::Workspace<T>::Frame frame(workspace);
  auto p = frame.matrix(basis.rows(), x.rows());
  auto q = frame.matrix(basis.rows(), x.cols());
  // The rank is small, so each product is a pass over x by rows; packing it would cost more.
  for (Index i = 0; i < x.rows(); ++i) {
    for (Index k = 0; k < p.rows(); ++k) p(k, i) = basis.row(k).dot(x.row(i));
  }
  orthonormalize_rows<T>(p);
  q.setZero();
  for (Index i = 0; i < x.rows(); ++i) {
    for (Index k = 0; k < p.rows(); ++k) q.row(k) += p(k, i) * x.row(i);
  }
  for (Index i = 0; i < x.rows(); ++i) {
    x.row(i).setZero();
    for (Index k = 0; k < p.rows(); ++k) x.row(i) += p(k, i) * q.row(k);
  }
  // A direction that x lacks today is kept for tomorrow; lengths do not matter.
  for (Index i = 0; i < q.rows(); ++i) {
    const double length = linalg::frobenius_norm<T>(q.row(i));
    if (length > 0) basis.row(i) = static_cast<T>(1 / length) * q.row(i);
  }
}

template <class T>
void sign(T* x, Index size, double mean) {
  const T value = static_cast<T>(mean);
  for (Index i = 0; i < size; ++i) x[i] = x[i] < 0 ? -value : value;
}

template <class T>
void int8(T* x, Index size) {
  for (Index begin = 0; begin < size; begin += kGroup) {
    const Index end = std::min(size, begin + kGroup);
    T largest = 0;
    for (Index i = begin; i < end; ++i) largest = std::max(largest, std::abs(x[i]));
    const T scale = largest / 127;
    for (Index i = begin; i < end; ++i) x[i] = scale > 0 ? scale * std::nearbyint(x[i] / scale) : 0;
  }
}

}  // namespace

void Compression::fields(FieldVisitor& v) {
  v.choice("compressor", kind, "what is sent instead of a matrix");
  v.real("fraction", fraction, {.lo = 0, .hi = 1, .lo_open = true}, "top_k: entries that are sent");
  v.integer("rank", rank, {.lo = 1}, "low_rank: rank of what is sent");
}

std::size_t Compression::bytes(Index rows, Index cols, std::size_t scalar) const {
  const auto size = static_cast<std::size_t>(rows * cols);
  switch (kind) {
    case Compressor::identity:
      break;
    case Compressor::top_k:
      return static_cast<std::size_t>(kept_entries(*this, rows * cols)) * (scalar + 4);
    case Compressor::low_rank:
      if (rank >= std::min(rows, cols)) break;
      return static_cast<std::size_t>(rank * (rows + cols)) * scalar;
    case Compressor::sign:
      return (size + 7) / 8 + scalar;
    case Compressor::int8:
      return size + (size + kGroup - 1) / kGroup * scalar;
  }
  return size * scalar;
}

Index Compression::basis_rows(Index rows, Index cols) const {
  return kind == Compressor::low_rank && rank < std::min(rows, cols) ? rank : 0;
}

template <class T>
std::size_t compress(const Compression& compression, MatrixRef<T> x, MatrixRef<T> basis,
                     linalg::Workspace<T>& workspace) {
  if (x.rows() > 1 && x.outerStride() != x.cols()) {
    throw ShapeError({.what = "compress", .expected = "a matrix whose rows are not apart"});
  }
  const Index kept = compression.basis_rows(x.rows(), x.cols());
  if (basis.rows() != kept || (kept > 0 && basis.cols() != x.cols())) {
    throw ShapeError({.what = "compress: basis",
                      .expected = to_string(Shape{kept, x.cols()}),
                      .found = to_string(Shape{basis.rows(), basis.cols()})});
  }
  switch (compression.kind) {
    case Compressor::identity:
      break;
    case Compressor::top_k:
      top_k<T>(x.data(), x.size(), kept_entries(compression, x.size()), workspace);
      break;
    case Compressor::low_rank:
      if (kept > 0) low_rank<T>(x, basis, workspace);
      break;
    case Compressor::sign:
      sign<T>(x.data(), x.size(), linalg::absolute_sum<T>(x) / static_cast<double>(x.size()));
      break;
    case Compressor::int8:
      int8<T>(x.data(), x.size());
      break;
  }
  return compression.bytes(x.rows(), x.cols(), sizeof(T));
}

template std::size_t compress<float>(const Compression&, MatrixRef<float>, MatrixRef<float>,
                                     linalg::Workspace<float>&);
template std::size_t compress<double>(const Compression&, MatrixRef<double>, MatrixRef<double>,
                                      linalg::Workspace<double>&);

}  // namespace muonflow::optim

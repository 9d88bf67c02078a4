// The only place that names Eigen types: the matrix vocabulary every room speaks.
//
// Rows are outputs, columns are inputs, storage is row-major. A Ref borrows: it never owns, its
// rows may lie apart (outer stride), and a mutable Ref never copies. Float and double are the two
// scalar types of the library.
#pragma once

#include <Eigen/Core>
#include <cstdint>
#include <string>
#include <vector>

namespace muonflow {

using Index = Eigen::Index;

template <class T>
using Matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

// A borrowed matrix [rows, cols] whose rows are contiguous and `outerStride()` elements apart.
template <class T>
using MatrixRef = Eigen::Ref<Matrix<T>, 0, Eigen::OuterStride<>>;
template <class T>
using ConstMatrixRef = Eigen::Ref<const Matrix<T>, 0, Eigen::OuterStride<>>;

// The same, made from a pointer: MatrixMap<T>(data, rows, cols, Eigen::OuterStride<>(stride)).
template <class T>
using MatrixMap = Eigen::Map<Matrix<T>, 0, Eigen::OuterStride<>>;
template <class T>
using ConstMatrixMap = Eigen::Map<const Matrix<T>, 0, Eigen::OuterStride<>>;

template <class T>
using Vector = Eigen::Matrix<T, Eigen::Dynamic, 1>;

// Sizes of a tensor, slowest dimension first.
using Shape = std::vector<std::int64_t>;

// Number of elements; 1 for a scalar (rank 0).
inline std::int64_t element_count(const Shape& shape) {
  std::int64_t n = 1;
  for (const auto d : shape) n *= d;
  return n;
}

// "[16, 32]", for messages and tables.
inline std::string to_string(const Shape& shape) {
  std::string s = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) s += (i ? ", " : "") + std::to_string(shape[i]);
  return s + "]";
}

}  // namespace muonflow

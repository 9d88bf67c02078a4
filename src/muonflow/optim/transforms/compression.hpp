// Compressors: a matrix as fewer bytes, with an error that is smaller than the matrix.
//
//   d = m n entries, s bytes a scalar, |C(X) - X|_F^2 <= (1 - delta) |X|_F^2
//
//   name      C(X)                                          bytes                      delta
//   identity  X                                             d s                        1
//   top_k     the k = ceil(fraction d) largest |X_ij|       k (s + 4)                  k / d
//   low_rank  P P'X, P = orthonormal X Q, Q <- X'P          r (m + n) s                >= 0
//   sign      mean|X_ij| sign(X_ij), sign(0) = 1            ceil(d / 8) + s |X|_1^2/(d|X|^2) int8
//   q c, c = max|X| / 127 of 256 entries,         d + ceil(d / 256) s        > 0.996
//             q the nearest integer
//
// low_rank is one step of power iteration from the basis of the last call (T. Vogels et al.,
// arXiv:1905.13727); it projects, so its error never exceeds X, and on a fixed X it approaches the
// best approximation of rank r, for which delta = r / min(m, n). Where r is min(m, n) or more, X is
// sent as it is. Ties of top_k go to the entry that
// comes first, so the message depends on nothing but X. int8: |C - X| <= c / 2 an entry, so a group
// loses at most 256 / 254^2 of its largest square.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

#include "muonflow/core/fields.hpp"
#include "muonflow/core/matrix.hpp"
#include "muonflow/linalg/workspace.hpp"

namespace muonflow::optim {

enum class Compressor { identity, top_k, low_rank, sign, int8 };

struct Compression {
  Compressor kind = Compressor::identity;
  double fraction = 0.1;  // top_k
  std::int64_t rank = 4;  // low_rank

  void fields(FieldVisitor& v);
  // Of the message for a matrix [rows, cols] of scalars of `scalar` bytes.
  std::size_t bytes(Index rows, Index cols, std::size_t scalar) const;
  // Rows of the basis that low_rank keeps, [.., cols]; 0 where nothing is projected.
  Index basis_rows(Index rows, Index cols) const;
};

// x <- C(x), in place. x is contiguous (else ShapeError), `basis` [basis_rows, cols] and replaced.
// Returns the bytes of the message. Takes its scratch from the workspace.
template <class T>
std::size_t compress(const Compression& compression, MatrixRef<T> x, MatrixRef<T> basis,
                     linalg::Workspace<T>& workspace);

}  // namespace muonflow::optim

template <>
struct muonflow::EnumNames<muonflow::optim::Compressor> {
  static constexpr std::array<std::string_view, 5> names{"identity", "top_k", "low_rank", "sign",
                                                         "int8"};
};

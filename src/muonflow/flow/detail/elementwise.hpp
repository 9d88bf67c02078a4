// Elementwise algebra over the particles' matrices, in parallel. An element's value depends on
// nothing but the same element of the inputs, so the pieces may be cut anywhere.
#pragma once

#include <cstdint>

#include "muonflow/core/matrix.hpp"
#include "muonflow/core/parallel.hpp"

namespace muonflow::flow::detail {

inline constexpr std::int64_t kEntriesOfAThread = 1 << 14;  // fewer cost less than its start

// body(k) for every element k of matrices of one size; bodies index data() themselves.
template <class T, class Body>
void for_each_element(const Matrix<T>& like, const Body& body) {
  parallel_for(like.size(), kEntriesOfAThread, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t k = begin; k < end; ++k) body(k);
  });
}

// Entries one after another, for expressions that the compiler makes of vectors.
template <class T>
using Entries = Eigen::Map<Eigen::Array<T, Eigen::Dynamic, 1>>;
template <class T>
using ConstEntries = Eigen::Map<const Eigen::Array<T, Eigen::Dynamic, 1>>;

// out <- a x + b y, elementwise; out may be x or y. The same two products and one sum as an
// optimizer rule's moving average, in the same order, so that their bits agree.
template <class T>
void combine(T a, const Matrix<T>& x, T b, const Matrix<T>& y, Matrix<T>& out) {
  out.resize(x.rows(), x.cols());
  parallel_for(x.size(), kEntriesOfAThread, [&](std::int64_t begin, std::int64_t end) {
    Entries<T>(out.data() + begin, end - begin) =
        a * ConstEntries<T>(x.data() + begin, end - begin) +
        b * ConstEntries<T>(y.data() + begin, end - begin);
  });
}

// out <- x + b y, elementwise; out may be x or y.
template <class T>
void add_scaled(const Matrix<T>& x, T b, const Matrix<T>& y, Matrix<T>& out) {
  out.resize(x.rows(), x.cols());
  parallel_for(x.size(), kEntriesOfAThread, [&](std::int64_t begin, std::int64_t end) {
    Entries<T>(out.data() + begin, end - begin) =
        ConstEntries<T>(x.data() + begin, end - begin) +
        b * ConstEntries<T>(y.data() + begin, end - begin);
  });
}

}  // namespace muonflow::flow::detail

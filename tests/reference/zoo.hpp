// The proof zoo: named matrices on which every kernel of singular values must hold, with what is
// known of their spectrum in long double; and where else than in a plain array a matrix may lie.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "muonflow/core/matrix.hpp"
#include "muonflow/core/rng.hpp"
#include "tests/reference/matrices.hpp"
#include "tests/reference/spectral.hpp"

namespace muonflow::reference {

struct ZooCase {
  std::string name;
  Matrix<double> values;  // every entry is exactly a T
  LongSvd svd;            // of these very values

  Index rows() const { return values.rows(); }
  Index cols() const { return values.cols(); }
  double s_max() const { return svd.s.empty() ? 0 : static_cast<double>(svd.s[0]); }
};

// Sum of `rank` outer products of small integers: of that rank in every scalar type, exactly.
inline Matrix<double> of_rank(Index rows, Index cols, Index rank, std::uint64_t seed) {
  Rng rng(seed, 78);
  Matrix<double> a = Matrix<double>::Zero(rows, cols);
  for (Index k = 0; k < rank; ++k) {
    Vector<double> u(rows), v(cols);
    for (Index i = 0; i < rows; ++i) u[i] = std::round(3 * rng.normal());
    for (Index j = 0; j < cols; ++j) v[j] = std::round(3 * rng.normal());
    u[k % rows] += 5;  // never zero
    v[k % cols] += 5;
    a += u * v.transpose();
  }
  return a;
}

// Wide, square, tall.
inline std::vector<std::pair<Index, Index>> three_shapes() {
  return {{12, 30}, {16, 16}, {30, 12}};
}

// The cases for kernels of scalar type T. Condition numbers go up to 1e6 for float and 1e12 for
// double; denormal entries are those of T.
template <class T>
const std::vector<ZooCase>& zoo() {
  static const std::vector<ZooCase> all = [] {
    constexpr bool kSingle = sizeof(T) == sizeof(float);
    std::vector<ZooCase> cases;
    const auto add = [&](std::string name, const Matrix<double>& a) {
      const Matrix<double> values = a.template cast<T>().template cast<double>();
      name += " " + std::to_string(a.rows()) + "x" + std::to_string(a.cols());
      cases.push_back({std::move(name), values, jacobi_svd(values)});
    };
    for (const auto& [m, n] : std::vector<std::pair<Index, Index>>{
             {1, 1}, {1, 17}, {17, 1}, {6, 11}, {13, 13}, {11, 6}, {2, 128}, {128, 2}, {50, 66}}) {
      add("gaussian", gaussian(m, n, 901));
    }
    for (const auto& [m, n] : three_shapes()) {
      const Index r = std::min(m, n);
      const auto count = static_cast<std::size_t>(r);
      add("zero", Matrix<double>::Zero(m, n));
      add("rank 1", of_rank(m, n, 1, 902));
      add("rank 3", of_rank(m, n, 3, 903));
      add("all singular values alike", with_spectrum(m, n, std::vector<double>(count, 1.0), 904));
      std::vector<double> spike(count, 1e-3);
      spike[0] = 1;
      add("one large, the others alike", with_spectrum(m, n, spike, 905));
      Matrix<double> holes = gaussian(m, n, 906);
      holes.row(m / 2).setZero();
      holes.col(n / 3).setZero();
      add("a zero row and a zero column", holes);
      std::vector<double> conditions{1e1, 1e2, 1e3, 1e4, 1e5, 1e6};
      if (!kSingle) conditions.insert(conditions.end(), {1e8, 1e10, 1e12});
      for (const double condition : conditions) {
        add("condition 1e" + std::to_string(static_cast<int>(std::lround(std::log10(condition)))),
            with_spectrum(m, n, geometric(r, condition), 907));
      }
      add("entries 1e-30", 1e-30 * gaussian(m, n, 908));
      add("entries 1e30", 1e30 * gaussian(m, n, 909));
      // Some 2^13 of the smallest number: about four digits of every entry are left.
      const double tiny = 8192 * static_cast<double>(std::numeric_limits<T>::denorm_min());
      add("denormal", (gaussian(m, n, 910) / 1e100) * (tiny * 1e100));
    }
    return cases;
  }();
  return all;
}

// Which entry a NaN or an infinity is planted in: the first, one inside, the last.
inline std::vector<std::pair<Index, Index>> planting_places(Index rows, Index cols) {
  return {{0, 0}, {rows / 2, cols / 3}, {rows - 1, cols - 1}};
}
template <class T>
std::vector<T> not_finite() {
  return {std::numeric_limits<T>::quiet_NaN(), std::numeric_limits<T>::infinity(),
          -std::numeric_limits<T>::infinity()};
}

// Equal to the last bit, NaN included.
template <class A, class B>
bool same_bits(const A& a, const B& b) {
  if (a.rows() != b.rows() || a.cols() != b.cols()) return false;
  for (Index i = 0; i < a.rows(); ++i) {
    for (Index j = 0; j < a.cols(); ++j) {
      const auto x = a(i, j), y = b(i, j);
      if (std::isnan(x) != std::isnan(y)) return false;
      if (!std::isnan(x) && (x != y || std::signbit(x) != std::signbit(y))) return false;
    }
  }
  return true;
}

}  // namespace muonflow::reference

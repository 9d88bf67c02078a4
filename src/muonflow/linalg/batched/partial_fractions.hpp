// Partial fractions of the inverse square root, the best that a number of shifted inverses can do:
//
//   1 / sqrt(x)  =  center (1 + sum_j weight_j / (x + pole_j)) (1 + e(x)),  |e| <= error on [q, 1].
//
// Zolotarev's rational sign function of type (2 r + 1, 2 r) on [sqrt(q), 1], divided by its
// argument, with the poles by elliptic functions (Y. Nakatsukasa and R. Freund, SIAM Review 58,
// 2016, eq. 12 to 14). r inverses reach an error of about 4 exp(-(2 r + 1) pi^2 / ln(16 / q)):
// 8 give 1e-6 at q = 2.4e-4, where a composition of minimax quintics takes 6 steps.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <type_traits>
#include <vector>

namespace muonflow::linalg {

template <class T>
struct PartialFractionsIn {
  static constexpr int kMaxPoles = 40;

  int poles = 0;
  T center = 1;
  T error = 0;                        // reached
  std::array<T, kMaxPoles> pole{};    // ascending, positive
  std::array<T, kMaxPoles> weight{};  // positive

  // The approximation itself.
  T operator()(T x) const {
    T sum = 1;
    for (std::size_t j = 0; j < static_cast<std::size_t>(poles); ++j) {
      sum += weight[j] / (x + pole[j]);
    }
    return center * sum;
  }
};
using PartialFractions = PartialFractionsIn<double>;

// With so many poles on [q, 1], 0 < q < 1, 1 <= poles <= kMaxPoles.
PartialFractions partial_fractions(double q, int poles);
// With the fewest poles, a multiple of `step`, whose error is at most `error` (kMaxPoles where none
// is).
PartialFractions partial_fractions_to(double q, double error, int step = 1);

// One PartialFractions for each power of two, so that a matrix finds its own from an exponent:
// row k serves [2^-k, 1]; row 0 is row 1. Their poles come in fours, as kernels take them, so that
// the error is often far below the one asked for.
class PartialFractionsTable {
 public:
  static constexpr int kRows = 41;
  static constexpr int kStep = 4;

  explicit PartialFractionsTable(double error);
  double error() const { return error_; }
  const PartialFractions& operator[](int k) const { return rows_[static_cast<std::size_t>(k)]; }
  // The same rounded to T.
  template <class T>
  const PartialFractionsIn<T>& in(int k) const {
    if constexpr (std::is_same_v<T, float>) {
      return singles_[static_cast<std::size_t>(k)];
    } else {
      return rows_[static_cast<std::size_t>(k)];
    }
  }
  // The row for [q, 1]; beyond the table its last one.
  static int row_of(double q) {
    // q in [2^-k, 2^(1 - k))
    const auto exponent = static_cast<int>(std::bit_cast<std::uint64_t>(q) >> 52);
    return std::clamp(1023 - exponent, 1, kRows - 1);
  }
  // The least q whose row has the error asked for.
  double least() const { return least_; }

  // The table for an error; those asked for are made once and kept for the process.
  static const PartialFractionsTable& shared(double error);

 private:
  double error_;
  double least_ = 1;
  std::vector<PartialFractions> rows_;
  std::vector<PartialFractionsIn<float>> singles_;
};

}  // namespace muonflow::linalg

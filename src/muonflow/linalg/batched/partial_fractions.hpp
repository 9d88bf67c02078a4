// Partial fractions of the inverse square root, the best that a number of shifted inverses can do:
//
//   1 / sqrt(x)  =  center (1 + sum_j weight_j / (x + pole_j)) (1 + e(x)),  |e| <= error on [q, 1].
//
// Zolotarev's rational sign function of type (2 r + 1, 2 r) on [sqrt(q), 1], divided by its
// argument, with the poles by elliptic functions (Y. Nakatsukasa and R. Freund, SIAM Review 58,
// 2016, eq. 12 to 14). r inverses reach an error of about 4 exp(-(2 r + 1) pi^2 / ln(16 / q)):
// 8 give 1e-6 at q = 2.4e-4, where a composition of minimax quintics takes 6 steps.
#pragma once

#include <array>
#include <vector>

namespace muonflow::linalg {

struct PartialFractions {
  static constexpr int kMaxPoles = 24;

  int poles = 0;
  double center = 1;
  double error = 0;                        // reached
  std::array<double, kMaxPoles> pole{};    // ascending, positive
  std::array<double, kMaxPoles> weight{};  // positive

  // The approximation itself.
  double operator()(double x) const;
};

// With so many poles on [q, 1], 0 < q < 1, 1 <= poles <= kMaxPoles.
PartialFractions partial_fractions(double q, int poles);
// With the fewest poles whose error is at most `error` (kMaxPoles where none is).
PartialFractions partial_fractions_to(double q, double error);

// One PartialFractions for each power of two, so that a matrix finds its own from an exponent:
// row k serves [2^-k, 1]; row 0 is row 1.
class PartialFractionsTable {
 public:
  static constexpr int kRows = 27;

  explicit PartialFractionsTable(double error);
  double error() const { return error_; }
  const PartialFractions& operator[](int k) const { return rows_[static_cast<std::size_t>(k)]; }

  // The table for an error; those asked for are made once and kept for the process.
  static const PartialFractionsTable& shared(double error);

 private:
  double error_;
  std::vector<PartialFractions> rows_;
};

}  // namespace muonflow::linalg

// Coefficient tables of the polynomial polar methods, each under its citation, and the step that
// each takes at any place of any number of steps. A step is an odd polynomial p(x) = a x + b x^3 +
// c x^5 on every singular value. minimax.hpp computes such tables; its test reproduces these.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "muonflow/core/fields.hpp"
#include "muonflow/linalg/odd_polynomial.hpp"

namespace muonflow::linalg {

struct Quintic {
  double a, b, c;
  constexpr double operator()(double x) const { return x * (a + x * x * (b + x * x * c)); }
  constexpr operator OddPolynomial() const { return {a, b, c}; }  // NOLINT: the same thing
};

// K. Jordan, "Muon: an optimizer for hidden layers in neural networks", 2024; repeated.
// Slope 3.4445 at 0; singular values end in [0.682, 1.134] and never at 1.
inline constexpr Quintic kJordan{3.4445, -4.7750, 2.0315};

// The Newton-Schulz steps of order 2 and 3, (3 x - x^3) / 2 and (15 x - 10 x^3 + 3 x^5) / 8: the
// limits of every minimax step on an interval that closes on 1.
inline constexpr OddPolynomial kCubic{1.5, -0.5};
inline constexpr Quintic kClassic{1.875, -1.25, 0.375};

// Jiacheng You, five steps made for one another; as in Dao-AILab/gram-newton-schulz,
// coefficients.py. Longer runs repeat the last.
inline constexpr std::array<Quintic, 5> kYou{{
    {4.0848, -6.8946, 2.9270},
    {3.9505, -6.3029, 2.6377},
    {3.7418, -5.5913, 2.3037},
    {2.8769, -3.1427, 1.2046},
    {2.8366, -3.0525, 1.2012},
}};

// N. Amsel, D. Persson, C. Musco, R. Gower, "The Polar Express", arXiv:2505.16932: the published
// table for singular values in [1e-3, 1], raw (no safety factor; its generator uses the cushion
// 0.02407327424182761). From the eighth step on, kClassic.
inline constexpr std::array<Quintic, 7> kPolarExpress{{
    {8.28721201814563, -23.595886519098837, 17.300387312530933},
    {4.107059111542203, -2.9478499167379106, 0.5448431082926601},
    {3.9486908534822946, -2.908902115962949, 0.5518191394370137},
    {3.3184196573706015, -2.488488024314874, 0.51004894012372},
    {2.300652019954817, -1.6689039845747493, 0.4188073119525673},
    {1.891301407787398, -1.2679958271945868, 0.37680408948524835},
    {1.8750014808534479, -1.2500016453999487, 0.3750001645474248},
}};

// The safety factor of that paper: values may exceed the interval by it without harm.
inline constexpr double kPolarExpressSafety = 1.01;

// The same method baked for five steps, as in microsoft/dion and karpathy/nanochat. Their comment
// says safety 2e-2 and "cushion 2"; the numbers are those of safety 1.02 on all steps but the last
// and of cushion 2e-2. The input is divided by 1.02 ||Q||_F + eps. The sources run at most these
// five; longer runs continue here with kClassic.
inline constexpr std::array<Quintic, 5> kPolarExpressDion{{
    {8.156554524902461, -22.48329292557795, 15.878769915207462},
    {4.042929935166739, -2.808917465908714, 0.5000178451051316},
    {3.8916678022926607, -2.772484153217685, 0.5060648178503393},
    {3.285753657755655, -2.3681294933425376, 0.46449024233003106},
    {2.3465413258596377, -1.7097828382687081, 0.42323551169305323},
}};

// "Turbo-Muon", arXiv:2512.04632, as in thib-s/flash-newton-schulz: for an input
// scaled by almost-orthogonal-layer (AOL) factors, whose limit is the polar factor of the scaled
// matrix. Longer runs repeat the last.
inline constexpr std::array<Quintic, 4> kTurbo{{
    {4.6051, -9.6552, 5.6769},
    {4.7505, -6.0861, 2.1790},
    {2.7763, -2.3190, 0.5523},
    {2.4231, -2.2861, 0.8193},
}};

// E. Grishina et al., "CANS", arXiv:2506.10935: the optimal cubics a x + b x^3 for
// singular values in [1e-3, 1], by their closed form on [l, u] with e = (l^2 + l u + u^2) / 3:
//   a = 6 e / (2 e^(3/2) + l u (l + u)),  b = -a / (3 e),
// each mapping into the next interval, symmetric about 1. From the twelfth step on, kCubic.
struct Cubic {
  double a, b;
  constexpr operator OddPolynomial() const { return {a, b}; }  // NOLINT: the same thing
};
inline constexpr std::array<Cubic, 11> kCans{{
    {5.180102143361588, -5.174922046393149},
    {2.584027904002314, -0.6476801541361509},
    {2.5620590660360714, -0.6448013544200858},
    {2.507620745873422, -0.6376511088551622},
    {2.3820795186987502, -0.6210681982018554},
    {2.1374993505711055, -0.5883564273823128},
    {1.803051616873149, -0.5426316116658277},
    {1.5624062352614667, -0.5088853933163235},
    {1.5025275485520955, -0.500361028730495},
    {1.5000041084036417, -0.5000005869146747},
    {1.5000000000108509, -0.5000000000015501},
}};

// Every published table. A member's name in EnumNames is the polar method's name.
enum class Table {
  jordan,
  you,
  polar_express,
  polar_express_paper,  // kPolarExpress, kPolarExpressSafety on all but the last executed step
  polar_express_dion,
  turbo,
  cans,
  classic,
};

// The input x / s in place of x: (a / s, b / s^3, c / s^5).
constexpr OddPolynomial with_safety(const OddPolynomial& p, double s) {
  return with_scaled_input(p, 1, s);
}

constexpr Quintic polar_express_step(std::size_t step) {
  return step < kPolarExpress.size() ? kPolarExpress[step] : kClassic;
}

// The step-th polynomial (from 0) of a run of `count` steps; step < count.
constexpr OddPolynomial table_step(Table table, std::int64_t step, std::int64_t count) {
  const auto at = static_cast<std::size_t>(step);
  switch (table) {
    case Table::jordan:
      return kJordan;
    case Table::you:
      return at < kYou.size() ? kYou[at] : kYou.back();
    case Table::polar_express:
      return polar_express_step(at);
    case Table::polar_express_paper:
      return with_safety(polar_express_step(at), step + 1 < count ? kPolarExpressSafety : 1.0);
    case Table::polar_express_dion:
      return at < kPolarExpressDion.size() ? kPolarExpressDion[at] : kClassic;
    case Table::turbo:
      return at < kTurbo.size() ? kTurbo[at] : kTurbo.back();
    case Table::cans:
      return at < kCans.size() ? OddPolynomial(kCans[at]) : kCubic;
    case Table::classic:
      break;
  }
  return kClassic;
}

// What a table says of itself.
struct TableInfo {
  Table table;
  std::string_view summary;
  std::string_view input;         // what the first step is given, for Q
  std::string_view continuation;  // of runs longer than the table
  std::string_view cite;
  std::int64_t entries;  // of the table
  std::int64_t steps;    // that the source runs
  double norm_factor;    // the norm is multiplied by it before eps guards the division
};

inline constexpr std::array<TableInfo, 8> kTables{{
    {Table::jordan, "largest slope at 0, never converges to 1", "Q / (||Q||_F + eps)",
     "the same repeated", "K. Jordan, Muon, 2024", 1, 5, 1},
    {Table::you, "five steps made for one another", "Q / (||Q||_F + eps)", "the last repeated",
     "Jiacheng You, in Dao-AILab/gram-newton-schulz", 5, 5, 1},
    {Table::polar_express, "Polar Express: greedy minimax on [1e-3, 1], raw", "Q / (||Q||_F + eps)",
     "(1.875, -1.25, 0.375) repeated", "Amsel, Persson, Musco, Gower, arXiv:2505.16932", 7, 5, 1},
    {Table::polar_express_paper, "Polar Express, safety 1.01 on all but the last executed step",
     "Q / (||Q||_F + eps)", "(1.875, -1.25, 0.375) repeated, with the same safety",
     "Amsel, Persson, Musco, Gower, arXiv:2505.16932", 7, 5, 1},
    {Table::polar_express_dion, "Polar Express, generated with safety 1.02 and cushion 0.02",
     "Q / (1.02 ||Q||_F + eps)", "(1.875, -1.25, 0.375) repeated",
     "microsoft/dion, after arXiv:2505.16932", 5, 5, 1.02},
    {Table::turbo, "four steps after AOL scaling", "diag(s) Q, s_i = (sum_j |(Q Q^T)_ij|)^(-1/2)",
     "the last repeated", "Turbo-Muon, arXiv:2512.04632", 4, 4, 1},
    {Table::cans, "optimal cubics on [1e-3, 1], in closed form", "Q / (||Q||_F + eps)",
     "(1.5, -0.5) repeated", "Grishina et al., arXiv:2506.10935", 11, 11, 1},
    {Table::classic, "Newton-Schulz of order 3", "Q / (||Q||_F + eps)", "the same repeated",
     "N. J. Higham, Functions of Matrices, 2008, chapter 8", 1, 15, 1},
}};
constexpr const TableInfo& table_info(Table table) {
  return kTables[static_cast<std::size_t>(table)];
}

}  // namespace muonflow::linalg

template <>
struct muonflow::EnumNames<muonflow::linalg::Table> {
  static constexpr std::array<std::string_view, 8> names{
      "jordan", "you",  "polar_express", "polar_express.paper", "polar_express.dion",
      "turbo",  "cans", "classic",
  };
};

#include "muonflow/linalg/batched/detail/smoothed_root.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>

#include "muonflow/linalg/simd_targets.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "muonflow/linalg/batched/detail/smoothed_root.cpp"
#include <hwy/foreach_target.h>
// After foreach_target:
#include "muonflow/linalg/batched/detail/closed_root-inl.hpp"
#include "muonflow/linalg/batched/detail/shifted_inverses-inl.hpp"
#include "muonflow/linalg/batched/detail/tiles-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace muonflow::linalg::detail::HWY_NAMESPACE {
namespace {

using Double = Lane<double>;
constexpr Index kLanes = lanes<double>();
constexpr int kPoles = PartialFractions::kMaxPoles;
// epsilon^2 / ||A||_F that the table serves; the Gram matrix in double is then good for 1e-8.
constexpr double kLeastQuotient = 1.0 / (1 << (PartialFractionsTable::kRows - 1));
// Squares, and products of two of them, are doubles to rely on in this range of epsilon.
constexpr double kLeastEpsilon = 1e-60;
constexpr double kLargestEpsilon = 1e60;
// ||M||^2 / epsilon^2 below which potential and pairing are their leading terms: the next ones are
// smaller by a quarter of it, and the differences that serve above lose half of the digits here.
constexpr double kSeries = 1e-8;

HWY_INLINE Double set(double value) { return hn::Set(Tag<double>(), value); }

// Poles and weights of each lane. A lane with fewer poles than another gets weights of 0, which
// leave its bits alone.
struct Fractions {
  alignas(64) double pole[kPoles][kLanes];
  alignas(64) double weight[kPoles][kLanes];
  alignas(64) double center[kLanes];
  int poles = 0;

  // least: the smallest eigenvalue in units of the largest, positive and at most 1 to rounding.
  HWY_INLINE void choose(const double* least, const PartialFractionsTable& table) {
    const PartialFractions* rows[kLanes];
    bool same = true;
    poles = 0;
    for (Index k = 0; k < kLanes; ++k) {
      // least in [2^-row, 2^(1 - row))
      const auto exponent = static_cast<int>(std::bit_cast<std::uint64_t>(least[k]) >> 52);
      const int row = std::clamp(1023 - exponent, 1, PartialFractionsTable::kRows - 1);
      rows[k] = &table[row];
      same = same && rows[k] == rows[0];
      poles = std::max(poles, rows[k]->poles);
    }
    if (same) {
      for (int j = 0; j < poles; ++j) {
        const auto at = static_cast<std::size_t>(j);
        hn::Store(set(rows[0]->pole[at]), Tag<double>(), pole[j]);
        hn::Store(set(rows[0]->weight[at]), Tag<double>(), weight[j]);
      }
      hn::Store(set(rows[0]->center), Tag<double>(), center);
      return;
    }
    for (Index k = 0; k < kLanes; ++k) {
      center[k] = rows[k]->center;
      for (int j = 0; j < poles; ++j) {
        const bool own = j < rows[k]->poles;
        pole[j][k] = own ? rows[k]->pole[static_cast<std::size_t>(j)] : 1;
        weight[j][k] = own ? rows[k]->weight[static_cast<std::size_t>(j)] : 0;
      }
    }
  }
};

struct Memory {
  double* x;
  double* gram;
  double* root;
  double* work;

  Memory(std::byte* scratch, Index tiles, Index cols) {
    x = reinterpret_cast<double*>(scratch);
    gram = x + tiles * kTile * cols * kLanes;
    root = gram + symmetric_size(tiles) * kLanes;
    work = root + symmetric_size(tiles) * kLanes;
  }
  static Index vectors(Index tiles, Index cols) {
    return tiles * kTile * cols + 2 * symmetric_size(tiles) +
           ShiftedInverses<double>::scratch_size(tiles);
  }
};

// root <- A^(-1/2) by partial fractions, with the two sums of closed_root-inl.hpp.
HWY_INLINE ClosedRoot fractional_root(const Memory& memory, Index tiles, const double* least,
                                      const PartialFractionsTable& table, Double scale,
                                      Double squares, Double eps2) {
  const Tag<double> d;
  const Double root_scale = hn::Sqrt(scale);
  Fractions fractions;
  fractions.choose(least, table);
  const Double center = hn::Load(d, fractions.center);
  const Index entries = symmetric_size(tiles);
  for (Index e = 0; e < entries; ++e) put<double>(hn::Zero(d), memory.root, e);
  for (Index i = 0; i < tiles; ++i) {
    double* const tile = memory.root + tile_at(i, i) * kTile * kTile * kLanes;
    for (int a = 0; a < kTile; ++a) put<double>(hn::Div(center, root_scale), tile, a * kTile + a);
  }
  // trace(M M^T (A + t)^-1) = size - (epsilon^2 + t) trace (A + t)^-1: what cancels was exact.
  const Double across = set(static_cast<double>(tiles * kTile));
  Double pair_sum = squares;
  Double value_sum = squares;
  ShiftedInverses<double> inverses(memory.gram, memory.root, tiles, memory.work);
  const Double front = hn::Mul(center, root_scale);  // center / sqrt(scale) * scale
  constexpr int kMaxWays = ShiftedInverses<double>::kMaxWays;
  const int ways = ShiftedInverses<double>::ways(tiles);
  for (int first = 0; first < fractions.poles; first += ways) {
    const int count = std::min(ways, fractions.poles - first);
    Double pole[kMaxWays];
    Double weight[kMaxWays];
    Double scaled[kMaxWays];
    Double trace[kMaxWays];
    for (int w = 0; w < count; ++w) {
      pole[w] = hn::Mul(hn::Load(d, fractions.pole[first + w]), scale);
      weight[w] = hn::Load(d, fractions.weight[first + w]);
      scaled[w] = hn::Mul(weight[w], front);
    }
    inverses.add(pole, scaled, trace, count);
    for (int w = 0; w < count; ++w) {
      const Double lowest = hn::Add(eps2, pole[w]);
      const Double part =
          hn::Mul(hn::Mul(weight[w], scale), hn::NegMulAdd(lowest, trace[w], across));
      pair_sum = hn::Add(pair_sum, part);
      value_sum = hn::MulAdd(part, hn::Div(pole[w], lowest), value_sum);
    }
  }
  inverses.mirror();
  const Double outer = hn::Div(center, root_scale);
  return {hn::Mul(outer, value_sum), hn::Mul(outer, pair_sum)};
}

// root <- A^(-1/2) in closed form, zero but for its rows.
HWY_INLINE ClosedRoot closed_root(const Memory& memory, Index rows, Double squares, Double eps) {
  for (Index e = 0; e < kTile * kTile; ++e) put<double>(set(0), memory.root, e);
  if (rows == 1) return closed_root_one(memory.gram, memory.root, squares, eps);
  if (rows == 2) return closed_root_two(memory.gram, memory.root, squares, eps);
  return closed_root_three(memory.gram, memory.root, eps);
}

// The matrices of one group; returns the lanes that are not finite and those left.
HWY_INLINE SmoothedRootResult group(float* block, Index rows, Index cols, const double* epsilon,
                                    const PartialFractionsTable& table, double* potential,
                                    double* pairing, const Memory& memory, Index tiles) {
  const Tag<double> d;
  const hn::Rebind<float, Tag<double>> single;
  // Four chains, for the latency of an addition.
  Double squares0 = hn::Zero(d);
  Double squares1 = hn::Zero(d);
  Double squares2 = hn::Zero(d);
  Double squares3 = hn::Zero(d);
  const Index size = rows * cols;
  const auto take = [&](Index e, Double & sum) HWY_ATTR __attribute__((always_inline)) {
    const Double value = hn::PromoteTo(d, hn::Load(single, block + e * kBlock));
    put<double>(value, memory.x, e);
    sum = hn::MulAdd(value, value, sum);
  };
  Index entry = 0;
  for (; entry + 4 <= size; entry += 4) {
    take(entry, squares0);
    take(entry + 1, squares1);
    take(entry + 2, squares2);
    take(entry + 3, squares3);
  }
  for (; entry < size; ++entry) take(entry, squares0);
  for (Index e = size; e < tiles * kTile * cols; ++e) put<double>(hn::Zero(d), memory.x, e);
  const Double squares = hn::Add(hn::Add(squares0, squares1), hn::Add(squares2, squares3));
  // Squares of floats cannot overflow here: NaN and infinity alone fail this.
  const auto finite = hn::Lt(squares, set(1e300));

  const Double eps = hn::Load(d, epsilon);
  const Double eps2 = hn::Mul(eps, eps);
  Double norm2 = hn::Zero(d);
  gram<double>(
      memory.x, tiles, cols,
      memory.gram, [&](Double sum, bool diagonal, Index) HWY_ATTR __attribute__((always_inline)) {
        const Double value = diagonal ? hn::Add(sum, eps2) : sum;
        const Double square = hn::Mul(value, value);
        // Entries of the lower triangle stand for two.
        norm2 = hn::Add(norm2, diagonal ? square : hn::Add(square, square));
        return value;
      });
  // ||A||_F, between the largest eigenvalue and the trace.
  const Double scale = hn::Sqrt(norm2);
  alignas(64) double least[kLanes];
  const Double quotient = hn::Div(eps2, scale);
  hn::Store(quotient, d, least);
  const auto served =
      hn::And(hn::And(hn::Ge(eps, set(kLeastEpsilon)), hn::Le(eps, set(kLargestEpsilon))),
              hn::Ge(quotient, set(rows == 3 ? kClosedThree : kLeastQuotient)));
  const auto done = hn::And(finite, served);
  SmoothedRootResult result;
  alignas(64) std::uint8_t bits[8] = {};
  hn::StoreMaskBits(d, finite, bits);
  const std::uint32_t all = (1U << kLanes) - 1;
  result.non_finite = ~static_cast<std::uint32_t>(bits[0]) & all;
  hn::StoreMaskBits(d, done, bits);
  const std::uint32_t changed = bits[0] & all;
  result.left = ~changed & ~result.non_finite & all;
  if (changed == 0) return result;

  const ClosedRoot sums = rows <= 3
                              ? closed_root(memory, rows, squares, eps)
                              : fractional_root(memory, tiles, least, table, scale, squares, eps2);
  const auto tiny = hn::Lt(squares, hn::Mul(set(kSeries), eps2));
  const Double leading = hn::Div(squares, eps);
  hn::Store(hn::IfThenElse(tiny, hn::Mul(set(0.5), leading), sums.potential), d, potential);
  hn::Store(hn::IfThenElse(tiny, leading, sums.pairing), d, pairing);

  const bool whole = changed == all;
  apply<double>(
      memory.root, memory.x, tiles,
      cols, [&](Index i, Index j, Double value) HWY_ATTR __attribute__((always_inline)) {
        if (i >= rows) return;
        float* const to = block + (i * cols + j) * kBlock;
        if (!whole) {
          value = hn::IfThenElse(done, value, hn::PromoteTo(d, hn::Load(single, to)));
        }
        hn::Store(hn::DemoteTo(single, value), single, to);
      });
  return result;
}

std::size_t bytes(Index rows, Index cols) {
  return static_cast<std::size_t>(Memory::vectors(tiles_across(rows), cols) * kLanes) *
         sizeof(double);
}

SmoothedRootResult run(float* block, Index rows, Index cols, const double* epsilon,
                       const PartialFractionsTable& table, double* potential, double* pairing,
                       std::byte* scratch) {
  const Index tiles = tiles_across(rows);
  const Memory memory(scratch, tiles, cols);
  SmoothedRootResult result;
  for (Index g = 0; g < kBlock; g += kLanes) {
    const SmoothedRootResult part =
        group(block + g, rows, cols, epsilon + g, table, potential + g, pairing + g, memory, tiles);
    result.non_finite |= part.non_finite << g;
    result.left |= part.left << g;
  }
  return result;
}

}  // namespace
std::size_t smoothed_root_bytes(Index rows, Index cols) { return bytes(rows, cols); }
SmoothedRootResult smoothed_root_run(float* block, Index rows, Index cols, const double* epsilon,
                                     const PartialFractionsTable& table, double* potential,
                                     double* pairing, std::byte* scratch) {
  return run(block, rows, cols, epsilon, table, potential, pairing, scratch);
}
}  // namespace muonflow::linalg::detail::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace muonflow::linalg::detail {

HWY_EXPORT(smoothed_root_bytes);
HWY_EXPORT(smoothed_root_run);

std::size_t smoothed_root_scratch(Index rows, Index cols) {
  return HWY_DYNAMIC_DISPATCH(smoothed_root_bytes)(rows, cols);
}
SmoothedRootResult smoothed_root(float* block, Index rows, Index cols, const double* epsilon,
                                 const PartialFractionsTable& table, double* potential,
                                 double* pairing, std::byte* scratch) {
  return HWY_DYNAMIC_DISPATCH(smoothed_root_run)(block, rows, cols, epsilon, table, potential,
                                                 pairing, scratch);
}

}  // namespace muonflow::linalg::detail
#endif  // HWY_ONCE

#include "muonflow/linalg/batched/detail/jacobi.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include "muonflow/linalg/batched/detail/power_scale.hpp"
#include "muonflow/linalg/simd_targets.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "muonflow/linalg/batched/detail/jacobi.cpp"
#include <hwy/foreach_target.h>
// After foreach_target:
#include "muonflow/linalg/batched/detail/tiles-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace muonflow::linalg::detail::HWY_NAMESPACE {
namespace {

using Double = Lane<double>;
using Flags = hn::Mask<Tag<double>>;
constexpr Index kLanes = lanes<double>();
constexpr std::uint32_t kAll = (1U << kLanes) - 1;
constexpr int kSweeps = 40;  // seven serve a well-scaled 32 x 32

HWY_INLINE Double set(double value) { return hn::Set(Tag<double>(), value); }
HWY_INLINE Flags flags_of(std::uint32_t bits) {
  alignas(64) std::uint8_t bytes[8] = {static_cast<std::uint8_t>(bits & kAll)};
  return hn::LoadMaskBits(Tag<double>(), bytes);
}

template <class T>
HWY_INLINE Double read(const T* from) {
  if constexpr (sizeof(T) == sizeof(float)) {
    return hn::PromoteTo(Tag<double>(), hn::Load(hn::Rebind<float, Tag<double>>(), from));
  } else {
    return hn::Load(Tag<double>(), from);
  }
}
template <class T>
HWY_INLINE void write(Double value, T* to) {
  if constexpr (sizeof(T) == sizeof(float)) {
    const hn::Rebind<float, Tag<double>> single;
    hn::Store(hn::DemoteTo(single, value), single, to);
  } else {
    hn::Store(value, Tag<double>(), to);
  }
}

// sqrt(a^2 + b^2) for a, b >= 0, without overflow.
HWY_INLINE Double hypotenuse(Double a, Double b) {
  const Double large = hn::Max(a, b);
  const Double small = hn::Min(a, b);
  const Double ratio = hn::Div(small, large);
  const Double value = hn::Mul(large, hn::Sqrt(hn::MulAdd(ratio, ratio, set(1))));
  return hn::IfThenElse(hn::Gt(large, set(0)), value, set(0));
}

// Rows of [Y | J] with J X = Y, rotated until the rows of Y are orthogonal: Y = diag(s) V^T, and J
// holds U^T.
template <class T>
class Rotations {
 public:
  static Index vectors(Index rows, Index cols) {
    return tiles_across(rows) * kTile * (cols + tiles_across(rows) * kTile) + rows;
  }

  Rotations(std::byte* scratch, Index rows, Index cols)
      : rows_(rows),
        cols_(cols),
        width_(cols + tiles_across(rows) * kTile),
        y_(reinterpret_cast<double*>(scratch)),
        norms_(y_ + tiles_across(rows) * kTile * width_ * kLanes) {}

  JacobiResult run(T* block, std::uint32_t mask, JacobiMap map, const JacobiPlaces& places,
                   Index offset) {
    JacobiResult result;
    result.non_finite = load(block, mask);
    mask &= ~result.non_finite;
    if (mask == 0) return result;
    result.not_converged = orthogonalize() & mask;
    mask &= ~result.not_converged;
    const Flags chosen = flags_of(mask);
    if (places.values != nullptr) {
      const Double down = hn::Div(set(1), scale_);
      for (Index p = 0; p < rows_; ++p) {
        double* const to = places.values + p * kBlock + offset;
        const Double value = hn::Mul(get<double>(norms_, p), down);
        hn::Store(hn::IfThenElse(chosen, value, hn::Load(Tag<double>(), to)), Tag<double>(), to);
      }
    }
    if (map != JacobiMap::values) {
      divide(map, places, offset, chosen);
      multiply(block, chosen);
    }
    return result;
  }

 private:
  double* row(Index p) { return y_ + p * width_ * kLanes; }

  HWY_INLINE std::uint32_t load(const T* block, std::uint32_t mask) {
    const Flags chosen = flags_of(mask);
    Double largest = set(0);
    Double trouble = set(0);
    for (Index i = 0; i < rows_; ++i) {
      for (Index j = 0; j < cols_; ++j) {
        const Double value =
            hn::IfThenElse(chosen, read<T>(block + (i * cols_ + j) * kBlock), set(0));
        largest = hn::Max(largest, hn::Abs(value));
        trouble = hn::MulAdd(value, set(0), trouble);
        put<double>(value, row(i), j);
      }
    }
    alignas(64) double scales[kLanes];
    hn::Store(largest, Tag<double>(), scales);
    for (double& scale : scales) scale = power_scale(scale);
    scale_ = hn::Load(Tag<double>(), scales);
    for (Index i = 0; i < tiles_across(rows_) * kTile; ++i) {
      for (Index j = 0; j < width_; ++j) {
        if (i < rows_ && j < cols_) {
          put<double>(hn::Mul(get<double>(row(i), j), scale_), row(i), j);
        } else {
          put<double>(set(i == j - cols_ ? 1 : 0), row(i), j);
        }
      }
    }
    return ~bits_of<double>(hn::Eq(trouble, trouble)) & kAll;
  }

  HWY_INLINE Double dot(const double* a, const double* b) const {
    Double sums[4] = {set(0), set(0), set(0), set(0)};
    Index j = 0;
    for (; j + 4 <= cols_; j += 4) {
#pragma GCC unroll 4
      for (int c = 0; c < 4; ++c) {
        sums[c] = hn::MulAdd(get<double>(a, j + c), get<double>(b, j + c), sums[c]);
      }
    }
    for (; j < cols_; ++j) sums[0] = hn::MulAdd(get<double>(a, j), get<double>(b, j), sums[0]);
    return hn::Add(hn::Add(sums[0], sums[1]), hn::Add(sums[2], sums[3]));
  }

  // Returns the lanes that have not converged. A lane that has is not touched again: every later
  // sweep finds the same products below the threshold, so it does not matter how long the others
  // of its group take.
  HWY_INLINE std::uint32_t orthogonalize() {
    // Cosines that count as zero: the rounding of a product of cols terms, or far below that of
    // float.
    const double tolerance = sizeof(T) == sizeof(float) ? 1e-11
                                                        : std::numeric_limits<double>::epsilon() *
                                                              std::sqrt(static_cast<double>(cols_));
    const Double threshold = set(tolerance * tolerance);
    // Rows at the level of what a rotation with the longest row leaves of it by rounding: they
    // would never come to rest. support_cutoff, a bound of that level, counts them as zero.
    const double noise = static_cast<double>(cols_) * std::numeric_limits<double>::epsilon();
    // A tournament, in which the pairs of a round are disjoint: their chains overlap.
    std::array<Index, kMaxBatchedRows + 1> order{};
    const Index players = rows_ + rows_ % 2;
    std::uint32_t busy = 0;
    for (int sweep = 0; sweep < kSweeps; ++sweep) {
      busy = 0;
      for (Index p = 0; p < players; ++p) order[static_cast<std::size_t>(p)] = p;
      // Norms are carried along within a sweep and taken anew for each.
      Double longest = set(0);
      for (Index p = 0; p < rows_; ++p) {
        const Double square = dot(row(p), row(p));
        put<double>(square, norms_, p);
        longest = hn::Max(longest, square);
      }
      const Double floor = hn::Mul(longest, set(noise * noise));
      for (Index round = 0; round + 1 < players; ++round) {
        for (Index k = 0; k < players / 2; ++k) {
          Index p = order[static_cast<std::size_t>(k)];
          Index q = order[static_cast<std::size_t>(players - 1 - k)];
          if (p > q) std::swap(p, q);
          if (q < rows_) busy |= rotate(p, q, threshold, floor);
        }
        std::rotate(order.begin() + 1, order.begin() + 2, order.begin() + players);
      }
      if (busy == 0) break;
    }
    for (Index p = 0; p < rows_; ++p) put<double>(hn::Sqrt(dot(row(p), row(p))), norms_, p);
    return busy;
  }

  HWY_INLINE std::uint32_t rotate(Index p, Index q, Double threshold, Double floor) {
    double* const a = row(p);
    double* const b = row(q);
    const Double alpha = get<double>(norms_, p);
    const Double beta = get<double>(norms_, q);
    const Double gamma = dot(a, b);
    const Flags turn =
        hn::And(hn::Gt(hn::Mul(gamma, gamma), hn::Mul(threshold, hn::Mul(alpha, beta))),
                hn::Gt(hn::Min(alpha, beta), floor));
    const std::uint32_t busy = bits_of<double>(turn);
    if (busy == 0) return 0;
    // tan of the angle, the smaller root of t^2 + 2 zeta t = 1.
    const Double zeta = hn::Div(hn::Sub(beta, alpha), hn::Add(gamma, gamma));
    const Double root = hn::Sqrt(hn::MulAdd(zeta, zeta, set(1)));
    Double t = hn::Div(set(1), hn::Add(hn::Abs(zeta), root));
    t = hn::IfThenElse(turn, hn::CopySign(t, zeta), set(0));
    const Double c = hn::Div(set(1), hn::Sqrt(hn::MulAdd(t, t, set(1))));
    const Double s = hn::Mul(c, t);
    put<double>(hn::NegMulAdd(t, hn::IfThenElse(turn, gamma, set(0)), alpha), norms_, p);
    put<double>(hn::MulAdd(t, hn::IfThenElse(turn, gamma, set(0)), beta), norms_, q);
#pragma GCC unroll 4
    for (Index j = 0; j < width_; ++j) {
      const Double x = get<double>(a, j);
      const Double y = get<double>(b, j);
      put<double>(hn::NegMulAdd(s, y, hn::Mul(c, x)), a, j);
      put<double>(hn::MulAdd(s, x, hn::Mul(c, y)), b, j);
    }
    return busy;
  }

  // Rows of Y times f(s) / s; norms_ holds s.
  HWY_INLINE void divide(JacobiMap map, const JacobiPlaces& places, Index offset, Flags chosen) {
    const Tag<double> d;
    Double greatest = set(0);
    Double squares = set(0);
    for (Index p = 0; p < rows_; ++p) {
      const Double s = get<double>(norms_, p);
      greatest = hn::Max(greatest, s);
      squares = hn::MulAdd(s, s, squares);
    }
    // support_cutoff of polar.hpp, and of the decomposition in double.
    const Double by_double =
        hn::Mul(set(static_cast<double>(cols_) * std::numeric_limits<double>::epsilon()), greatest);
    const Double by_dtype =
        sizeof(T) == sizeof(float)
            ? hn::Mul(set(std::numeric_limits<float>::epsilon()), hn::Sqrt(squares))
            : by_double;
    Double eps = set(0);
    if (map == JacobiMap::regularized) {
      eps = hn::Mul(hn::Load(d, places.epsilon + offset), scale_);
    }
    const Double cutoff = hn::IfThenElse(hn::Gt(eps, set(0)), by_double, by_dtype);
    const Flags weak = hn::Lt(eps, cutoff);
    Double potential = set(0);
    Double pairing = set(0);
    for (Index p = 0; p < rows_; ++p) {
      const Double s = get<double>(norms_, p);
      const Double q = hypotenuse(s, eps);
      const Flags gone = hn::Or(hn::Eq(q, set(0)), hn::And(weak, hn::Le(s, cutoff)));
      const Double factor = hn::IfThenElse(gone, set(0), hn::Div(set(1), q));
      const Double ratio = hn::IfThenElse(hn::Gt(q, set(0)), hn::Div(s, hn::Add(q, eps)), set(0));
      potential = hn::MulAdd(s, ratio, potential);
      pairing = hn::MulAdd(s, hn::Mul(s, factor), pairing);
      for (Index j = 0; j < cols_; ++j) {
        put<double>(hn::Mul(factor, get<double>(row(p), j)), row(p), j);
      }
    }
    if (map != JacobiMap::regularized) return;
    for (const auto& [sum, places_of] :
         {std::pair{potential, places.potential}, std::pair{pairing, places.pairing}}) {
      double* const to = places_of + offset;
      hn::Store(hn::IfThenElse(chosen, hn::Div(sum, scale_), hn::Load(d, to)), d, to);
    }
  }

  // block <- J^T Y on the chosen lanes.
  HWY_INLINE void multiply(T* block, Flags chosen) {
    for (Index i = 0; i < rows_; i += kTile) {
      for (Index j = 0; j < cols_; j += 2) {
        Sums<double, 2> sums;
        sums.clear();
        // A last odd column takes a column of J beside it, and drops it.
        sums.template product<false>(y_ + (cols_ + i) * kLanes, Columns(width_), y_ + j * kLanes,
                                     Rows(width_), rows_);
        sums.each([&](int a, int b, Double sum) HWY_ATTR __attribute__((always_inline)) {
          if (i + a >= rows_ || j + b >= cols_) return;
          T* const to = block + ((i + a) * cols_ + j + b) * kBlock;
          write<T>(hn::IfThenElse(chosen, sum, read<T>(to)), to);
        });
      }
    }
  }

  Index rows_, cols_, width_;
  double* y_;
  double* norms_;
  Double scale_;
};

template <class T>
JacobiResult run(T* block, Index rows, Index cols, std::uint32_t mask, JacobiMap map,
                 const JacobiPlaces& places, std::byte* scratch) {
  JacobiResult result;
  for (Index g = 0; g < kBlock; g += kLanes) {
    const std::uint32_t mine = mask >> g & kAll;
    if (mine == 0) continue;
    Rotations<T> rotations(scratch, rows, cols);
    const JacobiResult part = rotations.run(block + g, mine, map, places, g);
    result.non_finite |= (part.non_finite & mine) << g;
    result.not_converged |= part.not_converged << g;
  }
  return result;
}

}  // namespace

std::size_t jacobi_bytes(Index rows, Index cols) {
  return static_cast<std::size_t>(Rotations<double>::vectors(rows, cols) * kLanes) * sizeof(double);
}
JacobiResult jacobi_float(float* block, Index rows, Index cols, std::uint32_t mask, JacobiMap map,
                          const JacobiPlaces& places, std::byte* scratch) {
  return run<float>(block, rows, cols, mask, map, places, scratch);
}
JacobiResult jacobi_double(double* block, Index rows, Index cols, std::uint32_t mask, JacobiMap map,
                           const JacobiPlaces& places, std::byte* scratch) {
  return run<double>(block, rows, cols, mask, map, places, scratch);
}

}  // namespace muonflow::linalg::detail::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace muonflow::linalg::detail {

HWY_EXPORT(jacobi_bytes);
HWY_EXPORT(jacobi_float);
HWY_EXPORT(jacobi_double);

template <>
std::size_t jacobi_scratch<float>(Index rows, Index cols) {
  return HWY_DYNAMIC_DISPATCH(jacobi_bytes)(rows, cols);
}
template <>
std::size_t jacobi_scratch<double>(Index rows, Index cols) {
  return HWY_DYNAMIC_DISPATCH(jacobi_bytes)(rows, cols);
}
template <>
JacobiResult jacobi<float>(float* block, Index rows, Index cols, std::uint32_t mask, JacobiMap map,
                           const JacobiPlaces& places, std::byte* scratch) {
  return HWY_DYNAMIC_DISPATCH(jacobi_float)(block, rows, cols, mask, map, places, scratch);
}
template <>
JacobiResult jacobi<double>(double* block, Index rows, Index cols, std::uint32_t mask,
                            JacobiMap map, const JacobiPlaces& places, std::byte* scratch) {
  return HWY_DYNAMIC_DISPATCH(jacobi_double)(block, rows, cols, mask, map, places, scratch);
}

}  // namespace muonflow::linalg::detail
#endif  // HWY_ONCE

#include "muonflow/linalg/batched/detail/smoothed_root.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <type_traits>

#include "muonflow/linalg/batched/detail/power_scale.hpp"
#include "muonflow/linalg/simd_targets.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "muonflow/linalg/batched/detail/smoothed_root.cpp"
#include <hwy/foreach_target.h>
// After foreach_target:
#include "muonflow/linalg/batched/detail/bidiagonal-inl.hpp"
#include "muonflow/linalg/batched/detail/bidiagonal_root-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace muonflow::linalg::detail::HWY_NAMESPACE {
namespace {

constexpr int kMaxPoles = PartialFractions::kMaxPoles;
static_assert(PartialFractionsTable::kStep == 4 && kMaxPoles % kMaxWays == 0);

// The matrices of one group.
template <class T>
class Group {
 public:
  static constexpr Index kLanes = lanes<T>();
  static constexpr std::uint32_t kAll = (1U << kLanes) - 1;
  static constexpr bool kSingle = std::is_same_v<T, float>;
  static constexpr double kHuge = kSingle ? 0x1p20 : 0x1p40;
  using V = Lane<T>;
  using D = Tag<T>;

  static constexpr std::size_t bytes(Index rows, Index cols) {
    return bytes_in_double(rows, cols) +
           bytes_for<T>(Bidiagonal<T>::scratch_size(rows, cols) +
                        rows * Bidiagonal<T>::stride(cols) + BidiagonalRoot<T>::scratch_size(rows));
  }

  HWY_INLINE Group(const SmoothedRootBlock<T>& block, const PartialFractionsTable& table,
                   Index first, std::byte* scratch)
      : block_(block),
        table_(table),
        first_(first),
        rows_(block.rows),
        cols_(block.cols),
        stride_(Bidiagonal<T>::stride(cols_)),
        twice_(reinterpret_cast<double*>(scratch)),
        b_(reinterpret_cast<T*>(scratch + bytes_in_double(rows_, cols_)), rows_, cols_),
        z_(b_.end()),
        work_(z_ + rows_ * stride_ * kLanes) {}

  HWY_INLINE SmoothedRootResult map() {
    const std::uint32_t finite = look();
    SmoothedRootResult result{.non_finite = kAll & ~finite};
    load();
    b_.reduce();
    std::uint32_t done = finite & choose();
    if (done != 0) {
      const std::uint32_t stable = root();
      if (kSingle) done &= stable;
      expand(done);
    }
    std::uint32_t rest = finite & ~done;
    if constexpr (kSingle) {
      if (rest != 0) {
        for (Index lane = 0; lane < kLanes; lane += lanes<double>()) reduce_twice(lane);
        done = rest & choose();
        if (done != 0) root();
        expand(done);
        rest &= ~done;
      }
    }
    result.left = rest;
    return result;
  }

 private:
  template <class C>
  static constexpr std::size_t bytes_for(Index vectors) {
    return static_cast<std::size_t>(vectors * lanes<C>()) * sizeof(C);
  }
  static constexpr std::size_t bytes_in_double(Index rows, Index cols) {
    return kSingle ? bytes_for<double>(Bidiagonal<double>::scratch_size(rows, cols)) : 0;
  }
  T* entry(Index i, Index j) const { return block_.entries + (i * cols_ + j) * kBlock + first_; }

  // Which are finite, and the power of two that makes the largest entry of the order of 1.
  HWY_INLINE std::uint32_t look() {
    const D d;
    V largest = hn::Zero(d);
    V nothing = hn::Zero(d);
    for (Index i = 0; i < rows_; ++i) {
      for (Index j = 0; j < cols_; ++j) {
        const V value = hn::Load(d, entry(i, j));
        largest = hn::Max(largest, hn::Abs(value));
        nothing = hn::MulAdd(value, hn::Zero(d), nothing);  // NaN from NaN and infinity alone
      }
    }
    hn::Store(largest, d, scale_);
    const double* const epsilon = block_.epsilon + first_;
    for (Index k = 0; k < kLanes; ++k) {
      // Zero matrices are looked at in units of epsilon.
      const T size = scale_[k] > 0 ? scale_[k] : static_cast<T>(epsilon[k]);
      scale_[k] = power_scale(size);
    }
    for (Index k = 0; k < kLanes; ++k) {
      const double scaled = epsilon[k] * static_cast<double>(scale_[k]);
      scaled_[k] = scaled;
      // Beyond, M / epsilon is the result, to a relative error of ||M||^2 / (2 epsilon^2).
      epsilon_[k] = static_cast<T>(scaled > kHuge ? 1.0 : scaled);
    }
    return bits_of<T>(hn::Eq(nothing, hn::Zero(d)));
  }

  HWY_INLINE void load() {
    const D d;
    const V factor = hn::Load(d, scale_);
    for (Index i = 0; i < rows_; ++i) {
      for (Index j = 0; j < cols_; ++j) {
        put<T>(hn::Mul(hn::Load(d, entry(i, j)), factor), b_.matrix(), i * stride_ + j);
      }
    }
  }

  // Reduced in double, kept as T: what is left of the error does not see the condition of the map,
  // since rounding the entries of a bidiagonal matrix changes its singular values, and its polar
  // map, relatively.
  HWY_INLINE void reduce_twice(Index lane) {
    const Tag<double> d;
    const hn::Rebind<T, Tag<double>> half;
    Bidiagonal<double> b(twice_, rows_, cols_);
    alignas(64) double factor[lanes<double>()];
    for (Index k = 0; k < lanes<double>(); ++k) factor[k] = static_cast<double>(scale_[lane + k]);
    const Lane<double> by = hn::Load(d, factor);
    for (Index i = 0; i < rows_; ++i) {
      for (Index j = 0; j < cols_; ++j) {
        const Lane<double> value = hn::PromoteTo(d, hn::Load(half, entry(i, j) + lane));
        put<double>(hn::Mul(value, by), b.matrix(), i * stride_ + j);
      }
    }
    b.reduce();
    for (Index e = 0; e < b.kept(); ++e) {
      hn::Store(hn::DemoteTo(half, get<double>(b.matrix(), e)), half,
                b_.matrix() + e * kLanes + lane);
    }
  }

  HWY_INLINE void expand(std::uint32_t done) {
    if (done == 0) return;
    b_.expand(z_);
    store(done);
  }

  // Poles and weights of each lane; those that the table serves.
  HWY_INLINE std::uint32_t choose() {
    const D d;
    const V eps = hn::Load(d, epsilon_);
    const V eps2 = hn::Mul(eps, eps);
    V squares = hn::Zero(d);
    V norm2 = hn::Zero(d);
    V before = hn::Zero(d);
    for (Index k = 0; k < rows_; ++k) {
      const V a = b_.diagonal(k);
      const V c = k + 1 < rows_ ? b_.below(k) : hn::Zero(d);
      const V a2 = hn::Mul(a, a);
      const V c2 = hn::Mul(c, c);
      const V entry = hn::Add(hn::Add(a2, before), eps2);
      norm2 = hn::MulAdd(entry, entry, norm2);
      norm2 = hn::MulAdd(hn::Add(a2, a2), c2, norm2);
      squares = hn::Add(squares, hn::Add(a2, c2));
      before = c2;
    }
    // ||A||_F, between the largest eigenvalue and the trace.
    const V norm = hn::Sqrt(norm2);
    hn::Store(squares, d, squares_);
    hn::Store(norm, d, norm_);
    alignas(64) T quotient[kLanes];
    const V quotients = hn::Div(eps2, norm);
    hn::Store(quotients, d, quotient);

    const auto least = static_cast<T>(table_.least());
    const std::uint32_t served = bits_of<T>(hn::Ge(quotients, hn::Set(d, least)));
    // Row by row of the table, of which the lanes of a group want few. Where a row has no more
    // poles its weights are 0, which leaves the bits of its lanes alone.
    alignas(64) T rows[kLanes];
    for (Index k = 0; k < kLanes; ++k) {
      rows[k] = static_cast<T>(PartialFractionsTable::row_of(static_cast<double>(quotient[k])));
    }
    const V of_lane = hn::Load(d, rows);
    std::uint32_t rest = kAll;
    poles_ = 0;
    while (rest != 0) {
      const T own = rows[static_cast<Index>(std::countr_zero(rest))];
      const bool first = rest == kAll;
      const auto here = hn::Eq(of_lane, hn::Set(d, own));
      rest &= ~bits_of<T>(here);
      const auto& row = table_.in<T>(static_cast<int>(own));
      const auto put_row = [&](T value, T * to, bool fresh) HWY_ATTR
          __attribute__((always_inline)) {
        const V old = fresh ? hn::Zero(d) : hn::Load(d, to);
        hn::Store(hn::IfThenElse(here, hn::Set(d, value), old), d, to);
      };
      put_row(row.center, center_, first);
      for (int j = 0; j < row.poles; ++j) {
        put_row(row.pole[static_cast<std::size_t>(j)], pole_[j], j >= poles_);
        put_row(row.weight[static_cast<std::size_t>(j)], weight_[j], j >= poles_);
      }
      poles_ = std::max(poles_, row.poles);
    }
    return served;
  }

  // z <- f(B B^T + epsilon^2) B; the potential and the pairing: with t_j = <B, (A + pole_j)^-1 B>,
  //   <M, X> = front (||M||^2 + sum_j weight_j t_j),
  //   sum_i sqrt(s_i^2 + epsilon^2) - epsilon
  //          = front (||M||^2 + sum_j weight_j t_j pole_j / (epsilon^2 + pole_j)).
  // Returned are the lanes where X is not too sensitive to M: a perturbation E moves the component
  // of X between two singular values by at most 1 / max(s_i, s_j, epsilon) of its own, the root of
  // the sum of the squares of these is at most tr A^(-1/2), and ||X||_F is at least <M, X> /
  // ||M||_F.
  HWY_INLINE std::uint32_t root() {
    const D d;
    const V eps = hn::Load(d, epsilon_);
    const V norm = hn::Load(d, norm_);
    const V front = hn::Div(hn::Load(d, center_), hn::Sqrt(norm));
    const V squares = hn::Load(d, squares_);
    const V rows = hn::Set(d, static_cast<T>(rows_));
    Sums sums{.eps2 = hn::Mul(eps, eps),
              .norm = norm,
              .by = hn::Mul(front, norm),
              .pairing = hn::Mul(front, squares),
              .potential = hn::Mul(front, squares),
              .trace = hn::Mul(front, rows)};
    BidiagonalRoot<T> root(b_, rows_, z_, stride_, work_);
    root.begin(front, cols_);
    int first = 0;
    for (; first + 8 <= poles_; first += 8) add<8>(root, first, sums);
    if (first < poles_) add<4>(root, first, sums);
    hn::Store(sums.pairing, d, pairing_);
    hn::Store(sums.potential, d, potential_);
    const V most = hn::Mul(rows, hn::Set(d, static_cast<T>(block_.most_amplified)));
    return bits_of<T>(hn::Le(hn::Mul(squares, sums.trace), hn::Mul(most, sums.pairing)));
  }
  struct Sums {
    V eps2, norm, by;
    V pairing, potential, trace;
  };
  template <int kWays>
  HWY_INLINE void add(BidiagonalRoot<T>& root, int first, Sums& sums) {
    const D d;
    V pole[kWays], tau[kWays], weight[kWays], inner[kWays];
#pragma GCC unroll 8
    for (int j = 0; j < kWays; ++j) {
      pole[j] = hn::Mul(hn::Load(d, pole_[first + j]), sums.norm);
      tau[j] = hn::Add(sums.eps2, pole[j]);
      weight[j] = hn::Mul(hn::Load(d, weight_[first + j]), sums.by);
    }
    sums.trace = hn::Add(sums.trace, root.template add<kWays>(tau, weight, inner));
#pragma GCC unroll 8
    for (int j = 0; j < kWays; ++j) {
      sums.pairing = hn::Add(sums.pairing, inner[j]);
      sums.potential = hn::MulAdd(inner[j], hn::Div(pole[j], tau[j]), sums.potential);
    }
  }

  HWY_INLINE void store(std::uint32_t done) {
    const D d;
    alignas(64) T keep[kLanes];     // 0: as it was
    alignas(64) T huge[kLanes];     // 1: M times inverse
    alignas(64) T inverse[kLanes];  // of epsilon
    bool any = false;
    for (Index k = 0; k < kLanes; ++k) {
      const bool own = (done >> k & 1U) != 0;
      const bool divided = own && scaled_[k] > kHuge;
      keep[k] = own ? T(1) : T(0);
      huge[k] = divided ? T(1) : T(0);
      inverse[k] = divided ? static_cast<T>(1 / scaled_[k]) : T(0);
      any = any || divided;
    }
    for (Index k = 0; k < kLanes; ++k) {
      if (keep[k] == 0) continue;
      const bool divided = scaled_[k] > kHuge;
      const double square = static_cast<double>(squares_[k]) / scaled_[k];
      const double back = 1 / static_cast<double>(scale_[k]);
      block_.pairing[first_ + k] = (divided ? square : static_cast<double>(pairing_[k])) * back;
      block_.potential[first_ + k] =
          (divided ? square / 2 : static_cast<double>(potential_[k])) * back;
    }
    const auto changed = hn::Gt(hn::Load(d, keep), hn::Zero(d));
    const auto divided = hn::Gt(hn::Load(d, huge), hn::Zero(d));
    const V by = hn::Load(d, inverse);
    const V factor = hn::Load(d, scale_);
    const bool whole = done == kAll && !any;
    for (Index i = 0; i < rows_; ++i) {
      for (Index j = 0; j < cols_; ++j) {
        T* const to = entry(i, j);
        V value = get<T>(z_, i * stride_ + j);
        if (!whole) {
          const V old = hn::Load(d, to);
          value = hn::IfThenElse(divided, hn::Mul(hn::Mul(old, factor), by), value);
          value = hn::IfThenElse(changed, value, old);
        }
        hn::Store(value, d, to);
      }
    }
  }

  const SmoothedRootBlock<T>& block_;
  const PartialFractionsTable& table_;
  Index first_, rows_, cols_, stride_;
  double* twice_;  // before what is in T, for its alignment
  Bidiagonal<T> b_;
  T* z_;
  T* work_;
  alignas(64) T scale_[kLanes];    // powers of two; everything is in units of their inverses
  double scaled_[kLanes];          // epsilon
  alignas(64) T epsilon_[kLanes];  // not huge
  alignas(64) T squares_[kLanes];
  alignas(64) T norm_[kLanes];
  alignas(64) T center_[kLanes];
  alignas(64) T pairing_[kLanes];
  alignas(64) T potential_[kLanes];
  alignas(64) T pole_[kMaxPoles][kLanes];
  alignas(64) T weight_[kMaxPoles][kLanes];
  int poles_ = 0;
};

template <class T>
SmoothedRootResult run(const SmoothedRootBlock<T>& block, const PartialFractionsTable& table,
                       std::byte* scratch) {
  SmoothedRootResult result;
  for (Index first = 0; first < kBlock; first += lanes<T>()) {
    Group<T> group(block, table, first, scratch);
    const SmoothedRootResult part = group.map();
    result.non_finite |= part.non_finite << first;
    result.left |= part.left << first;
  }
  return result;
}

}  // namespace
std::size_t smoothed_root_bytes(Index rows, Index cols) {
  return std::max(Group<float>::bytes(rows, cols), Group<double>::bytes(rows, cols));
}
SmoothedRootResult smoothed_root_float(const SmoothedRootBlock<float>& block,
                                       const PartialFractionsTable& table, std::byte* scratch) {
  return run<float>(block, table, scratch);
}
SmoothedRootResult smoothed_root_double(const SmoothedRootBlock<double>& block,
                                        const PartialFractionsTable& table, std::byte* scratch) {
  return run<double>(block, table, scratch);
}
}  // namespace muonflow::linalg::detail::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace muonflow::linalg::detail {

HWY_EXPORT(smoothed_root_bytes);
HWY_EXPORT(smoothed_root_float);
HWY_EXPORT(smoothed_root_double);

std::size_t smoothed_root_scratch(Index rows, Index cols) {
  return HWY_DYNAMIC_DISPATCH(smoothed_root_bytes)(rows, cols);
}
template <>
SmoothedRootResult smoothed_root<float>(const SmoothedRootBlock<float>& block,
                                        const PartialFractionsTable& table, std::byte* scratch) {
  return HWY_DYNAMIC_DISPATCH(smoothed_root_float)(block, table, scratch);
}
template <>
SmoothedRootResult smoothed_root<double>(const SmoothedRootBlock<double>& block,
                                         const PartialFractionsTable& table, std::byte* scratch) {
  return HWY_DYNAMIC_DISPATCH(smoothed_root_double)(block, table, scratch);
}

}  // namespace muonflow::linalg::detail
#endif  // HWY_ONCE

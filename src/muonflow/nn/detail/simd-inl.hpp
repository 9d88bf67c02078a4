// Vector vocabulary of the layers' loops: loads and stores of row ends, sums over lanes, exp.
//
// Compiled once per instruction set (hence the include guard of Highway's kind). The end of a row
// goes through the same vector instructions as its middle, so that a value does not depend on where
// in a row it stands or on how rows are shared among threads.
#if defined(MUONFLOW_NN_DETAIL_SIMD_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef MUONFLOW_NN_DETAIL_SIMD_INL_HPP
#undef MUONFLOW_NN_DETAIL_SIMD_INL_HPP
#else
#define MUONFLOW_NN_DETAIL_SIMD_INL_HPP
#endif

#include <hwy/cache_control.h>
#include <hwy/highway.h>

#include <cstring>

#include "muonflow/core/matrix.hpp"

HWY_BEFORE_NAMESPACE();
namespace muonflow::nn::detail::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

template <class T>
using Tag = hn::ScalableTag<T>;
template <class T>
using Vec = hn::Vec<Tag<T>>;

template <class T>
HWY_INLINE Index lanes() {
  return static_cast<Index>(hn::Lanes(Tag<T>()));
}

template <class T>
HWY_INLINE Vec<T> set(double value) {
  return hn::Set(Tag<T>(), static_cast<T>(value));
}

// The next `left` elements (all lanes where there are enough), `fill` in the lanes beyond.
template <class T>
HWY_INLINE Vec<T> load(const T* from, Index left, T fill = T(0)) {
  const Tag<T> d;
  if (HWY_LIKELY(left >= lanes<T>())) return hn::LoadU(d, from);
  HWY_ALIGN T part[hn::MaxLanes(Tag<T>())];
  for (Index i = 0; i < lanes<T>(); ++i) part[i] = i < left ? from[i] : fill;
  return hn::Load(d, part);
}

template <class T>
HWY_INLINE void store(Vec<T> value, T* to, Index left) {
  const Tag<T> d;
  if (HWY_LIKELY(left >= lanes<T>())) {
    hn::StoreU(value, d, to);
    return;
  }
  HWY_ALIGN T part[hn::MaxLanes(Tag<T>())];
  hn::Store(value, d, part);
  for (Index i = 0; i < left; ++i) to[i] = part[i];
}

template <class T>
HWY_INLINE T sum_of(Vec<T> value) {
  return hn::GetLane(hn::SumOfLanes(Tag<T>(), value));
}

template <class T>
HWY_INLINE T max_of(Vec<T> value) {
  return hn::GetLane(hn::MaxOfLanes(Tag<T>(), value));
}

// e^x to about one unit of rounding; 0 below the smallest normal number, NaN for NaN, infinity from
// about 88.4 (float) or 709.4 (double) on.
//
// x = n ln 2 + r with |r| <= ln(2) / 2, e^r by its Taylor series (remainder 5e-9 in float, 4e-18 in
// double). n comes from adding 1.5 * 2^(mantissa bits): the sum's low bits are n as an integer.
template <class T>
HWY_INLINE Vec<T> exp_of(Vec<T> x) {
  constexpr bool single = sizeof(T) == 4;
  const Tag<T> d;
  const hn::RebindToUnsigned<Tag<T>> du;
  const auto low = set<T>(single ? -87.33 : -708.39);
  const auto high = set<T>(single ? 89.0 : 710.0);
  const auto magic = set<T>(single ? 12582912.0 : 6755399441055744.0);
  const auto inside = hn::IfThenElse(hn::Lt(x, low), low, hn::IfThenElse(hn::Gt(x, high), high, x));
  const auto shifted = hn::MulAdd(inside, set<T>(0x1.71547652b82fep+0), magic);
  const auto n = hn::Sub(shifted, magic);
  // ln 2 in two parts, the first with so few bits that n times it is exact.
  auto r = hn::NegMulAdd(n, set<T>(single ? 0x1.63p-1 : 0x1.62e42feep-1), inside);
  r = hn::NegMulAdd(n, set<T>(single ? -0x1.bd0105c610ca8p-13 : 0x1.a39ef35793c76p-33), r);
  constexpr int kDegree = single ? 7 : 13;
  constexpr double kInverseFactorial[] = {1.0,
                                          1.0,
                                          1.0 / 2,
                                          1.0 / 6,
                                          1.0 / 24,
                                          1.0 / 120,
                                          1.0 / 720,
                                          1.0 / 5040,
                                          1.0 / 40320,
                                          1.0 / 362880,
                                          1.0 / 3628800,
                                          1.0 / 39916800,
                                          1.0 / 479001600,
                                          1.0 / 6227020800};
  auto series = set<T>(kInverseFactorial[kDegree]);
  HWY_UNROLL(16)
  for (int k = kDegree - 1; k >= 0; --k) {
    series = hn::MulAdd(series, r, set<T>(kInverseFactorial[k]));
  }
  constexpr int kMantissaBits = single ? 23 : 52;
  const auto power = hn::BitCast(d, hn::Add(hn::ShiftLeft<kMantissaBits>(hn::BitCast(du, shifted)),
                                            hn::BitCast(du, set<T>(1.0))));
  return hn::IfThenElse(hn::Lt(x, low), hn::Zero(d), hn::Mul(series, power));
}

}  // namespace muonflow::nn::detail::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif

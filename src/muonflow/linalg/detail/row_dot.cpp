#include "muonflow/linalg/detail/row_dot.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "muonflow/linalg/detail/row_dot.cpp"
#include <hwy/foreach_target.h>
// After foreach_target:
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace muonflow::linalg::detail::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

template <class D>
HWY_INLINE auto load(D d, const double* from) {
  return hn::LoadU(d, from);
}
template <class D>
HWY_INLINE auto load(D d, const float* from) {
  return hn::PromoteTo(d, hn::LoadU(hn::Rebind<float, D>(), from));
}

template <class T>
double dot(Index count, const T* a, const T* b) {
  const hn::CappedTag<double, 8> d;
  constexpr Index kLanes = static_cast<Index>(hn::MaxLanes(d));
  constexpr int kVectors = 8 / kLanes;
  decltype(hn::Zero(d)) sums[kVectors];
  for (auto& sum : sums) sum = hn::Zero(d);
  Index j = 0;
  for (; j + 8 <= count; j += 8) {
    for (int v = 0; v < kVectors; ++v) {
      // Not fused: fused ones would round differently where there are none.
      sums[v] = hn::Add(sums[v], hn::Mul(load(d, a + j + v * kLanes), load(d, b + j + v * kLanes)));
    }
  }
  HWY_ALIGN double sum[8];
  for (int v = 0; v < kVectors; ++v) hn::Store(sums[v], d, sum + v * kLanes);
  for (Index l = 0; j < count; ++j, ++l) {
    const double product = static_cast<double>(a[j]) * static_cast<double>(b[j]);
    sum[l] += product;
  }
  return ((sum[0] + sum[4]) + (sum[1] + sum[5])) + ((sum[2] + sum[6]) + (sum[3] + sum[7]));
}

double dot_float(Index count, const float* a, const float* b) { return dot(count, a, b); }
double dot_double(Index count, const double* a, const double* b) { return dot(count, a, b); }

}  // namespace muonflow::linalg::detail::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace muonflow::linalg::detail {

HWY_EXPORT(dot_float);
HWY_EXPORT(dot_double);

double row_dot(Index count, const float* a, const float* b) {
  return HWY_DYNAMIC_DISPATCH(dot_float)(count, a, b);
}
double row_dot(Index count, const double* a, const double* b) {
  return HWY_DYNAMIC_DISPATCH(dot_double)(count, a, b);
}

}  // namespace muonflow::linalg::detail
#endif  // HWY_ONCE

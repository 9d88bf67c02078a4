#include "muonflow/nn/smooth_map.hpp"

#include "muonflow/core/parallel.hpp"
#include "muonflow/nn/detail/check.hpp"
#include "muonflow/nn/detail/row_cuts.hpp"
#include "muonflow/linalg/simd_targets.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "muonflow/nn/smooth_map.cpp"
#include <hwy/foreach_target.h>
// After foreach_target:
#include "muonflow/nn/detail/choose_target.hpp"
#include "muonflow/nn/detail/simd-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace muonflow::nn::detail::HWY_NAMESPACE {
namespace {

template <class T>
struct Value {
  Vec<T> value, slope;
};

// log(1 + e) for e in [0, 1]: 2 atanh(z) with z = e / (2 + e) <= 1/3, by its series; what is left
// out is below 2 z 9^-8 / 17 (3e-9 z) in float and 2 z 9^-17 / 35 (4e-18 z) in double.
template <class T>
HWY_INLINE Vec<T> log_one_plus(Vec<T> e) {
  constexpr int kTerms = sizeof(T) == 4 ? 8 : 17;
  const auto z = hn::Div(e, hn::Add(e, set<T>(2)));
  const auto square = hn::Mul(z, z);
  auto series = set<T>(1.0 / (2 * kTerms - 1));
  HWY_UNROLL(16)
  for (int k = kTerms - 2; k >= 0; --k) {
    series = hn::MulAdd(series, square, set<T>(1.0 / (2 * k + 1)));
  }
  return hn::Mul(hn::Add(z, z), series);
}

// Everything from e = e^-|a| <= 1, which neither overflows nor lets s and 1 - s cancel.
template <SmoothMap map, class T>
HWY_INLINE Value<T> evaluate(Vec<T> x) {
  const auto one = set<T>(1);
  if constexpr (map == SmoothMap::identity) return {x, one};
  if constexpr (map == SmoothMap::exp) {
    const auto e = exp_of<T>(x);
    return {e, e};
  }
  if constexpr (map == SmoothMap::tanh) {
    const auto e = exp_of<T>(hn::Mul(hn::Abs(x), set<T>(-2)));
    const auto over = hn::Div(one, hn::Add(one, e));
    const auto size = hn::Mul(hn::Sub(one, e), over);
    return {hn::CopySign(size, x), hn::Mul(hn::Mul(set<T>(4), e), hn::Mul(over, over))};
  }
  auto a = x;  // the argument of the sigmoid
  if constexpr (map == SmoothMap::gelu) {
    constexpr double kTwice = 2 * 0.79788456080286535588;  // 2 sqrt(2/pi)
    a = hn::Mul(x, hn::MulAdd(hn::Mul(x, x), set<T>(kTwice * 0.044715), set<T>(kTwice)));
  }
  const auto e = exp_of<T>(hn::Neg(hn::Abs(a)));
  const auto large = hn::Div(one, hn::Add(one, e));
  const auto small = hn::Mul(e, large);
  const auto s = hn::IfThenElse(hn::Lt(a, set<T>(0)), small, large);
  if constexpr (map == SmoothMap::sigmoid) return {s, hn::Mul(small, large)};
  if constexpr (map == SmoothMap::softplus) {
    return {hn::Add(hn::Max(x, set<T>(0)), log_one_plus<T>(e)), s};
  }
  constexpr double kTwice = 2 * 0.79788456080286535588;
  const auto da = hn::MulAdd(hn::Mul(x, x), set<T>(kTwice * 3 * 0.044715), set<T>(kTwice));
  return {hn::Mul(x, s), hn::MulAdd(hn::Mul(hn::Mul(x, small), large), da, s)};
}

template <SmoothMap map, class T>
void loop(T* x, T* slope, Index count) {
  for (Index i = 0; i < count; i += lanes<T>()) {
    const auto both = evaluate<map, T>(load<T>(x + i, count - i));
    store<T>(both.value, x + i, count - i);
    if (slope != nullptr) store<T>(both.slope, slope + i, count - i);
  }
}

template <class T>
void choose(SmoothMap map, T* x, T* slope, Index count) {
  switch (map) {
    case SmoothMap::tanh:
      return loop<SmoothMap::tanh, T>(x, slope, count);
    case SmoothMap::gelu:
      return loop<SmoothMap::gelu, T>(x, slope, count);
    case SmoothMap::softplus:
      return loop<SmoothMap::softplus, T>(x, slope, count);
    case SmoothMap::sigmoid:
      return loop<SmoothMap::sigmoid, T>(x, slope, count);
    case SmoothMap::exp:
      return loop<SmoothMap::exp, T>(x, slope, count);
    case SmoothMap::identity:
      return loop<SmoothMap::identity, T>(x, slope, count);
  }
}

void map_float(SmoothMap map, float* x, float* slope, Index count) {
  choose<float>(map, x, slope, count);
}
void map_double(SmoothMap map, double* x, double* slope, Index count) {
  choose<double>(map, x, slope, count);
}

}  // namespace
}  // namespace muonflow::nn::detail::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace muonflow::nn {
namespace detail {
namespace {

HWY_EXPORT(map_float);
HWY_EXPORT(map_double);

auto row_map(float) { return HWY_DYNAMIC_DISPATCH(map_float); }
auto row_map(double) { return HWY_DYNAMIC_DISPATCH(map_double); }

template <class T>
void for_rows(SmoothMap map, MatrixRef<T> x, T* slope, Index slope_stride) {
  choose_target();
  const auto row = row_map(T());
  parallel_for(x.rows(), row_grain(x.cols()), [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      row(map, x.data() + i * x.outerStride(),
          slope == nullptr ? nullptr : slope + i * slope_stride, x.cols());
    }
  });
}

}  // namespace
}  // namespace detail

template <class T>
void smooth_value(SmoothMap map, MatrixRef<T> x) {
  detail::for_rows<T>(map, x, nullptr, 0);
}

template <class T>
void smooth_value_and_slope(SmoothMap map, MatrixRef<T> x, MatrixRef<T> slope) {
  detail::check_shape("smooth map", "slope", slope, x.rows(), x.cols());
  detail::for_rows<T>(map, x, slope.data(), slope.outerStride());
}

template void smooth_value<float>(SmoothMap, MatrixRef<float>);
template void smooth_value<double>(SmoothMap, MatrixRef<double>);
template void smooth_value_and_slope<float>(SmoothMap, MatrixRef<float>, MatrixRef<float>);
template void smooth_value_and_slope<double>(SmoothMap, MatrixRef<double>, MatrixRef<double>);

}  // namespace muonflow::nn
#endif  // HWY_ONCE

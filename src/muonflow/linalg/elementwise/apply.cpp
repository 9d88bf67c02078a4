#include "muonflow/linalg/elementwise/apply.hpp"

#include <cstring>

#include "muonflow/linalg/elementwise/detail/walk.hpp"
#include "muonflow/linalg/norms.hpp"
#include "muonflow/linalg/simd_targets.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "muonflow/linalg/elementwise/apply.cpp"
#include <hwy/foreach_target.h>
// After foreach_target:
#include "muonflow/linalg/elementwise/detail/rows-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace muonflow::linalg::detail::HWY_NAMESPACE {
namespace {

// x - x is +0 for a finite x and NaN for any other: the bits of all of them, joined, are 0 or not.
template <class T>
HWY_INLINE bool weights_row(const WeightStep& step, const T* w, T* d, Index count) {
  const T kept = static_cast<T>(step.kept);
  const T by = static_cast<T>(step.by);
  const T after = static_cast<T>(step.after);
  const hn::ScalableTag<T> wide;
  const hn::CappedTag<T, 1> one;
  auto trouble = hn::Zero(wide);
  auto last = hn::Zero(one);
  const auto entry = [=](auto tag, Index i) HWY_ATTR {
    const auto x =
        hn::Mul(hn::Set(tag, after), hn::Sub(hn::Mul(hn::Set(tag, kept), hn::LoadU(tag, w + i)),
                                             hn::Mul(hn::Set(tag, by), hn::LoadU(tag, d + i))));
    hn::StoreU(x, tag, d + i);
    return hn::Sub(x, x);
  };
  const auto lanes = static_cast<Index>(hn::Lanes(wide));
  Index i = 0;
  for (; i + lanes <= count; i += lanes) trouble = hn::Or(trouble, entry(wide, i));
  for (; i < count; ++i) last = hn::Or(last, entry(one, i));
  return hn::AllTrue(wide, hn::Eq(trouble, hn::Zero(wide))) && hn::GetLane(last) == T(0);
}

template <class T>
HWY_INLINE void signs_row(T* d, Index count) {
  over_row<T>(count, [=](auto tag, Index i) HWY_ATTR {
    const auto x = hn::LoadU(tag, d + i);
    const auto unit = hn::CopySign(hn::Set(tag, T(1)), x);
    hn::StoreU(hn::IfThenZeroElse(hn::Eq(x, hn::Zero(tag)), unit), tag, d + i);
  });
}

}  // namespace

bool weights_float(const WeightStep& step, const float* w, float* d, Index count) {
  return weights_row<float>(step, w, d, count);
}
bool weights_double(const WeightStep& step, const double* w, double* d, Index count) {
  return weights_row<double>(step, w, d, count);
}
void signs_float(float* d, Index count) { signs_row<float>(d, count); }
void signs_double(double* d, Index count) { signs_row<double>(d, count); }

}  // namespace muonflow::linalg::detail::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace muonflow::linalg {
namespace detail {

HWY_EXPORT(weights_float);
HWY_EXPORT(weights_double);
HWY_EXPORT(signs_float);
HWY_EXPORT(signs_double);

bool weights_row(const WeightStep& step, const float* w, float* d, Index count) {
  return HWY_DYNAMIC_DISPATCH(weights_float)(step, w, d, count);
}
bool weights_row(const WeightStep& step, const double* w, double* d, Index count) {
  return HWY_DYNAMIC_DISPATCH(weights_double)(step, w, d, count);
}
void signs_row(float* d, Index count) { HWY_DYNAMIC_DISPATCH(signs_float)(d, count); }
void signs_row(double* d, Index count) { HWY_DYNAMIC_DISPATCH(signs_double)(d, count); }

}  // namespace detail

template <class T>
bool weights_after(const WeightStep& step, const ConstMatrixRef<T>& w, MatrixRef<T> d) {
  detail::check_same("weights after a step", w, d);
  bool finite = true;
  detail::walk(
      [&](Index count, Index i) {
        finite = detail::weights_row(step, w.data() + i * w.outerStride(),
                                     d.data() + i * d.outerStride(), count) &&
                 finite;
      },
      w, d);
  return finite;
}

template <class T>
bool to_signs(MatrixRef<T> d) {
  if (!all_finite<T>(d)) return false;
  detail::walk(
      [&](Index count, Index i) { detail::signs_row(d.data() + i * d.outerStride(), count); }, d);
  return true;
}

template <class T>
void copy_rows(const ConstMatrixRef<T>& from, MatrixRef<T> to) {
  detail::check_same("copy", from, to);
  detail::walk(
      [&](Index count, Index i) {
        std::memcpy(to.data() + i * to.outerStride(), from.data() + i * from.outerStride(),
                    static_cast<std::size_t>(count) * sizeof(T));
      },
      from, to);
}

#define MUONFLOW_INSTANTIATE(T)                                                              \
  template bool weights_after<T>(const WeightStep&, const ConstMatrixRef<T>&, MatrixRef<T>); \
  template bool to_signs<T>(MatrixRef<T>);                                                   \
  template void copy_rows<T>(const ConstMatrixRef<T>&, MatrixRef<T>);
MUONFLOW_INSTANTIATE(float)
MUONFLOW_INSTANTIATE(double)
#undef MUONFLOW_INSTANTIATE

}  // namespace muonflow::linalg
#endif  // HWY_ONCE

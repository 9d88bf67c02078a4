#include "muonflow/linalg/elementwise/moments.hpp"

#include "muonflow/linalg/elementwise/detail/walk.hpp"
#include "muonflow/linalg/simd_targets.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "muonflow/linalg/elementwise/moments.cpp"
#include <hwy/foreach_target.h>
// After foreach_target:
#include "muonflow/linalg/elementwise/detail/rows-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace muonflow::linalg::detail::HWY_NAMESPACE {
namespace {

// kept a + added b, each product and the sum rounded.
template <class D, class V = hn::Vec<D>, class T = hn::TFromD<D>>
HWY_INLINE V mixed(D d, T kept, V a, T added, V b) {
  return hn::Add(hn::Mul(hn::Set(d, kept), a), hn::Mul(hn::Set(d, added), b));
}

// x / bound, 0 where the bound is.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V quotient(D d, V x, V bound) {
  return hn::IfThenZeroElse(hn::Eq(bound, hn::Zero(d)), hn::Div(x, bound));
}

template <class T>
HWY_INLINE void momentum_row(const Momentum& by, const T* g, T* m, T* d, Index count) {
  const T kept = static_cast<T>(by.kept);
  const T added = static_cast<T>(by.added);
  const bool nesterov = by.nesterov;
  over_row<T>(count, [=](auto tag, Index i) HWY_ATTR {
    const auto gradient = hn::LoadU(tag, g + i);
    const auto moment = mixed(tag, kept, hn::LoadU(tag, m + i), added, gradient);
    hn::StoreU(moment, tag, m + i);
    hn::StoreU(nesterov ? mixed(tag, added, gradient, kept, moment) : moment, tag, d + i);
  });
}

template <class T>
HWY_INLINE void adam_row(const AdamMoments& by, const T* g, T* m, T* v, T* d, Index count) {
  const T beta1 = static_cast<T>(by.beta1), new1 = static_cast<T>(1 - by.beta1);
  const T beta2 = static_cast<T>(by.beta2), new2 = static_cast<T>(1 - by.beta2);
  const T first = static_cast<T>(by.first), root = static_cast<T>(by.root);
  const T eps = static_cast<T>(by.eps);
  over_row<T>(count, [=](auto tag, Index i) HWY_ATTR {
    const auto gradient = hn::LoadU(tag, g + i);
    const auto moment = mixed(tag, beta1, hn::LoadU(tag, m + i), new1, gradient);
    const auto square = hn::Mul(gradient, gradient);
    const auto second = mixed(tag, beta2, hn::LoadU(tag, v + i), new2, square);
    hn::StoreU(moment, tag, m + i);
    hn::StoreU(second, tag, v + i);
    const auto bound = hn::Add(hn::Mul(hn::Set(tag, root), hn::Sqrt(second)), hn::Set(tag, eps));
    hn::StoreU(quotient(tag, hn::Mul(hn::Set(tag, first), moment), bound), tag, d + i);
  });
}

template <class T>
HWY_INLINE void averages_row(double seen, double kept, const T* g, T* m, T* d, Index count) {
  const T seen1 = static_cast<T>(seen), new1 = static_cast<T>(1 - seen);
  const T kept1 = static_cast<T>(kept), new2 = static_cast<T>(1 - kept);
  over_row<T>(count, [=](auto tag, Index i) HWY_ATTR {
    const auto gradient = hn::LoadU(tag, g + i);
    const auto moment = hn::LoadU(tag, m + i);
    hn::StoreU(mixed(tag, kept1, moment, new2, gradient), tag, m + i);
    hn::StoreU(mixed(tag, seen1, moment, new1, gradient), tag, d + i);
  });
}

template <class T>
HWY_INLINE void rms_row(double beta, double eps, T* v, T* d, Index count) {
  const T kept = static_cast<T>(beta), added = static_cast<T>(1 - beta);
  const T least = static_cast<T>(eps);
  over_row<T>(count, [=](auto tag, Index i) HWY_ATTR {
    const auto step = hn::LoadU(tag, d + i);
    const auto second = mixed(tag, kept, hn::LoadU(tag, v + i), added, hn::Mul(step, step));
    hn::StoreU(second, tag, v + i);
    hn::StoreU(quotient(tag, step, hn::Add(hn::Sqrt(second), hn::Set(tag, least))), tag, d + i);
  });
}

}  // namespace

#define MUONFLOW_LOOPS(NAME, T)                                                         \
  void momentum_##NAME(const Momentum& by, const T* g, T* m, T* d, Index count) {       \
    momentum_row<T>(by, g, m, d, count);                                                \
  }                                                                                     \
  void adam_##NAME(const AdamMoments& by, const T* g, T* m, T* v, T* d, Index count) {  \
    adam_row<T>(by, g, m, v, d, count);                                                 \
  }                                                                                     \
  void averages_##NAME(double seen, double kept, const T* g, T* m, T* d, Index count) { \
    averages_row<T>(seen, kept, g, m, d, count);                                        \
  }                                                                                     \
  void rms_##NAME(double beta, double eps, T* v, T* d, Index count) {                   \
    rms_row<T>(beta, eps, v, d, count);                                                 \
  }
MUONFLOW_LOOPS(float, float)
MUONFLOW_LOOPS(double, double)
#undef MUONFLOW_LOOPS

}  // namespace muonflow::linalg::detail::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace muonflow::linalg {
namespace detail {

#define MUONFLOW_EXPORT(NAME, T)                                                     \
  HWY_EXPORT(momentum_##NAME);                                                       \
  HWY_EXPORT(adam_##NAME);                                                           \
  HWY_EXPORT(averages_##NAME);                                                       \
  HWY_EXPORT(rms_##NAME);                                                            \
  void momentum_row(const Momentum& by, const T* g, T* m, T* d, Index count) {       \
    HWY_DYNAMIC_DISPATCH(momentum_##NAME)(by, g, m, d, count);                       \
  }                                                                                  \
  void adam_row(const AdamMoments& by, const T* g, T* m, T* v, T* d, Index count) {  \
    HWY_DYNAMIC_DISPATCH(adam_##NAME)(by, g, m, v, d, count);                        \
  }                                                                                  \
  void averages_row(double seen, double kept, const T* g, T* m, T* d, Index count) { \
    HWY_DYNAMIC_DISPATCH(averages_##NAME)(seen, kept, g, m, d, count);               \
  }                                                                                  \
  void rms_row(double beta, double eps, T* v, T* d, Index count) {                   \
    HWY_DYNAMIC_DISPATCH(rms_##NAME)(beta, eps, v, d, count);                        \
  }
MUONFLOW_EXPORT(float, float)
MUONFLOW_EXPORT(double, double)
#undef MUONFLOW_EXPORT

}  // namespace detail

template <class T>
void momentum_step(const Momentum& by, const ConstMatrixRef<T>& g, MatrixRef<T> m, MatrixRef<T> d) {
  detail::check_same("momentum", g, m);
  detail::check_same("step of momentum", g, d);
  detail::walk(
      [&](Index count, Index i) {
        detail::momentum_row(by, g.data() + i * g.outerStride(), m.data() + i * m.outerStride(),
                             d.data() + i * d.outerStride(), count);
      },
      g, m, d);
}

template <class T>
void adam_step(const AdamMoments& by, const ConstMatrixRef<T>& g, MatrixRef<T> m, MatrixRef<T> v,
               MatrixRef<T> d) {
  detail::check_same("first moment", g, m);
  detail::check_same("second moment", g, v);
  detail::check_same("step of both moments", g, d);
  detail::walk(
      [&](Index count, Index i) {
        detail::adam_row(by, g.data() + i * g.outerStride(), m.data() + i * m.outerStride(),
                         v.data() + i * v.outerStride(), d.data() + i * d.outerStride(), count);
      },
      g, m, v, d);
}

template <class T>
void two_averages(double seen, double kept, const ConstMatrixRef<T>& g, MatrixRef<T> m,
                  MatrixRef<T> d) {
  detail::check_same("average", g, m);
  detail::check_same("step of an average", g, d);
  detail::walk(
      [&](Index count, Index i) {
        detail::averages_row(seen, kept, g.data() + i * g.outerStride(),
                             m.data() + i * m.outerStride(), d.data() + i * d.outerStride(), count);
      },
      g, m, d);
}

template <class T>
void rms_step(double beta, double eps, MatrixRef<T> v, MatrixRef<T> d) {
  detail::check_same("second moment", d, v);
  detail::walk(
      [&](Index count, Index i) {
        detail::rms_row(beta, eps, v.data() + i * v.outerStride(), d.data() + i * d.outerStride(),
                        count);
      },
      v, d);
}

#define MUONFLOW_INSTANTIATE(T)                                                           \
  template void momentum_step<T>(const Momentum&, const ConstMatrixRef<T>&, MatrixRef<T>, \
                                 MatrixRef<T>);                                           \
  template void adam_step<T>(const AdamMoments&, const ConstMatrixRef<T>&, MatrixRef<T>,  \
                             MatrixRef<T>, MatrixRef<T>);                                 \
  template void two_averages<T>(double, double, const ConstMatrixRef<T>&, MatrixRef<T>,   \
                                MatrixRef<T>);                                            \
  template void rms_step<T>(double, double, MatrixRef<T>, MatrixRef<T>);
MUONFLOW_INSTANTIATE(float)
MUONFLOW_INSTANTIATE(double)
#undef MUONFLOW_INSTANTIATE

}  // namespace muonflow::linalg
#endif  // HWY_ONCE

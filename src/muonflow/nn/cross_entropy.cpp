#include "muonflow/nn/cross_entropy.hpp"

#include <cmath>
#include <limits>

#include "muonflow/core/parallel.hpp"
#include "muonflow/linalg/simd_targets.hpp"
#include "muonflow/nn/detail/check.hpp"
#include "muonflow/nn/detail/row_cuts.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "muonflow/nn/cross_entropy.cpp"
#include <hwy/foreach_target.h>
// After foreach_target:
#include "muonflow/nn/detail/choose_target.hpp"
#include "muonflow/nn/detail/simd-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace muonflow::nn::detail::HWY_NAMESPACE {
namespace {

// log(sum exp) of one row; NaN comes out as NaN.
template <class T>
double log_sum_exp(const T* row, Index size) {
  const Tag<T> d;
  constexpr T kLowest = -std::numeric_limits<T>::infinity();
  auto largest = hn::Set(d, kLowest);
  for (Index i = 0; i < size; i += lanes<T>()) {
    largest = hn::Max(largest, load<T>(row + i, size - i, kLowest));
  }
  const T top = max_of<T>(largest);
  const auto shift = hn::Set(d, top);
  auto sum = hn::Zero(d);
  for (Index i = 0; i < size; i += lanes<T>()) {
    sum = hn::Add(sum, exp_of<T>(hn::Sub(load<T>(row + i, size - i, kLowest), shift)));
  }
  return static_cast<double>(top) + std::log(static_cast<double>(sum_of<T>(sum)));
}

// row <- scale * exp(row - lse)
template <class T>
void scaled_softmax(T* row, Index size, T lse, T scale) {
  const Tag<T> d;
  for (Index i = 0; i < size; i += lanes<T>()) {
    const auto p = exp_of<T>(hn::Sub(load<T>(row + i, size - i), hn::Set(d, lse)));
    store<T>(hn::Mul(p, hn::Set(d, scale)), row + i, size - i);
  }
}

double log_sum_exp_float(const float* row, Index size) { return log_sum_exp<float>(row, size); }
double log_sum_exp_double(const double* row, Index size) { return log_sum_exp<double>(row, size); }
void scaled_softmax_float(float* row, Index size, float lse, float scale) {
  scaled_softmax<float>(row, size, lse, scale);
}
void scaled_softmax_double(double* row, Index size, double lse, double scale) {
  scaled_softmax<double>(row, size, lse, scale);
}

}  // namespace
}  // namespace muonflow::nn::detail::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace muonflow::nn {
namespace detail {
namespace {

HWY_EXPORT(log_sum_exp_float);
HWY_EXPORT(log_sum_exp_double);
HWY_EXPORT(scaled_softmax_float);
HWY_EXPORT(scaled_softmax_double);

auto log_sum_exp_for(float) { return HWY_DYNAMIC_DISPATCH(log_sum_exp_float); }
auto log_sum_exp_for(double) { return HWY_DYNAMIC_DISPATCH(log_sum_exp_double); }
auto scaled_softmax_for(float) { return HWY_DYNAMIC_DISPATCH(scaled_softmax_float); }
auto scaled_softmax_for(double) { return HWY_DYNAMIC_DISPATCH(scaled_softmax_double); }

}  // namespace
}  // namespace detail

template <class T>
double cross_entropy_forward(const ConstMatrixRef<T>& logits, std::span<const std::int32_t> targets,
                             std::span<T> lse, std::span<double> losses) {
  const Index rows = logits.rows();
  detail::check_size("cross entropy", "targets", targets, rows);
  detail::check_size("cross entropy", "lse", lse, rows);
  detail::check_size("cross entropy", "losses", losses, rows);
  detail::choose_target();
  const auto log_sum = detail::log_sum_exp_for(T());
  parallel_for(rows, detail::row_grain(logits.cols()), [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      const auto at = static_cast<std::size_t>(i);
      const double value = log_sum(logits.data() + i * logits.outerStride(), logits.cols());
      lse[at] = static_cast<T>(value);
      losses[at] = value - static_cast<double>(logits(i, targets[at]));
    }
  });
  double sum = 0;
  for (const double loss : losses) sum += loss;
  return sum / static_cast<double>(rows);
}

template <class T>
void cross_entropy_backward(MatrixRef<T> logits, std::span<const std::int32_t> targets,
                            std::span<const T> lse, T scale) {
  const Index rows = logits.rows();
  detail::check_size("cross entropy", "targets", targets, rows);
  detail::check_size("cross entropy", "lse", lse, rows);
  const T each = scale / static_cast<T>(rows);
  detail::choose_target();
  const auto softmax = detail::scaled_softmax_for(T());
  parallel_for(rows, detail::row_grain(logits.cols()), [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      const auto at = static_cast<std::size_t>(i);
      softmax(logits.data() + i * logits.outerStride(), logits.cols(), lse[at], each);
      logits(i, targets[at]) -= each;
    }
  });
}

#define MUONFLOW_INSTANTIATE(T)                                                                  \
  template double cross_entropy_forward<T>(                                                      \
      const ConstMatrixRef<T>&, std::span<const std::int32_t>, std::span<T>, std::span<double>); \
  template void cross_entropy_backward<T>(MatrixRef<T>, std::span<const std::int32_t>,           \
                                          std::span<const T>, T);
MUONFLOW_INSTANTIATE(float)
MUONFLOW_INSTANTIATE(double)
#undef MUONFLOW_INSTANTIATE

}  // namespace muonflow::nn
#endif  // HWY_ONCE

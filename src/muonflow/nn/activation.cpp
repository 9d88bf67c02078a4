#include "muonflow/nn/activation.hpp"

#include <cmath>
#include <numbers>

#include "muonflow/core/parallel.hpp"
#include "muonflow/linalg/simd_targets.hpp"
#include "muonflow/nn/detail/check.hpp"
#include "muonflow/nn/detail/row_cuts.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "muonflow/nn/activation.cpp"
#include <hwy/foreach_target.h>
// After foreach_target:
#include "muonflow/nn/detail/choose_target.hpp"
#include "muonflow/nn/detail/simd-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace muonflow::nn::detail::HWY_NAMESPACE {
namespace {

// The activation and its derivative at x; whichever the caller drops is not computed.
template <class T>
struct Value {
  Vec<T> value, slope;
};

// With u = sqrt(2/pi) (x + 0.044715 x^3): 0.5 (1 + tanh u) = s = 1 / (1 + e^(-2u)), and the
// derivative is s + x s (1 - s) 2u'. Both s and 1 - s come from e^(-2|u|) <= 1, so that neither
// cancels nor overflows.
template <class T>
HWY_INLINE Value<T> gelu_tanh(Vec<T> x) {
  constexpr double kTwice = 2 * 0.79788456080286535588;  // 2 sqrt(2/pi)
  const auto square = hn::Mul(x, x);
  const auto one = set<T>(1);
  const auto u2 = hn::Mul(x, hn::MulAdd(square, set<T>(kTwice * 0.044715), set<T>(kTwice)));
  const auto e = exp_of<T>(hn::Neg(hn::Abs(u2)));
  const auto large = hn::Div(one, hn::Add(one, e));
  const auto small = hn::Mul(e, large);
  const auto s = hn::IfThenElse(hn::Lt(x, set<T>(0)), small, large);
  const auto du2 = hn::MulAdd(square, set<T>(kTwice * 3 * 0.044715), set<T>(kTwice));
  return {hn::Mul(x, s), hn::MulAdd(hn::Mul(hn::Mul(x, small), large), du2, s)};
}

// With a = |x|: Phi(-a) = phi(a) m(a), m the Mills ratio, here t P(t) with t = 1 / (1 + 0.3 a); P
// is a least-squares fit of degree 9, reweighted to equal ripples (relative error 3.5e-9 up to a =
// 14). The derivative is Phi(x) + x phi(x).
HWY_INLINE Value<float> gelu_erf(Vec<float> x) {
  constexpr double kMills[] = {0.300010041,  0.299722077, 0.27631934,   0.196493197, 0.241030956,
                               -0.199088044, 0.480736032, -0.572049303, 0.281835416, -0.0516955791};
  const auto one = set<float>(1);
  const auto density = hn::Mul(exp_of<float>(hn::Mul(hn::Mul(x, x), set<float>(-0.5))),
                               set<float>(0.39894228040143267794));  // 1 / sqrt(2 pi)
  const auto t = hn::Div(one, hn::MulAdd(hn::Abs(x), set<float>(0.3), one));
  auto mills = set<float>(kMills[9]);
  HWY_UNROLL(16)
  for (int k = 8; k >= 0; --k) mills = hn::MulAdd(mills, t, set<float>(kMills[k]));
  const auto tail = hn::Mul(hn::Mul(density, t), mills);
  const auto phi = hn::IfThenElse(hn::Lt(x, set<float>(0)), tail, hn::Sub(one, tail));
  return {hn::Mul(x, phi), hn::MulAdd(x, density, phi)};
}

template <class T>
HWY_INLINE Value<T> evaluate(Activation kind, Vec<T> x) {
  if constexpr (sizeof(T) == 4) {
    if (kind == Activation::gelu_erf) return gelu_erf(x);
  }
  return gelu_tanh<T>(x);
}

template <class T>
void forward_loop(Activation kind, const T* x, T* y, Index count) {
  for (Index i = 0; i < count; i += lanes<T>()) {
    store<T>(evaluate<T>(kind, load<T>(x + i, count - i)).value, y + i, count - i);
  }
}

template <class T>
void backward_loop(Activation kind, const T* x, T* gradient, Index count) {
  for (Index i = 0; i < count; i += lanes<T>()) {
    const auto slope = evaluate<T>(kind, load<T>(x + i, count - i)).slope;
    store<T>(hn::Mul(load<T>(gradient + i, count - i), slope), gradient + i, count - i);
  }
}

void forward_float(Activation kind, const float* x, float* y, Index count) {
  forward_loop<float>(kind, x, y, count);
}
void forward_double(Activation kind, const double* x, double* y, Index count) {
  forward_loop<double>(kind, x, y, count);
}
void backward_float(Activation kind, const float* x, float* gradient, Index count) {
  backward_loop<float>(kind, x, gradient, count);
}
void backward_double(Activation kind, const double* x, double* gradient, Index count) {
  backward_loop<double>(kind, x, gradient, count);
}

}  // namespace
}  // namespace muonflow::nn::detail::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace muonflow::nn {
namespace detail {
namespace {

HWY_EXPORT(forward_float);
HWY_EXPORT(forward_double);
HWY_EXPORT(backward_float);
HWY_EXPORT(backward_double);

// The error function in double comes from the standard library: no one trains in double.
double normal_cdf(double x) { return 0.5 * std::erfc(-x * std::numbers::sqrt2 / 2); }
double normal_density(double x) {
  return std::exp(-0.5 * x * x) * (std::numbers::inv_sqrtpi / std::numbers::sqrt2);
}

void erf_forward_double(Activation, const double* x, double* y, Index count) {
  for (Index i = 0; i < count; ++i) y[i] = x[i] * normal_cdf(x[i]);
}
void erf_backward_double(Activation, const double* x, double* gradient, Index count) {
  for (Index i = 0; i < count; ++i) {
    gradient[i] *= normal_cdf(x[i]) + x[i] * normal_density(x[i]);
  }
}

// The loop over one row.
template <class T>
using RowLoop = void (*)(Activation, const T*, T*, Index);

RowLoop<float> forward_for(Activation, float) { return HWY_DYNAMIC_DISPATCH(forward_float); }
RowLoop<double> forward_for(Activation kind, double) {
  return kind == Activation::gelu_erf ? erf_forward_double : HWY_DYNAMIC_DISPATCH(forward_double);
}
RowLoop<float> backward_for(Activation, float) { return HWY_DYNAMIC_DISPATCH(backward_float); }
RowLoop<double> backward_for(Activation kind, double) {
  return kind == Activation::gelu_erf ? erf_backward_double : HWY_DYNAMIC_DISPATCH(backward_double);
}

template <class T>
void for_rows(RowLoop<T> loop, Activation kind, const ConstMatrixRef<T>& x, MatrixRef<T> out) {
  check_shape("activation", "output", out, x.rows(), x.cols());
  parallel_for(x.rows(), row_grain(x.cols()), [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      loop(kind, x.data() + i * x.outerStride(), out.data() + i * out.outerStride(), x.cols());
    }
  });
}

}  // namespace
}  // namespace detail

template <class T>
void activation_forward(Activation kind, const ConstMatrixRef<T>& x, MatrixRef<T> y) {
  detail::choose_target();
  detail::for_rows<T>(detail::forward_for(kind, T()), kind, x, y);
}

template <class T>
void activation_backward(Activation kind, const ConstMatrixRef<T>& x, MatrixRef<T> gradient) {
  detail::choose_target();
  detail::for_rows<T>(detail::backward_for(kind, T()), kind, x, gradient);
}

template void activation_forward<float>(Activation, const ConstMatrixRef<float>&, MatrixRef<float>);
template void activation_forward<double>(Activation, const ConstMatrixRef<double>&,
                                         MatrixRef<double>);
template void activation_backward<float>(Activation, const ConstMatrixRef<float>&,
                                         MatrixRef<float>);
template void activation_backward<double>(Activation, const ConstMatrixRef<double>&,
                                          MatrixRef<double>);

}  // namespace muonflow::nn
#endif  // HWY_ONCE

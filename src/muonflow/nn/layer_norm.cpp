#include "muonflow/nn/layer_norm.hpp"

#include <algorithm>
#include <cmath>

#include "muonflow/core/parallel.hpp"
#include "muonflow/linalg/simd_targets.hpp"
#include "muonflow/nn/buffer.hpp"
#include "muonflow/nn/detail/check.hpp"
#include "muonflow/nn/detail/row_cuts.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "muonflow/nn/layer_norm.cpp"
#include <hwy/foreach_target.h>
// After foreach_target:
#include "muonflow/nn/detail/choose_target.hpp"
#include "muonflow/nn/detail/simd-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace muonflow::nn::detail::HWY_NAMESPACE {
namespace {

// One row: y = (x - mean) * reciprocal * gain + bias. The variance is summed about the mean, so a
// large common offset costs no accuracy.
template <class T>
void forward_row(const T* x, const T* gain, const T* bias, Index size, T* y, T* mean,
                 T* reciprocal) {
  const Tag<T> d;
  const T per_element = T(1) / static_cast<T>(size);
  auto sum = hn::Zero(d);
  for (Index i = 0; i < size; i += lanes<T>()) sum = hn::Add(sum, load<T>(x + i, size - i));
  *mean = sum_of<T>(sum) * per_element;
  const auto center = hn::Set(d, *mean);
  auto squares = hn::Zero(d);
  for (Index i = 0; i < size; i += lanes<T>()) {
    const auto off = hn::Sub(load<T>(x + i, size - i, *mean), center);
    squares = hn::MulAdd(off, off, squares);
  }
  const T variance = sum_of<T>(squares) * per_element;
  *reciprocal = T(1) / std::sqrt(variance + static_cast<T>(kLayerNormEps));
  const auto scale = hn::Set(d, *reciprocal);
  for (Index i = 0; i < size; i += lanes<T>()) {
    const Index left = size - i;
    const auto normalized = hn::Mul(hn::Sub(load<T>(x + i, left), center), scale);
    const auto offset = bias ? load<T>(bias + i, left) : hn::Zero(d);
    store<T>(hn::MulAdd(normalized, load<T>(gain + i, left), offset), y + i, left);
  }
}

// One row. With g = dy * gain and z the normalized row:
//   dx += reciprocal (g - mean(g) - z mean(g z)),   dgain += dy z,   dbias += dy
template <class T>
void backward_row(const T* x, const T* gain, T mean, T reciprocal, const T* dy, Index size, T* dx,
                  T* dgain, T* dbias) {
  const Tag<T> d;
  const auto center = hn::Set(d, mean);
  const auto scale = hn::Set(d, reciprocal);
  auto sum_g = hn::Zero(d);
  auto sum_gz = hn::Zero(d);
  for (Index i = 0; i < size; i += lanes<T>()) {
    const Index left = size - i;
    const auto z = hn::Mul(hn::Sub(load<T>(x + i, left), center), scale);
    const auto slope = load<T>(dy + i, left);
    const auto g = hn::Mul(slope, load<T>(gain + i, left));
    sum_g = hn::Add(sum_g, g);
    sum_gz = hn::MulAdd(g, z, sum_gz);
    store<T>(hn::MulAdd(slope, z, load<T>(dgain + i, left)), dgain + i, left);
    store<T>(hn::Add(slope, load<T>(dbias + i, left)), dbias + i, left);
  }
  const T per_element = T(1) / static_cast<T>(size);
  const auto mean_g = hn::Set(d, sum_of<T>(sum_g) * per_element);
  const auto mean_gz = hn::Set(d, sum_of<T>(sum_gz) * per_element);
  for (Index i = 0; i < size; i += lanes<T>()) {
    const Index left = size - i;
    const auto z = hn::Mul(hn::Sub(load<T>(x + i, left), center), scale);
    const auto g = hn::Mul(load<T>(dy + i, left), load<T>(gain + i, left));
    const auto inner = hn::NegMulAdd(z, mean_gz, hn::Sub(g, mean_g));
    store<T>(hn::MulAdd(inner, scale, load<T>(dx + i, left)), dx + i, left);
  }
}

void forward_float(const float* x, const float* gain, const float* bias, Index size, float* y,
                   float* mean, float* reciprocal) {
  forward_row<float>(x, gain, bias, size, y, mean, reciprocal);
}
void forward_double(const double* x, const double* gain, const double* bias, Index size, double* y,
                    double* mean, double* reciprocal) {
  forward_row<double>(x, gain, bias, size, y, mean, reciprocal);
}
void backward_float(const float* x, const float* gain, float mean, float reciprocal,
                    const float* dy, Index size, float* dx, float* dgain, float* dbias) {
  backward_row<float>(x, gain, mean, reciprocal, dy, size, dx, dgain, dbias);
}
void backward_double(const double* x, const double* gain, double mean, double reciprocal,
                     const double* dy, Index size, double* dx, double* dgain, double* dbias) {
  backward_row<double>(x, gain, mean, reciprocal, dy, size, dx, dgain, dbias);
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

auto forward_for(float) { return HWY_DYNAMIC_DISPATCH(forward_float); }
auto forward_for(double) { return HWY_DYNAMIC_DISPATCH(forward_double); }
auto backward_for(float) { return HWY_DYNAMIC_DISPATCH(backward_float); }
auto backward_for(double) { return HWY_DYNAMIC_DISPATCH(backward_double); }

}  // namespace
}  // namespace detail

template <class T>
void layer_norm_forward(const ConstMatrixRef<T>& x, std::span<const T> gain,
                        std::span<const T> bias, MatrixRef<T> y, std::span<T> mean,
                        std::span<T> reciprocal) {
  detail::check_shape("layer norm", "y", y, x.rows(), x.cols());
  detail::check_size("layer norm", "gain", gain, x.cols());
  if (!bias.empty()) detail::check_size("layer norm", "bias", bias, x.cols());
  detail::check_size("layer norm", "mean", mean, x.rows());
  detail::check_size("layer norm", "reciprocal", reciprocal, x.rows());
  detail::choose_target();
  const auto row = detail::forward_for(T());
  parallel_for(x.rows(), detail::row_grain(x.cols()), [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      row(x.data() + i * x.outerStride(), gain.data(), bias.empty() ? nullptr : bias.data(),
          x.cols(), y.data() + i * y.outerStride(), &mean[static_cast<std::size_t>(i)],
          &reciprocal[static_cast<std::size_t>(i)]);
    }
  });
}

template <class T>
void layer_norm_backward(const ConstMatrixRef<T>& x, std::span<const T> gain,
                         std::span<const T> mean, std::span<const T> reciprocal,
                         const ConstMatrixRef<T>& dy, MatrixRef<T> dx, std::span<T> dgain,
                         std::span<T> dbias) {
  const Index rows = x.rows();
  const Index cols = x.cols();
  detail::check_shape("layer norm", "dy", dy, rows, cols);
  detail::check_shape("layer norm", "dx", dx, rows, cols);
  detail::check_size("layer norm", "gain", gain, cols);
  detail::check_size("layer norm", "dgain", dgain, cols);
  if (!dbias.empty()) detail::check_size("layer norm", "dbias", dbias, cols);
  detail::check_size("layer norm", "mean", mean, rows);
  detail::check_size("layer norm", "reciprocal", reciprocal, rows);

  const Index parts = detail::row_parts(rows);
  thread_local Buffer<double> totals_memory;  // the calling thread's, kept between calls
  thread_local Buffer<T> runs_memory;
  totals_memory.reserve(parts * 2 * cols);
  runs_memory.reserve(parts * 2 * cols);
  auto totals = totals_memory.matrix(parts, 2 * cols);
  auto runs = runs_memory.matrix(parts, 2 * cols);
  detail::choose_target();
  const auto row = detail::backward_for(T());
  parallel_for(parts, 1, [&](Index first, Index last) {
    for (Index part = first; part < last; ++part) {
      totals.row(part).setZero();
      const Index end = rows * (part + 1) / parts;
      for (Index i = rows * part / parts; i < end;) {
        runs.row(part).setZero();
        T* const run = runs.row(part).data();
        for (const Index run_end = std::min(i + detail::kRowRun, end); i < run_end; ++i) {
          row(x.data() + i * x.outerStride(), gain.data(), mean[static_cast<std::size_t>(i)],
              reciprocal[static_cast<std::size_t>(i)], dy.data() + i * dy.outerStride(), cols,
              dx.data() + i * dx.outerStride(), run, run + cols);
        }
        totals.row(part) += runs.row(part).template cast<double>();
      }
    }
  });
  for (Index j = 0; j < cols; ++j) {
    const auto at = static_cast<std::size_t>(j);
    dgain[at] = static_cast<T>(static_cast<double>(dgain[at]) + totals.col(j).sum());
    if (!dbias.empty()) {
      dbias[at] = static_cast<T>(static_cast<double>(dbias[at]) + totals.col(cols + j).sum());
    }
  }
}

#define MUONFLOW_INSTANTIATE(T)                                                             \
  template void layer_norm_forward<T>(const ConstMatrixRef<T>&, std::span<const T>,         \
                                      std::span<const T>, MatrixRef<T>, std::span<T>,       \
                                      std::span<T>);                                        \
  template void layer_norm_backward<T>(                                                     \
      const ConstMatrixRef<T>&, std::span<const T>, std::span<const T>, std::span<const T>, \
      const ConstMatrixRef<T>&, MatrixRef<T>, std::span<T>, std::span<T>);
MUONFLOW_INSTANTIATE(float)
MUONFLOW_INSTANTIATE(double)
#undef MUONFLOW_INSTANTIATE

}  // namespace muonflow::nn
#endif  // HWY_ONCE

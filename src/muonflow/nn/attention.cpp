#include "muonflow/nn/attention.hpp"

#include "muonflow/core/parallel.hpp"
#include "muonflow/nn/detail/attention_head.hpp"
#include "muonflow/nn/detail/check.hpp"

namespace muonflow::nn {
namespace {

template <class T>
void check(const AttentionShape& shape, const ConstMatrixRef<T>& qkv) {
  if (shape.batch < 1 || shape.time < 1 || shape.heads < 1 || qkv.cols() % (3 * shape.heads) != 0) {
    throw ShapeError({.place = "attention",
                      .what = "columns of q, k, v",
                      .expected = "3 * heads * size of a head, batch, time and heads at least 1",
                      .found = std::to_string(qkv.cols()) + " for " + std::to_string(shape.heads) +
                               " heads, batch " + std::to_string(shape.batch) + ", time " +
                               std::to_string(shape.time)});
  }
  detail::check_shape("attention", "q, k, v", qkv, shape.batch * shape.time, qkv.cols());
}

}  // namespace

template <class T>
void attention_forward(const AttentionShape& shape, const ConstMatrixRef<T>& qkv, MatrixRef<T> y,
                       std::span<T> lse, std::span<T> peaks) {
  check<T>(shape, qkv);
  const Index width = qkv.cols() / 3;
  detail::check_shape("attention", "y", y, qkv.rows(), width);
  detail::check_size("attention", "lse", lse, shape.heads * qkv.rows());
  if (!peaks.empty()) {
    detail::check_size("attention", "peaks", peaks, shape.batch * shape.heads);
  }
  const Index size = width / shape.heads;
  parallel_tasks(shape.batch * shape.heads, [&](Index task) {
    const Index row = task / shape.heads * shape.time;
    const Index column = task % shape.heads * size;
    const T* const q = qkv.data() + row * qkv.outerStride() + column;
    const Index step = qkv.outerStride();
    detail::run_head(
        detail::HeadForward<T>{.time = shape.time,
                               .size = size,
                               .q = {q, step},
                               .k = {q + width, step},
                               .v = {q + 2 * width, step},
                               .y = {y.data() + row * y.outerStride() + column, y.outerStride()},
                               .lse = lse.data() + task * shape.time,
                               .peak = peaks.empty() ? nullptr : peaks.data() + task});
  });
}

template <class T>
void attention_backward(const AttentionShape& shape, const ConstMatrixRef<T>& qkv,
                        const ConstMatrixRef<T>& y, std::span<const T> lse,
                        const ConstMatrixRef<T>& dy, MatrixRef<T> dqkv) {
  check<T>(shape, qkv);
  const Index width = qkv.cols() / 3;
  detail::check_shape("attention", "y", y, qkv.rows(), width);
  detail::check_shape("attention", "dy", dy, qkv.rows(), width);
  detail::check_shape("attention", "dqkv", dqkv, qkv.rows(), qkv.cols());
  detail::check_size("attention", "lse", lse, shape.heads * qkv.rows());
  const Index size = width / shape.heads;
  parallel_tasks(shape.batch * shape.heads, [&](Index task) {
    const Index row = task / shape.heads * shape.time;
    const Index column = task % shape.heads * size;
    const Index step = qkv.outerStride();
    const Index dstep = dqkv.outerStride();
    const T* const q = qkv.data() + row * step + column;
    T* const dq = dqkv.data() + row * dstep + column;
    detail::run_head(detail::HeadBackward<T>{
        .time = shape.time,
        .size = size,
        .q = {q, step},
        .k = {q + width, step},
        .v = {q + 2 * width, step},
        .y = {y.data() + row * y.outerStride() + column, y.outerStride()},
        .dy = {dy.data() + row * dy.outerStride() + column, dy.outerStride()},
        .lse = lse.data() + task * shape.time,
        .dq = {dq, dstep},
        .dk = {dq + width, dstep},
        .dv = {dq + 2 * width, dstep}});
  });
}

#define MUONFLOW_INSTANTIATE(T)                                                        \
  template void attention_forward<T>(const AttentionShape&, const ConstMatrixRef<T>&,  \
                                     MatrixRef<T>, std::span<T>, std::span<T>);        \
  template void attention_backward<T>(const AttentionShape&, const ConstMatrixRef<T>&, \
                                      const ConstMatrixRef<T>&, std::span<const T>,    \
                                      const ConstMatrixRef<T>&, MatrixRef<T>);
MUONFLOW_INSTANTIATE(float)
MUONFLOW_INSTANTIATE(double)
#undef MUONFLOW_INSTANTIATE

}  // namespace muonflow::nn

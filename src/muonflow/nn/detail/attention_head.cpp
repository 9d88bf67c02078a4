#include "muonflow/nn/detail/attention_head.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "muonflow/linalg/simd_targets.hpp"
#include "muonflow/nn/buffer.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "muonflow/nn/detail/attention_head.cpp"
#include <hwy/foreach_target.h>
// After foreach_target:
#include "muonflow/nn/detail/block_product-inl.hpp"
#include "muonflow/nn/detail/head_packing-inl.hpp"

// Scores are kept transposed, keys as rows and queries as vector lanes, so that a query's maximum
// and sum run down the rows of a block and never across the lanes of a vector.

HWY_BEFORE_NAMESPACE();
namespace muonflow::nn::detail::HWY_NAMESPACE {
namespace {

// The lanes of a diagonal block that a query may not see: key row > query lane.
template <class T>
HWY_INLINE Vec<T> mask_future(Vec<T> score, Index key, Index lane) {
  const Tag<T> d;
  const auto query = hn::Iota(d, static_cast<T>(lane));
  const auto never = hn::Set(d, -std::numeric_limits<T>::infinity());
  return hn::IfThenElse(hn::Lt(query, hn::Set(d, static_cast<T>(key))), never, score);
}

// What a block of up to 64 queries and one of up to 64 keys have in common.
struct Pair {
  Index keys;   // rows of the score block, a multiple of kRowPad
  Index lanes;  // its columns (queries), a multiple of kColumnPad
  bool diagonal;

  Cut cut(Cut on_diagonal) const { return diagonal ? on_diagonal : Cut::none; }
  // Rows that matter to the lanes [j, j + n): on the diagonal only keys up to the last of them, as
  // finely as products are cut.
  Index keys_of(Index j, Index n) const {
    return diagonal ? std::min(keys, round_up(j + n, kRowPad)) : keys;
  }
};

// Turns scores [keys, lanes] into exp(score - running maximum), updates the maximum and the running
// sum, and leaves in `shrink` the factor by which everything summed so far must be multiplied.
template <class T>
void softmax_block(const Pair& pair, T* scores, T* maximum, T* sum, T* shrink) {
  const Tag<T> d;
  for (Index j = 0; j < pair.lanes; j += lanes<T>()) {
    const auto before = hn::LoadU(d, maximum + j);
    const Index keys = pair.keys_of(j, lanes<T>());
    auto top = before;
    for (Index i = 0; i < keys; ++i) {
      T* const at = scores + i * kBlock + j;
      auto score = hn::LoadU(d, at);
      if (pair.diagonal) {
        score = mask_future<T>(score, i, j);
        hn::StoreU(score, d, at);
      }
      top = hn::Max(top, score);
    }
    auto total = hn::Zero(d);
    for (Index i = 0; i < keys; ++i) {
      T* const at = scores + i * kBlock + j;
      const auto p = exp_of<T>(hn::Sub(hn::LoadU(d, at), top));
      total = hn::Add(total, p);
      hn::StoreU(p, d, at);
    }
    const auto factor = exp_of<T>(hn::Sub(before, top));
    hn::StoreU(factor, d, shrink + j);
    hn::StoreU(hn::MulAdd(hn::LoadU(d, sum + j), factor, total), d, sum + j);
    hn::StoreU(top, d, maximum + j);
  }
}

// rows of packed [count, width] *= factors [count]
template <class T>
void scale_rows(const Plan& plan, Index count, const T* factors, T* packed) {
  for (Index i = 0; i < count; ++i) {
    const auto factor = hn::Set(Tag<T>(), factors[i]);
    T* const row = packed + i * plan.width;
    for (Index j = 0; j < plan.width; j += lanes<T>()) {
      hn::StoreU(hn::Mul(hn::LoadU(Tag<T>(), row + j), factor), Tag<T>(), row + j);
    }
  }
}

template <class T>
Index forward_scratch(Index time, Index size) {
  const Plan plan(time, size);
  return 2 * plan.rows * plan.width + 3 * kBlock * plan.width + kBlock * kBlock + 3 * kBlock;
}

template <class T>
void forward_head(const HeadForward<T>& head, T* scratch) {
  const Plan plan(head.time, head.size);
  Arena<T> arena{scratch};
  T* const k = arena.take(plan.rows * plan.width);
  T* const v = arena.take(plan.rows * plan.width);
  T* const q = arena.take(kBlock * plan.width);
  T* const y = arena.take(kBlock * plan.width);
  T* const scores = arena.take(kBlock * kBlock);
  T* const q_transposed = arena.take(kBlock * plan.width);
  T* const maximum = arena.take(kBlock);
  T* const sum = arena.take(kBlock);
  T* const shrink = arena.take(kBlock);
  const T scale = T(1) / std::sqrt(static_cast<T>(plan.size));
  pack_rows<T>(plan, head.k, 0, plan.rows, T(1), k);
  pack_rows<T>(plan, head.v, 0, plan.rows, T(1), v);
  T peak = -std::numeric_limits<T>::infinity();

  for (Index first = 0; first < plan.time; first += kBlock) {
    const Index queries = std::min(kBlock, plan.time - first);
    const Index query_rows = round_up(queries, kRowPad);
    const Index query_lanes = round_up(queries, kColumnPad);
    pack_rows<T>(plan, head.q, first, query_rows, scale, q);
    transpose_packed<T>(plan, q, query_rows, query_lanes, q_transposed);
    std::fill_n(maximum, kBlock, -std::numeric_limits<T>::infinity());
    std::fill_n(sum, kBlock, T(0));
    for (Index key = 0; key <= first; key += kBlock) {
      const Pair pair{key == first ? query_rows : kBlock, query_lanes, key == first};
      const T* const k_block = k + key * plan.width;
      const T* const v_block = v + key * plan.width;
      block_product<T>(pair.cut(Cut::columns_from_row), pair.keys, pair.lanes, plan.size,
                       {k_block, plan.width, 1}, q_transposed, kBlock, scores, kBlock, false);
      softmax_block<T>(pair, scores, maximum, sum, shrink);
      if (key > 0) scale_rows<T>(plan, query_rows, shrink, y);
      block_product<T>(pair.cut(Cut::depth_to_row), query_rows, plan.width, pair.keys,
                       {scores, 1, kBlock}, v_block, plan.width, y, plan.width, key > 0);
    }
    for (Index i = 0; i < queries; ++i) {
      head.lse[first + i] = maximum[i] + std::log(sum[i]);
      shrink[i] = T(1) / sum[i];
    }
    // The lanes beyond are padding: zeros that no score is compared with.
    if (head.peak) peak = std::max(peak, *std::max_element(maximum, maximum + queries));
    scale_rows<T>(plan, queries, shrink, y);
    unpack_rows<T>(plan, y, first, queries, T(1), head.y);
  }
  if (head.peak) *head.peak = peak;
}

// probabilities p = exp(score - lse) in place of the scores, and ds = p (dp - inner) in place of
// dp, where inner is the sum over keys of p dp.
template <class T>
void softmax_gradient_block(const Pair& pair, const T* lse, const T* inner, T* scores, T* dp) {
  const Tag<T> d;
  for (Index j = 0; j < pair.lanes; j += lanes<T>()) {
    const auto shift = hn::LoadU(d, lse + j);
    const auto mean = hn::LoadU(d, inner + j);
    const Index keys = pair.keys_of(j, lanes<T>());
    for (Index i = 0; i < keys; ++i) {
      T* const at = scores + i * kBlock + j;
      T* const slope = dp + i * kBlock + j;
      auto score = hn::LoadU(d, at);
      if (pair.diagonal) score = mask_future<T>(score, i, j);
      const auto p = exp_of<T>(hn::Sub(score, shift));
      hn::StoreU(p, d, at);
      hn::StoreU(hn::Mul(p, hn::Sub(hn::LoadU(d, slope), mean)), d, slope);
    }
  }
}

// inner[i] = <dy_i, y_i>, which equals the sum over keys of p dp; zeros beyond the time.
template <class T>
void inner_products(const Plan& plan, const HeadBackward<T>& head, Index first, T* lse, T* inner) {
  std::fill_n(inner, kBlock, T(0));
  std::fill_n(lse, kBlock, T(0));
  const Index count = std::min(kBlock, plan.time - first);
  for (Index i = 0; i < count; ++i) {
    const T* const y = head.y.at(first + i);
    const T* const dy = head.dy.at(first + i);
    auto sum = hn::Zero(Tag<T>());
    for (Index j = 0; j < plan.size; j += lanes<T>()) {
      sum = hn::MulAdd(load<T>(y + j, plan.size - j), load<T>(dy + j, plan.size - j), sum);
    }
    inner[i] = sum_of<T>(sum);
    lse[i] = head.lse[first + i];
  }
}

template <class T>
Index backward_scratch(Index time, Index size) {
  const Plan plan(time, size);
  return 4 * plan.rows * plan.width + 5 * kBlock * plan.width + 2 * kBlock * kBlock + 2 * kBlock;
}

template <class T>
void backward_head(const HeadBackward<T>& head, T* scratch) {
  const Plan plan(head.time, head.size);
  Arena<T> arena{scratch};
  T* const k = arena.take(plan.rows * plan.width);
  T* const v = arena.take(plan.rows * plan.width);
  T* const dk = arena.take(plan.rows * plan.width);
  T* const dv = arena.take(plan.rows * plan.width);
  T* const q = arena.take(kBlock * plan.width);
  T* const dq = arena.take(kBlock * plan.width);
  T* const dy = arena.take(kBlock * plan.width);
  T* const scores = arena.take(kBlock * kBlock);
  T* const dp = arena.take(kBlock * kBlock);
  T* const q_transposed = arena.take(kBlock * plan.width);
  T* const dy_transposed = arena.take(kBlock * plan.width);
  T* const lse = arena.take(kBlock);
  T* const inner = arena.take(kBlock);
  const T scale = T(1) / std::sqrt(static_cast<T>(plan.size));
  pack_rows<T>(plan, head.k, 0, plan.rows, T(1), k);
  pack_rows<T>(plan, head.v, 0, plan.rows, T(1), v);
  std::fill_n(dk, plan.rows * plan.width, T(0));
  std::fill_n(dv, plan.rows * plan.width, T(0));

  for (Index first = 0; first < plan.time; first += kBlock) {
    const Index queries = std::min(kBlock, plan.time - first);
    const Index query_rows = round_up(queries, kRowPad);
    const Index query_lanes = round_up(queries, kColumnPad);
    pack_rows<T>(plan, head.q, first, query_rows, scale, q);
    pack_rows<T>(plan, head.dy, first, query_rows, T(1), dy);
    transpose_packed<T>(plan, q, query_rows, query_lanes, q_transposed);
    transpose_packed<T>(plan, dy, query_rows, query_lanes, dy_transposed);
    inner_products<T>(plan, head, first, lse, inner);
    for (Index key = 0; key <= first; key += kBlock) {
      const Pair pair{key == first ? query_rows : kBlock, query_lanes, key == first};
      const Index at = key * plan.width;
      block_product<T>(pair.cut(Cut::columns_from_row), pair.keys, pair.lanes, plan.size,
                       {k + at, plan.width, 1}, q_transposed, kBlock, scores, kBlock, false);
      block_product<T>(pair.cut(Cut::columns_from_row), pair.keys, pair.lanes, plan.size,
                       {v + at, plan.width, 1}, dy_transposed, kBlock, dp, kBlock, false);
      softmax_gradient_block<T>(pair, lse, inner, scores, dp);
      block_product<T>(pair.cut(Cut::depth_from_row), pair.keys, plan.width, query_rows,
                       {scores, kBlock, 1}, dy, plan.width, dv + at, plan.width, true);
      block_product<T>(pair.cut(Cut::depth_from_row), pair.keys, plan.width, query_rows,
                       {dp, kBlock, 1}, q, plan.width, dk + at, plan.width, true);
      block_product<T>(pair.cut(Cut::depth_to_row), query_rows, plan.width, pair.keys,
                       {dp, 1, kBlock}, k + at, plan.width, dq, plan.width, key > 0);
    }
    unpack_rows<T>(plan, dq, first, queries, scale, head.dq);
  }
  unpack_rows<T>(plan, dk, 0, plan.time, T(1), head.dk);  // q was packed with its scale
  unpack_rows<T>(plan, dv, 0, plan.time, T(1), head.dv);
}

void forward_float(const HeadForward<float>& head, float* scratch) {
  forward_head<float>(head, scratch);
}
void forward_double(const HeadForward<double>& head, double* scratch) {
  forward_head<double>(head, scratch);
}
void backward_float(const HeadBackward<float>& head, float* scratch) {
  backward_head<float>(head, scratch);
}
void backward_double(const HeadBackward<double>& head, double* scratch) {
  backward_head<double>(head, scratch);
}
Index scratch_size(Index time, Index size) {
  return std::max(forward_scratch<float>(time, size), backward_scratch<float>(time, size));
}

}  // namespace
}  // namespace muonflow::nn::detail::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace muonflow::nn::detail {
namespace {

HWY_EXPORT(forward_float);
HWY_EXPORT(forward_double);
HWY_EXPORT(backward_float);
HWY_EXPORT(backward_double);
HWY_EXPORT(scratch_size);

// Scratch of the calling thread, kept between calls.
template <class T>
T* scratch_for(Index time, Index size) {
  thread_local Buffer<T> memory;
  memory.reserve(HWY_DYNAMIC_DISPATCH(scratch_size)(time, size));
  return memory.data();
}

}  // namespace

void run_head(const HeadForward<float>& head) {
  HWY_DYNAMIC_DISPATCH(forward_float)(head, scratch_for<float>(head.time, head.size));
}
void run_head(const HeadForward<double>& head) {
  HWY_DYNAMIC_DISPATCH(forward_double)(head, scratch_for<double>(head.time, head.size));
}
void run_head(const HeadBackward<float>& head) {
  HWY_DYNAMIC_DISPATCH(backward_float)(head, scratch_for<float>(head.time, head.size));
}
void run_head(const HeadBackward<double>& head) {
  HWY_DYNAMIC_DISPATCH(backward_double)(head, scratch_for<double>(head.time, head.size));
}

}  // namespace muonflow::nn::detail
#endif  // HWY_ONCE

// QK-clip: attention logits that grow beyond a threshold are brought back through the weights of
// their query and key, a head at a time, after the step.
//
//   gamma_h = min(1, threshold / S_h),  S_h the largest logit of head h in this step
//   W_q rows of h <- gamma_h^balance W_q,  W_k rows of h <- gamma_h^(1 - balance) W_k
//
// so that the logits (W_q x)(W_k y) of head h shrink by gamma_h; biases are rows too and shrink
// with them. Where several query heads share a key (grouped queries), the key stays and the queries
// take the whole gamma_h, since what suits one head would change the others. Heads are rows
// [h head_size, (h + 1) head_size) from the part's first row on. Identity: threshold off, or
// S_h <= threshold.
//
// S_h is what the model saw before the step, so a head that grows is held near the threshold, a
// step late, not below it. In a training run `optimizer.qk_clip.threshold` is all there is to say:
// the trainer asks the model for its attention layers (train/trainer.hpp).
//
// References: Kimi K2, arXiv:2507.20534 (MuonClip), threshold 100, balance 1/2.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "muonflow/core/matrix.hpp"
#include "muonflow/optim/transforms/transform.hpp"

namespace muonflow::optim {

struct QkClip {
  static constexpr TransformInfo info{
      .name = "qk_clip",
      .summary = "heads whose logits exceed a bound are scaled down",
      .keys = "optimizer.qk_clip",
      .cite = "arXiv:2507.20534"};

  std::optional<double> threshold{};  // off: no clipping; the reference has 100
  double balance = 0.5;               // the query's share of the exponent

  void fields(FieldVisitor& v);
};

// Rows of a parameter that hold heads: all of wq, or the first third of a fused query, key, value.
struct HeadRows {
  std::string tensor{};
  Index first_row = 0;
};

// One attention layer, for the driver. `max_logits` is borrowed, one value a query head, and filled
// by the caller before each step; what is not above the threshold (a NaN neither) clips nothing.
struct AttentionLayer {
  std::vector<HeadRows> query{};  // weight and, if there is one, bias
  std::vector<HeadRows> key{};
  Index heads = 1;      // of queries
  Index key_heads = 1;  // a divisor of heads
  Index head_size = 0;
  std::span<const double> max_logits{};
};

// min(1, threshold / max_logit); 1 where the threshold is off.
double qk_gamma(const QkClip& options, double max_logit);
// Heads of queries that this scales.
Index clipped_heads(const QkClip& options, const AttentionLayer& layer);

// rows <- gamma^share rows, for each head; rows [heads * head_size, ..]. Query heads take their
// balance; the key of a layer without grouped queries the rest. Returns how many heads were scaled.
template <class T>
Index clip_query(const QkClip& options, const AttentionLayer& layer, MatrixRef<T> rows);
template <class T>
Index clip_key(const QkClip& options, const AttentionLayer& layer, MatrixRef<T> rows);

}  // namespace muonflow::optim

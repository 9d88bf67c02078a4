#include "muonflow/model/gpt.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "muonflow/core/error.hpp"
#include "muonflow/core/fans.hpp"
#include "muonflow/core/parallel.hpp"
#include "muonflow/core/rng.hpp"
#include "muonflow/nn/attention.hpp"
#include "muonflow/nn/cross_entropy.hpp"
#include "muonflow/nn/embedding.hpp"
#include "muonflow/nn/layer_norm.hpp"
#include "muonflow/nn/linear.hpp"

namespace muonflow::model {
namespace {

constexpr Index kRows = 64;  // of a task that passes over activations once

template <class T>
std::span<T> column(nn::Buffer<T>& buffer, Index count) {
  return {buffer.data(), static_cast<std::size_t>(count)};
}

}  // namespace

// ---- Parameters: nanoGPT's names in nanoGPT's order ----

template <class T>
Gpt<T>::Gpt(const GptOptions& options, const std::optional<GptOptions>& base)
    : options_(options), base_layers_(base ? base->n_layer : options.n_layer) {
  check_gpt_options(options);
  const Index C = options.n_embd;
  wte_ = add("transformer.wte.weight", {options.vocab_size, C}, Role::embedding);
  wpe_ = add("transformer.wpe.weight", {options.block_size, C}, Role::embedding);
  for (std::int64_t i = 0; i < options.n_layer; ++i) {
    const std::string h = "transformer.h." + std::to_string(i);
    LayerSlots layer;
    layer.ln_1 = add(h + ".ln_1.weight", {C}, Role::norm);
    layer.ln_1_bias = add_bias(h + ".ln_1.bias", C, Role::norm);
    layer.c_attn = add(h + ".attn.c_attn.weight", {3 * C, C}, Role::hidden);
    layer.c_attn_bias = add_bias(h + ".attn.c_attn.bias", 3 * C, Role::bias);
    layer.attn_proj = add(h + ".attn.c_proj.weight", {C, C}, Role::hidden);
    layer.attn_proj_bias = add_bias(h + ".attn.c_proj.bias", C, Role::bias);
    layer.ln_2 = add(h + ".ln_2.weight", {C}, Role::norm);
    layer.ln_2_bias = add_bias(h + ".ln_2.bias", C, Role::norm);
    layer.c_fc = add(h + ".mlp.c_fc.weight", {4 * C, C}, Role::hidden);
    layer.c_fc_bias = add_bias(h + ".mlp.c_fc.bias", 4 * C, Role::bias);
    layer.mlp_proj = add(h + ".mlp.c_proj.weight", {C, 4 * C}, Role::hidden);
    layer.mlp_proj_bias = add_bias(h + ".mlp.c_proj.bias", C, Role::bias);
    layers_.push_back(layer);
  }
  ln_f_ = add("transformer.ln_f.weight", {C}, Role::norm);
  ln_f_bias_ = add_bias("transformer.ln_f.bias", C, Role::norm);
  head_ = options.tied ? wte_ : add("lm_head.weight", {options.vocab_size, C}, Role::head);

  weights_.reserve(used_);
  gradients_.reserve(used_);
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    parameters_[i].weights = weights_.data() + offsets_[i];
    parameters_[i].gradient = gradients_.data() + offsets_[i];
  }
  kept_.resize(layers_.size());
  if (base) set_base(*base);
}

template <class T>
void Gpt<T>::set_base(const GptOptions& base) {
  check_gpt_options(base);
  const double width = static_cast<double>(options_.n_embd) / static_cast<double>(base.n_embd);
  const double depth = static_cast<double>(options_.n_layer) / static_cast<double>(base.n_layer);
  branch_ = 1 / depth;
  if (options_.tied) logit_ = 1 / width;
  for (auto& parameter : parameters_) {
    parameter.base_shape = parameter.shape;
    // Of tables and the head the columns are a width, of all others every size is.
    const bool rows_too = parameter.role != Role::embedding && parameter.role != Role::head;
    for (std::size_t i = rows_too ? 0 : 1; i < parameter.shape.size(); ++i) {
      parameter.base_shape[i] = parameter.shape[i] / options_.n_embd * base.n_embd;
    }
    if (parameter.name.starts_with("transformer.h.")) parameter.depth_ratio = depth;
  }
}

template <class T>
auto Gpt<T>::add(const std::string& name, const Shape& shape, Role role) -> Slot {
  constexpr Index kAligned = 16;  // every tensor starts on a cache line
  const Slot slot{used_, shape[0], shape.size() > 1 ? shape[1] : 1};
  parameters_.push_back({.name = name, .shape = shape, .role = role});
  offsets_.push_back(used_);
  used_ += (slot.rows * slot.cols + kAligned - 1) / kAligned * kAligned;
  return slot;
}

template <class T>
auto Gpt<T>::add_bias(const std::string& name, Index size, Role role) -> Slot {
  return options_.bias ? add(name, {size}, role) : Slot{};
}

template <class T>
std::int64_t Gpt<T>::parameter_count() const {
  std::int64_t count = 0;
  for (const auto& parameter : parameters_) count += element_count(parameter.shape);
  return count;
}

template <class T>
void Gpt<T>::initialize(std::uint64_t seed) {
  constexpr double kDeviation = 0.02;
  const double into_residual = kDeviation / std::sqrt(2.0 * static_cast<double>(base_layers_));
  parallel_tasks(static_cast<std::int64_t>(parameters_.size()), [&](std::int64_t index) {
    const auto& parameter = parameters_[static_cast<std::size_t>(index)];
    const auto count = element_count(parameter.shape);
    if (parameter.shape.size() == 1) {
      std::fill_n(parameter.weights, count, parameter.name.ends_with(".bias") ? T(0) : T(1));
      return;
    }
    const auto fans = fan_ratios(parameter.shape, parameter.base_shape, parameter.role);
    const double deviation =
        (parameter.name.ends_with(".c_proj.weight") ? into_residual : kDeviation) *
        initial_scale(fans, parameter.shape, parameter.role);
    Rng rng(seed, static_cast<std::uint64_t>(index));
    for (std::int64_t i = 0; i < count; ++i) {
      parameter.weights[i] = static_cast<T>(deviation * rng.normal());
    }
  });
}

template <class T>
void Gpt<T>::zero_gradients() {
  parallel_for(used_, Index{1} << 16, [&](Index begin, Index end) {
    std::fill(gradients_.data() + begin, gradients_.data() + end, T(0));
  });
  std::fill(max_logits_.begin(), max_logits_.end(), -std::numeric_limits<double>::infinity());
}

template <class T>
ConstMatrixMap<T> Gpt<T>::weight(const Slot& slot) const {
  return {weights_.data() + slot.offset, slot.rows, slot.cols, Eigen::OuterStride<>(slot.cols)};
}

template <class T>
std::span<const T> Gpt<T>::vector(const Slot& slot) const {
  if (slot.offset < 0) return {};
  return {weights_.data() + slot.offset, static_cast<std::size_t>(slot.rows)};
}

template <class T>
MatrixMap<T> Gpt<T>::gradient(const Slot& slot) {
  return {gradients_.data() + slot.offset, slot.rows, slot.cols, Eigen::OuterStride<>(slot.cols)};
}

template <class T>
std::span<T> Gpt<T>::vector_gradient(const Slot& slot) {
  if (slot.offset < 0) return {};
  return {gradients_.data() + slot.offset, static_cast<std::size_t>(slot.rows)};
}

// ---- Activations ----

template <class T>
void Gpt<T>::reserve(Index batch, Index time) {
  const Index N = batch * time;
  const Index C = options_.n_embd;
  for (auto& kept : kept_) {
    for (auto* buffer : {&kept.input, &kept.norm_1, &kept.attention, &kept.middle, &kept.norm_2}) {
      buffer->reserve(N * C);
    }
    for (auto* buffer : {&kept.mean_1, &kept.rstd_1, &kept.mean_2, &kept.rstd_2}) {
      buffer->reserve(N);
    }
    kept.qkv.reserve(N * 3 * C);
    kept.lse.reserve(N * options_.n_head);
    if (!max_logits_.empty()) kept.peaks.reserve(batch * options_.n_head);
    kept.hidden.reserve(N * 4 * C);
    kept.activated.reserve(N * 4 * C);
  }
  for (auto* buffer : {&output_, &norm_f_}) buffer->reserve(N * C);
  for (auto* buffer : {&mean_f_, &rstd_f_}) buffer->reserve(N);
}

// Grown by loss() alone: sampling needs no gradients of activations.
template <class T>
void Gpt<T>::reserve_for_loss(Index batch, Index time) {
  const Index N = batch * time;
  const Index C = options_.n_embd;
  logits_.reserve(N * options_.vocab_size);
  logits_lse_.reserve(N);
  losses_.reserve(N);
  d_residual_.reserve(N * C);
  d_narrow_.reserve(N * C);
  d_wide_.reserve(N * 4 * C);
}

template <class T>
std::size_t Gpt<T>::activation_bytes(Index batch, Index time) const {
  const Index N = batch * time;
  const Index C = options_.n_embd;
  const Index layer = N * (16 * C + 4 + options_.n_head);
  const Index all =
      options_.n_layer * layer + N * (2 * C + 2) + N * (options_.vocab_size + 1) + N * 6 * C;
  return static_cast<std::size_t>(all) * sizeof(T) + static_cast<std::size_t>(N) * sizeof(double);
}

// ---- Forward ----

template <class T>
void Gpt<T>::forward(std::span<const std::int32_t> tokens, Index batch, Index time) {
  const Index N = batch * time;
  const Index C = options_.n_embd;
  reserve(batch, time);
  nn::embedding_forward<T>(tokens, time, weight(wte_), weight(wpe_), stream(0).matrix(N, C));
  for (std::size_t layer = 0; layer < layers_.size(); ++layer) forward_layer(layer, batch, time);
  nn::layer_norm_forward<T>(output_.matrix(N, C), vector(ln_f_), vector(ln_f_bias_),
                            norm_f_.matrix(N, C), column(mean_f_, N), column(rstd_f_, N));
}

// x <- x + c_proj(attention(c_attn(ln_1(x)))), then x <- x + c_proj(gelu(c_fc(ln_2(x)))).
template <class T>
void Gpt<T>::forward_layer(std::size_t layer, Index batch, Index time) {
  const Index N = batch * time;
  const Index C = options_.n_embd;
  const LayerSlots& w = layers_[layer];
  LayerActivations& kept = kept_[layer];
  auto input = kept.input.matrix(N, C);
  auto norm_1 = kept.norm_1.matrix(N, C);
  auto qkv = kept.qkv.matrix(N, 3 * C);
  auto attention = kept.attention.matrix(N, C);
  auto middle = kept.middle.matrix(N, C);
  auto norm_2 = kept.norm_2.matrix(N, C);
  auto hidden = kept.hidden.matrix(N, 4 * C);
  auto activated = kept.activated.matrix(N, 4 * C);
  auto output = stream(layer + 1).matrix(N, C);

  nn::layer_norm_forward<T>(input, vector(w.ln_1), vector(w.ln_1_bias), norm_1,
                            column(kept.mean_1, N), column(kept.rstd_1, N));
  nn::linear_forward<T>(norm_1, weight(w.c_attn), vector(w.c_attn_bias), qkv);
  nn::attention_forward<T>({batch, time, options_.n_head}, qkv, attention,
                           column(kept.lse, N * options_.n_head),
                           column(kept.peaks, max_logits_.empty() ? 0 : batch * options_.n_head));
  into_stream(attention, w.attn_proj, w.attn_proj_bias, input, middle);

  nn::layer_norm_forward<T>(middle, vector(w.ln_2), vector(w.ln_2_bias), norm_2,
                            column(kept.mean_2, N), column(kept.rstd_2, N));
  nn::linear_forward<T>(norm_2, weight(w.c_fc), vector(w.c_fc_bias), hidden);
  nn::activation_forward<T>(options_.activation, hidden, activated);
  into_stream(activated, w.mlp_proj, w.mlp_proj_bias, middle, output);
}

template <class T>
void Gpt<T>::into_stream(const ConstMatrixRef<T>& x, const Slot& weights, const Slot& bias,
                         const ConstMatrixRef<T>& residual, MatrixRef<T> out) {
  if (branch_ == 1) {
    nn::linear_forward<T>(x, weight(weights), vector(bias), residual, out);
    return;
  }
  nn::linear_forward<T>(x, weight(weights), vector(bias), out);
  const T branch = static_cast<T>(branch_);
  parallel_for(out.rows(), kRows, [&](Index begin, Index end) {
    out.middleRows(begin, end - begin) =
        residual.middleRows(begin, end - begin) + branch * out.middleRows(begin, end - begin);
  });
}

template <class T>
ConstMatrixRef<T> Gpt<T>::from_stream(const ConstMatrixRef<T>& d_stream,
                                      MatrixRef<T> scratch) const {
  if (branch_ == 1) return d_stream;
  const T branch = static_cast<T>(branch_);
  parallel_for(scratch.rows(), kRows, [&](Index begin, Index end) {
    scratch.middleRows(begin, end - begin) = branch * d_stream.middleRows(begin, end - begin);
  });
  return scratch;
}

// As numbers and as gradients alike.
template <class T>
void Gpt<T>::scale_logits(MatrixRef<T> logits) const {
  if (logit_ == 1) return;
  parallel_for(logits.rows(), kRows, [&](Index begin, Index end) {
    logits.middleRows(begin, end - begin) *= static_cast<T>(logit_);
  });
}

template <class T>
double Gpt<T>::loss(std::span<const std::int32_t> tokens, std::span<const std::int32_t> targets,
                    Index batch, Index time) {
  check_tokens("tokens", tokens, batch, time);
  check_tokens("targets", targets, batch, time);
  const Index N = batch * time;
  reserve_for_loss(batch, time);
  tokens_.assign(tokens.begin(), tokens.end());
  targets_.assign(targets.begin(), targets.end());
  forward(tokens, batch, time);
  batch_ = batch;
  time_ = time;
  auto logits = logits_.matrix(N, options_.vocab_size);
  nn::linear_forward<T>(norm_f_.matrix(N, options_.n_embd), weight(head_), {}, logits);
  scale_logits(logits);
  return nn::cross_entropy_forward<T>(logits, targets, column(logits_lse_, N), column(losses_, N));
}

template <class T>
ConstMatrixRef<T> Gpt<T>::logits() const {
  return logits_.matrix(batch_ * time_, options_.vocab_size);
}

template <class T>
std::span<const T> Gpt<T>::next_token_logits(std::span<const std::int32_t> context) {
  const auto time = static_cast<Index>(context.size());
  check_tokens("context", context, 1, time);
  batch_ = time_ = 0;  // the activations no longer belong to a loss
  forward(context, 1, time);
  next_logits_.reserve(options_.vocab_size);
  const auto last = norm_f_.matrix(time, options_.n_embd).bottomRows(1);
  nn::linear_forward<T>(last, weight(head_), {}, next_logits_.matrix(1, options_.vocab_size));
  scale_logits(next_logits_.matrix(1, options_.vocab_size));
  return column(next_logits_, options_.vocab_size);
}

// ---- Backward: the same steps from the last to the first ----

template <class T>
void Gpt<T>::backward(T scale) {
  const Index N = batch_ * time_;
  const Index C = options_.n_embd;
  if (N == 0) {
    throw ShapeError({.place = "gpt", .what = "backward without a loss before it"});
  }
  auto logits = logits_.matrix(N, options_.vocab_size);
  nn::cross_entropy_backward<T>(logits, targets_, column(logits_lse_, N), scale);
  scale_logits(logits);
  auto norm_f = norm_f_.matrix(N, C);
  auto d_norm = d_narrow_.matrix(N, C);
  auto d_residual = d_residual_.matrix(N, C);
  nn::linear_backward<T>(norm_f, weight(head_), logits, d_norm, gradient(head_), {});
  parallel_for(N * C, Index{1} << 16, [&](Index begin, Index end) {
    std::fill(d_residual.data() + begin, d_residual.data() + end, T(0));
  });
  nn::layer_norm_backward<T>(output_.matrix(N, C), vector(ln_f_), column(mean_f_, N),
                             column(rstd_f_, N), d_norm, d_residual, vector_gradient(ln_f_),
                             vector_gradient(ln_f_bias_));
  for (std::size_t layer = layers_.size(); layer-- > 0;) backward_layer(layer, batch_, time_);
  nn::embedding_backward<T>(tokens_, time_, d_residual, gradient(wte_), gradient(wpe_));
  if (!max_logits_.empty()) raise_max_logits(batch_);
  batch_ = time_ = 0;
}

template <class T>
void Gpt<T>::backward_layer(std::size_t layer, Index batch, Index time) {
  const Index N = batch * time;
  const Index C = options_.n_embd;
  const LayerSlots& w = layers_[layer];
  LayerActivations& kept = kept_[layer];
  auto attention = kept.attention.matrix(N, C);
  auto d_residual = d_residual_.matrix(N, C);  // arrives as d output, leaves as d input
  auto d_narrow = d_narrow_.matrix(N, C);

  auto d_hidden = d_wide_.matrix(N, 4 * C);
  nn::linear_backward<T>(kept.activated.matrix(N, 4 * C), weight(w.mlp_proj),
                         from_stream(d_residual, d_narrow), d_hidden, gradient(w.mlp_proj),
                         vector_gradient(w.mlp_proj_bias));
  nn::activation_backward<T>(options_.activation, kept.hidden.matrix(N, 4 * C), d_hidden);
  nn::linear_backward<T>(kept.norm_2.matrix(N, C), weight(w.c_fc), d_hidden, d_narrow,
                         gradient(w.c_fc), vector_gradient(w.c_fc_bias));
  nn::layer_norm_backward<T>(kept.middle.matrix(N, C), vector(w.ln_2), column(kept.mean_2, N),
                             column(kept.rstd_2, N), d_narrow, d_residual, vector_gradient(w.ln_2),
                             vector_gradient(w.ln_2_bias));

  auto d_qkv = d_wide_.matrix(N, 3 * C);
  nn::linear_backward<T>(attention, weight(w.attn_proj),
                         from_stream(d_residual, d_wide_.matrix(N, C)), d_narrow,
                         gradient(w.attn_proj), vector_gradient(w.attn_proj_bias));
  nn::attention_backward<T>({batch, time, options_.n_head}, kept.qkv.matrix(N, 3 * C), attention,
                            column(kept.lse, N * options_.n_head), d_narrow, d_qkv);
  nn::linear_backward<T>(kept.norm_1.matrix(N, C), weight(w.c_attn), d_qkv, d_narrow,
                         gradient(w.c_attn), vector_gradient(w.c_attn_bias));
  nn::layer_norm_backward<T>(kept.input.matrix(N, C), vector(w.ln_1), column(kept.mean_1, N),
                             column(kept.rstd_1, N), d_narrow, d_residual, vector_gradient(w.ln_1),
                             vector_gradient(w.ln_1_bias));
}

// ---- Misuse ----

template <class T>
void Gpt<T>::check_tokens(const char* name, std::span<const std::int32_t> tokens, Index batch,
                          Index time) const {
  if (batch < 1 || time < 1 || batch * time != static_cast<Index>(tokens.size())) {
    throw ShapeError({.place = name,
                      .what = "size",
                      .expected = "batch x time, both at least 1",
                      .found = std::to_string(tokens.size()) + " for " + std::to_string(batch) +
                               " x " + std::to_string(time)});
  }
  if (time > options_.block_size) {
    throw ShapeError({.place = name,
                      .what = "time longer than the model's block_size",
                      .expected = "at most " + std::to_string(options_.block_size),
                      .found = std::to_string(time)});
  }
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i] >= 0 && tokens[i] < options_.vocab_size) continue;
    const auto at = static_cast<Index>(i);
    throw DataError(
        {.place = name,
         .what = "token outside the vocabulary at " + to_string(Shape{at / time, at % time}),
         .expected = "0 to " + std::to_string(options_.vocab_size - 1),
         .found = std::to_string(tokens[i])});
  }
}

template class Gpt<float>;
template class Gpt<double>;

}  // namespace muonflow::model

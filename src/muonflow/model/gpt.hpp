// GPT-2 as nanoGPT writes it: learned positions, pre-norm blocks of causal attention and a
// four-fold MLP, a final norm, and a head that shares the token table or has its own.
//
// A. Radford et al., "Language models are unsupervised multitask learners", 2019. Parameter names
// and layouts are nanoGPT's ([out, in]), so its checkpoints load as they are. B = batch, T = time,
// C = n_embd, V = vocab_size, N = B*T rows of tokens.
//
// Memory: weights and gradients contiguous, activations in buffers that grow with the largest B*T
// seen and are used again; a steady step allocates nothing. 1, 2 or 4 threads give the same bits.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "muonflow/core/parameter.hpp"
#include "muonflow/core/tensor.hpp"
#include "muonflow/model/gpt_options.hpp"
#include "muonflow/nn/buffer.hpp"

namespace muonflow::model {

// The heads of one attention layer. Of each tensor (weight and, where there is one, bias) the rows
// [0, heads head_size) are the queries, head by head, and as many rows after them the keys.
struct AttentionHeads {
  std::vector<std::string> tensors{};
  Index heads = 0;
  Index head_size = 0;
  std::span<const double> max_logits{};  // [heads], see Gpt::watch_attention; the model's memory
};

template <class T>
class Gpt {
 public:
  // Throws ConfigError (n_embd not divisible by n_head, a size that is not positive).
  //
  // With a base model, of which n_embd and n_layer count, for hyperparameter transfer (muP with
  // depth; arXiv:2203.03466, arXiv:2512.05620): parameters know their base shapes; residual
  // branches are multiplied by the ratio of depths, base over this, and the logits of a tied head
  // by that of widths; initial weights follow initial_scale. Heads keep their size, so
  // n_embd / n_head is to be the base's.
  explicit Gpt(const GptOptions& options, const std::optional<GptOptions>& base = {});

  const GptOptions& options() const { return options_; }
  // What a residual branch and the logits are multiplied by; 1 without a base.
  double branch_multiplier() const { return branch_; }
  double logit_multiplier() const { return logit_; }
  std::vector<Parameter<T>>& parameters() { return parameters_; }
  const std::vector<Parameter<T>>& parameters() const { return parameters_; }
  std::int64_t parameter_count() const;
  // Bytes of activations and of their gradients for one step of this size, what the buffers grow
  // to.
  std::size_t activation_bytes(Index batch, Index time) const;

  // GPT-2's: weights N(0, 0.02^2), the projections into the residual stream (c_proj) divided by
  // sqrt(2 n_layer), gains 1, biases 0; with a base model its n_layer, and initial_scale besides.
  // Each parameter draws from a stream of its own.
  void initialize(std::uint64_t seed);

  // Copies of the weights, by name, rank 1 or 2, dtype T's own.
  TensorMap weights() const;
  // Takes over the tensors of `weights`, all of one floating dtype, f16 and bf16 widened. Nothing
  // is changed where it throws: DataError (missing, extra, mixed dtypes, not finite), ShapeError.
  // `place` names the file in messages. Known buffers of old checkpoints (the causal masks
  // ".attn.bias", ".attn.masked_bias") are passed over; a lm_head.weight beside a tied head must
  // equal the token table.
  void load_weights(const TensorMap& weights, const std::string& place = "weights");

  // Mean cross-entropy of predicting targets [B, T] from tokens [B, T] (row-major); keeps what
  // backward needs. Throws ShapeError (sizes, time > block_size), DataError (a token outside the
  // vocabulary). A loss that is not finite is returned as it is.
  double loss(std::span<const std::int32_t> tokens, std::span<const std::int32_t> targets,
              Index batch, Index time);
  // The logits [N, V] of the last loss(); backward() turns them into their gradient, so they are
  // to be read before it.
  ConstMatrixRef<T> logits() const;
  // How the last loss() goes with the size of the final norm's gain and bias, and so of all logits:
  // <w, d loss / d w> over both, without a backward pass, which can be held against it. For a token
  // it is the mean of its logits under their softmax less the target's; in double. To be read
  // before backward(), too.
  struct OutputSlope {
    std::vector<std::string> tensors{};  // names of the final norm's
    double mean = 0;                     // over the tokens
    double size = 0;                     // mean of the absolute values
  };
  OutputSlope output_slope() const;
  // Adds scale * d loss / d parameter to the gradients; once after each loss().
  void backward(T scale = 1);
  void zero_gradients();

  // From now on max_logits holds the largest logit q k / sqrt(head_size) of every head, as the
  // softmax sees it, over all positions that the causal mask lets through and all batches whose
  // gradients have been added since zero_gradients(); -infinity where there was none. Batches
  // without a backward(), as those of an evaluation, do not count. One entry a layer, from the
  // first; a comparison a row, no memory in a steady step, the same bits for 1, 2 or 4 threads.
  std::vector<AttentionHeads> watch_attention();

  // Logits [V] of the token that follows `context` (1 to block_size tokens; the caller drops older
  // ones). Overwrites the activations of loss(). Valid until the next call. Throws as loss().
  std::span<const T> next_token_logits(std::span<const std::int32_t> context);

 private:
  // A trainable tensor's place in weights_ and gradients_.
  struct Slot {
    Index offset = -1;  // -1: absent (bias = false)
    Index rows = 0;
    Index cols = 0;
  };
  struct LayerSlots {
    Slot ln_1, ln_1_bias, c_attn, c_attn_bias, attn_proj, attn_proj_bias;
    Slot ln_2, ln_2_bias, c_fc, c_fc_bias, mlp_proj, mlp_proj_bias;
  };
  // What the forward pass of one block leaves for the backward pass.
  struct LayerActivations {
    nn::Buffer<T> input;                   // [N, C] residual stream entering the block
    nn::Buffer<T> norm_1, mean_1, rstd_1;  // [N, C], [N], [N]
    nn::Buffer<T> qkv, attention, lse;     // [N, 3C], [N, C], [B, H, T]
    nn::Buffer<T> peaks;                   // [B, H] largest logits, where they are watched
    nn::Buffer<T> middle;                  // [N, C] residual stream between the two halves
    nn::Buffer<T> norm_2, mean_2, rstd_2;  // [N, C], [N], [N]
    nn::Buffer<T> hidden, activated;       // [N, 4C] before and after the activation
  };

  Slot add(const std::string& name, const Shape& shape, Role role);
  Slot add_bias(const std::string& name, Index size, Role role);
  void check_tokens(const char* name, std::span<const std::int32_t> tokens, Index batch,
                    Index time) const;
  void reserve(Index batch, Index time);
  void reserve_for_loss(Index batch, Index time);
  // The residual stream entering a layer; after the last one, the output.
  nn::Buffer<T>& stream(std::size_t layer) {
    return layer < kept_.size() ? kept_[layer].input : output_;
  }
  void forward(std::span<const std::int32_t> tokens, Index batch, Index time);
  void forward_layer(std::size_t layer, Index batch, Index time);
  void backward_layer(std::size_t layer, Index batch, Index time);
  void raise_max_logits(Index batch);  // to what the last loss() has seen

  ConstMatrixMap<T> weight(const Slot& slot) const;
  std::span<const T> vector(const Slot& slot) const;  // empty when absent
  MatrixMap<T> gradient(const Slot& slot);
  std::span<T> vector_gradient(const Slot& slot);

  void set_base(const GptOptions& base);
  // out = residual + branch_ (x weight^T + bias), out [N, C].
  void into_stream(const ConstMatrixRef<T>& x, const Slot& weights, const Slot& bias,
                   const ConstMatrixRef<T>& residual, MatrixRef<T> out);
  // d_stream itself, or branch_ d_stream in `scratch`.
  ConstMatrixRef<T> from_stream(const ConstMatrixRef<T>& d_stream, MatrixRef<T> scratch) const;
  void scale_logits(MatrixRef<T> logits) const;

  GptOptions options_;
  std::int64_t base_layers_ = 0;  // whose number the initial weights of c_proj know
  double branch_ = 1, logit_ = 1;
  std::vector<Parameter<T>> parameters_;
  std::vector<Index> offsets_;  // of each parameter in weights_ and gradients_
  nn::Buffer<T> weights_, gradients_;
  Index used_ = 0;  // elements of weights_ given out, padding included
  Slot wte_, wpe_, ln_f_, ln_f_bias_, head_;
  std::vector<LayerSlots> layers_;

  std::vector<LayerActivations> kept_;
  nn::Buffer<T> output_, norm_f_, mean_f_, rstd_f_;  // [N, C], [N, C], [N], [N]
  nn::Buffer<T> logits_, logits_lse_;                // [N, V], [N]
  nn::Buffer<double> losses_;                        // [N]
  nn::Buffer<T> d_residual_, d_narrow_, d_wide_;     // [N, C], [N, C], [N, 4C]
  nn::Buffer<T> next_logits_;                        // [V]
  std::vector<double> max_logits_;                   // [n_layer, H]; empty: not watched
  std::vector<std::int32_t> tokens_, targets_;
  Index batch_ = 0, time_ = 0;  // of the last loss that no backward followed
};

extern template class Gpt<float>;
extern template class Gpt<double>;

}  // namespace muonflow::model

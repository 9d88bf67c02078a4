// The driver: applies to every parameter the rule that routing gave it.
//
// It borrows weights and gradients (rows of rank-2 tensors may lie apart) and owns the state. A
// step is: look at all gradients (a NaN is found before anything changes), clip, then each matrix
// by its rule and its transforms, largest first over the pool of threads. New weights are computed
// aside and looked at before they replace the old ones. The result does not depend on the number of
// threads.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "muonflow/core/outcome.hpp"
#include "muonflow/core/parameter.hpp"
#include "muonflow/core/tensor.hpp"
#include "muonflow/optim/routing.hpp"
#include "muonflow/optim/step_observer.hpp"
#include "muonflow/optim/transforms/qk_clip.hpp"

namespace muonflow::optim {

struct StepWarning {
  std::string tensor;
  std::string text;
};

struct StepReport {
  Outcome outcome;     // changed: whether any weight may have changed
  std::string tensor;  // the first tensor in trouble; empty when all went well
  // Tensors in trouble: skipped by the policy `tensor`, or whose new weights were not finite.
  std::int64_t failed = 0;
  std::int64_t missing = 0;  // tensors without a gradient
  // Over all gradients together, before clipping and whatever its kind; NaN or infinite where the
  // step was refused for a gradient that is.
  double gradient_norm = 0;
  std::int64_t message_bytes = 0;     // of compressed gradients (error feedback); 0: none
  std::int64_t clipped_heads = 0;     // of attention layers, by qk_clip
  std::vector<StepWarning> warnings;  // each told once per tensor
};

template <class T>
class Optimizer {
 public:
  // The parameters' buffers must outlive the optimizer. Throws ConfigError (see route) and
  // ShapeError: a stride that is shorter than a row or belongs to a tensor that is not of rank 2,
  // null weights.
  Optimizer(std::vector<Parameter<T>> parameters, const RoutingOptions& options, std::uint64_t seed,
            const PlaceOf& place_of = {});
  ~Optimizer();
  Optimizer(Optimizer&&) noexcept;
  Optimizer& operator=(Optimizer&&) noexcept;

  // One step; `schedule` multiplies every learning rate (and an independent decay). A parameter
  // whose gradient is null keeps its weights and its state. With clipping on, gradients are scaled
  // in place. Where a result is not finite the weights of that matrix stay, but its state has taken
  // the step. Throws ConfigError where schedule is negative or not finite, and where
  // options().qk_clip has a threshold and no layer was named.
  StepReport step(double schedule = 1.0);

  // From now on, every step that is not refused ends with QK-clip of this layer, whose `max_logits`
  // the caller keeps alive and fills; named again, a layer is replaced. Throws ConfigError where
  // the rows are not there.
  void clip_attention(const QkClip& options, const AttentionLayer& layer);

  // From now on `observer`, borrowed, is told of every step; null: nobody is.
  void observe(StepObserver<T>* observer);

  std::int64_t steps() const;  // steps that were not refused

  // s/NAME/FIELD in the parameter's own shape where FIELD is like the weights, s/NAME/step (I64),
  // rule/NAME (the rule's name, one I32 a character), and steps. Bit-exact both ways.
  TensorMap state() const;
  // Everything is looked at before anything changes. Throws ConfigError where the state is of
  // another model or rule: a parameter or field that is missing, unknown or of another shape.
  void load_state(const TensorMap& state, const std::string& place);
  // Sets the fields that are given for one parameter (FIELD -> tensor) and leaves the others; the
  // start that replay allows.
  void start_from(const std::string& parameter, const TensorMap& fields, const std::string& place);
  // The state of one parameter, FIELD -> tensor, `step` included.
  TensorMap state_of(const std::string& parameter) const;

  const RoutingTable& routing() const;
  const RoutingOptions& options() const;
  std::size_t state_bytes() const;
  // Mutable so that a caller may move buffers or drop a gradient (set it to null) for a step.
  // Names, shapes and order must stay.
  std::vector<Parameter<T>>& parameters();

 private:
  struct Body;
  std::unique_ptr<Body> body_;
};

extern template class Optimizer<float>;
extern template class Optimizer<double>;

}  // namespace muonflow::optim

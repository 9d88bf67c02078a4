// The training loop: gradients of several micro-batches, one optimizer step, evaluation on fixed
// batches; everything else is an observer.
//
//   model::Gpt<float> gpt({.n_layer = 4});
//   gpt.initialize(1);
//   optim::Optimizer<float> optimizer(gpt.parameters(), {.preset = "muon+adamw"}, 1);
//   train::Trainer<float> trainer(gpt, optimizer, batches, validation, {.steps = 500}, {});
//   trainer.run();
//
// The same steps give the same bits whatever the number of threads, and a trainer that is restored
// from a checkpoint goes on with the bits of one that was never stopped.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "muonflow/data/batches.hpp"
#include "muonflow/model/gpt.hpp"
#include "muonflow/optim/audit/auditor.hpp"
#include "muonflow/optim/optimizer.hpp"
#include "muonflow/optim/schedule.hpp"
#include "muonflow/train/checkpoint.hpp"
#include "muonflow/train/config.hpp"
#include "muonflow/train/observer.hpp"
#include "muonflow/train/qk_clip.hpp"

namespace muonflow::train {

template <class T>
class Trainer final : public Saveable {
 public:
  // Borrows everything it is given by reference. An optimizer made from `model.parameters()` sees
  // the gradients that the trainer fills; where its options have a qk_clip, the trainer names it
  // the attention layers of the model and has the model find their logits.
  Trainer(model::Gpt<T>& model, optim::Optimizer<T>& optimizer, data::TokenBatches& batches,
          data::FixedBatches validation, const TrainOptions& options,
          const optim::Schedule& schedule);

  // Steps until the run is done, `stop` says so (asked between two steps) or a step cannot go on.
  // Evaluates before the first step, every eval_every steps and after the last one.
  Ending run(std::span<Observer* const> observers = {}, const std::function<bool()>& stop = {});

  // One step: accumulation micro-batches, then the rules. The step is counted also where it was
  // skipped. Returns whether the run can go on.
  bool advance(std::span<Observer* const> observers = {});
  // Mean loss over the validation batches; changes nothing that training depends on.
  double evaluate();

  const LoopState& state() const { return state_; }
  const TrainOptions& options() const { return options_; }
  // What happened in the last step that was not ok; empty: nothing.
  const std::optional<TroubleRecord>& trouble() const { return trouble_; }

  std::int64_t step() const override { return state_.step; }
  bool intact() const override { return intact_; }
  Checkpoint checkpoint() const override;
  // Takes over weights, optimizer state and progress. Throws ConfigError (another model or rule),
  // DataError; `place` names the checkpoint in messages.
  void restore(const Checkpoint& checkpoint, const std::string& place);
  // From now on `auditor`, borrowed, sees every step and micro-batch. Where it is to stop the run
  // at a failure, each audited step keeps a copy of weights and optimizer state from before it, and
  // a step that fails is taken back.
  void watch(optim::Auditor<T>& auditor, optim::OnFailure on_failure);
  // Text kept in every checkpoint (the resolved configuration).
  void describe(std::string config) { config_ = std::move(config); }

 private:
  // Fills the gradients; the mean loss.
  double accumulate();
  // Tells observers; false: the run must stop.
  bool heed_audit(double loss, std::span<Observer* const> observers);
  bool fail(std::string_view what, Status status, const std::string& tensor, double loss,
            bool keeps_state, std::span<Observer* const> observers);

  model::Gpt<T>& model_;
  optim::Optimizer<T>& optimizer_;
  data::TokenBatches& batches_;
  data::FixedBatches validation_;
  TrainOptions options_;
  optim::Schedule schedule_;
  optim::Auditor<T>* auditor_ = nullptr;
  optim::OnFailure on_failure_ = optim::OnFailure::stop;
  std::optional<Checkpoint> before_;  // of an audited step
  std::string config_;
  LoopState state_;
  std::optional<TroubleRecord> trouble_;
  bool intact_ = true;
  std::vector<std::int32_t> tokens_, targets_;  // [B, T] of one micro-batch
  std::vector<model::AttentionHeads> heads_;    // whose logits qk_clip bounds; empty: off
};

extern template class Trainer<float>;
extern template class Trainer<double>;

}  // namespace muonflow::train

#include "muonflow/train/trainer.hpp"

#include <chrono>
#include <cmath>

#include "muonflow/core/error.hpp"

namespace muonflow::train {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

}  // namespace

template <class T>
Trainer<T>::Trainer(model::Gpt<T>& model, optim::Optimizer<T>& optimizer,
                    data::TokenBatches& batches, data::FixedBatches validation,
                    const TrainOptions& options, const optim::Schedule& schedule)
    : model_(model),
      optimizer_(optimizer),
      batches_(batches),
      validation_(std::move(validation)),
      options_(options),
      schedule_(schedule) {
  const auto count = static_cast<std::size_t>(batches_.batch() * batches_.time());
  tokens_.resize(count);
  targets_.resize(count);
  if (optimizer_.options().qk_clip.threshold) {
    heads_ = model_.watch_attention();
    clip_attention(optimizer_, heads_);
  }
}

template <class T>
double Trainer<T>::accumulate() {
  model_.zero_gradients();
  const auto parts = options_.accumulation;
  const auto slope = [&]() -> optim::KnownSlope {
    const auto known = model_.output_slope();
    // How often chance would draw the same windows again.
    const double digits =
        static_cast<double>(batches_.batch()) * std::log10(static_cast<double>(batches_.windows()));
    return {
        .tensors = known.tensors, .slope = known.mean, .size = known.size, .distinct = digits > 12};
  };
  double sum = 0;
  for (std::int64_t part = 0; part < parts; ++part) {
    batches_.next(tokens_, targets_);
    const double loss = model_.loss(tokens_, targets_, batches_.batch(), batches_.time());
    sum += loss;
    // The rest of the batches is drawn all the same, so that a skipped step costs the data of one
    // step whatever was wrong with it.
    if (!std::isfinite(sum)) continue;
    if (auditor_) auditor_->before_backward(optimizer_, slope);
    model_.backward(static_cast<T>(1.0 / static_cast<double>(parts)));
    if (auditor_) auditor_->after_backward(optimizer_);
  }
  return sum / static_cast<double>(parts);
}

template <class T>
bool Trainer<T>::fail(std::string_view what, Status status, const std::string& tensor, double loss,
                      bool keeps_state, std::span<Observer* const> observers) {
  ++state_.skipped;
  ++state_.in_a_row;
  intact_ = intact_ && keeps_state;
  const bool stops = options_.non_finite == NonFinite::stop || !keeps_state ||
                     state_.in_a_row >= options_.max_skips;
  trouble_ = TroubleRecord{.step = state_.step,
                           .what = std::string(what),
                           .how = status == Status::not_converged ? "not converged" : "not finite",
                           .tensor = tensor,
                           .loss = loss,
                           .in_a_row = state_.in_a_row,
                           .stops = stops};
  for (auto* observer : observers) observer->on_trouble(*trouble_);
  return !stops;
}

template <class T>
void Trainer<T>::watch(optim::Auditor<T>& auditor, optim::OnFailure on_failure) {
  auditor_ = &auditor;
  on_failure_ = on_failure;
  optimizer_.observe(auditor_);
}

template <class T>
bool Trainer<T>::heed_audit(double loss, std::span<Observer* const> observers) {
  if (!auditor_->fresh()) return true;
  const AuditRecord audited{
      .step = state_.step, .report = &auditor_->report(), .totals = &auditor_->totals()};
  for (auto* observer : observers) observer->on_audit(audited);
  const auto* failure = auditor_->failure();
  if (!failure) return true;
  const auto line = failure->to_line();
  if (on_failure_ == optim::OnFailure::warn) {
    for (auto* observer : observers) {
      observer->on_warning(state_.step, failure->tensor, "audit: " + line);
    }
    return true;
  }
  TroubleRecord trouble{.step = state_.step,
                        .what = "audit",
                        .how = "not what its rule claims",
                        .tensor = failure->tensor,
                        .text = line,
                        .loss = loss,
                        .in_a_row = 1,
                        .stops = true};
  // Back to before the step; what an earlier hand has spoiled is not to be saved at all.
  if (before_) {
    restore(*before_, "the state before the step");
  } else {
    intact_ = false;
  }
  trouble_ = std::move(trouble);
  for (auto* observer : observers) observer->on_trouble(*trouble_);
  return false;
}

template <class T>
bool Trainer<T>::advance(std::span<Observer* const> observers) {
  trouble_.reset();
  const auto begin = Clock::now();
  const double factor = schedule_.factor(state_.step, options_.steps);
  before_.reset();
  if (auditor_) {
    auditor_->at_step(state_.step, state_.skipped);
    if (auditor_->due(optimizer_) && on_failure_ == optim::OnFailure::stop) {
      const auto copy_begin = Clock::now();
      before_ = checkpoint();
      auditor_->charge(seconds_since(copy_begin));
    }
  }
  const double loss = accumulate();
  ++state_.step;
  bool goes_on = true;
  StepRecord record{.step = state_.step,
                    .total = options_.steps,
                    .loss = loss,
                    .schedule = factor,
                    .tokens = options_.accumulation * static_cast<std::int64_t>(tokens_.size())};
  if (!std::isfinite(loss)) {
    if (auditor_) auditor_->forget();
    goes_on = fail("loss", Status::non_finite_result, "", loss, true, observers);
  } else {
    const auto optimizer_begin = Clock::now();
    const auto report = optimizer_.step(factor);
    record.gradient_norm = report.gradient_norm;
    record.clipped_heads = report.clipped_heads;
    record.message_bytes = report.message_bytes;
    if (!heads_.empty()) record.max_logit = largest_logit(heads_);
    record.optimizer_seconds = seconds_since(optimizer_begin);
    if (auditor_ && !heed_audit(loss, observers)) return false;
    for (const auto& warning : report.warnings) {
      for (auto* observer : observers) {
        observer->on_warning(state_.step, warning.tensor, warning.text);
      }
    }
    if (report.outcome.ok()) {
      state_.in_a_row = 0;
    } else if (report.outcome.status != Status::non_finite_input) {
      // A rule failed in the middle: its tensor kept its weights, but not its state.
      goes_on = fail("update", report.outcome.status, report.tensor, loss, false, observers);
    } else if (!report.outcome.changed) {
      goes_on = fail("gradient", report.outcome.status, report.tensor, loss, true, observers);
    } else {
      state_.in_a_row = 0;  // optimizer.non_finite = "tensor" left that tensor out
      for (auto* observer : observers) {
        observer->on_warning(state_.step, report.tensor,
                             "non-finite gradient: left out of the step");
      }
    }
  }
  record.seconds = seconds_since(begin);
  if (std::isfinite(loss)) state_.loss = loss;
  state_.tokens += record.tokens;
  state_.seconds += record.seconds;
  state_.optimizer_seconds += record.optimizer_seconds;
  record.total_tokens = state_.tokens;
  record.total_seconds = state_.seconds;
  record.skipped = trouble_.has_value();
  for (auto* observer : observers) observer->on_step(record);
  return goes_on;
}

template <class T>
double Trainer<T>::evaluate() {
  double sum = 0;
  for (Index batch = 0; batch < validation_.count(); ++batch) {
    const auto [tokens, targets] = validation_.at(batch);
    sum += model_.loss(tokens, targets, validation_.batch(), validation_.time());
  }
  return sum / static_cast<double>(validation_.count());
}

template <class T>
Ending Trainer<T>::run(std::span<Observer* const> observers, const std::function<bool()>& stop) {
  const auto evaluate_now = [&] {
    const auto begin = Clock::now();
    const double loss = evaluate();
    if (std::isfinite(loss)) state_.validation_loss = loss;
    const EvaluationRecord record{
        .step = state_.step,
        .loss = loss,
        .tokens = validation_.count() * validation_.batch() * validation_.time(),
        .seconds = seconds_since(begin),
        .total_tokens = state_.tokens,
        .total_seconds = state_.seconds};
    for (auto* observer : observers) observer->on_evaluation(record);
  };
  const auto end = [&](Ending ending) {
    for (auto* observer : observers) observer->on_end(ending, *this);
    return ending;
  };
  if (state_.step == 0) evaluate_now();
  while (state_.step < options_.steps) {
    if (stop && stop()) return end(Ending::interrupted);
    const bool goes_on = advance(observers);
    if (!goes_on) return end(trouble_->what == "audit" ? Ending::audit : Ending::non_finite);
    const bool last = state_.step == options_.steps;
    if (last || (options_.eval_every > 0 && state_.step % options_.eval_every == 0)) evaluate_now();
    for (auto* observer : observers) observer->on_boundary(*this);
  }
  return end(Ending::finished);
}

template <class T>
Checkpoint Trainer<T>::checkpoint() const {
  Checkpoint saved{.weights = model_.weights(),
                   .optimizer = optimizer_.state(),
                   .loop = state_,
                   .schedule = schedule_,
                   .steps = options_.steps,
                   .config = config_,
                   .kernels = kernel_plan(),
                   .plan = linalg::plan_table()};
  saved.loop.data = batches_.cursor();
  return saved;
}

template <class T>
void Trainer<T>::restore(const Checkpoint& checkpoint, const std::string& place) {
  constexpr Dtype kOwn = sizeof(T) == sizeof(double) ? Dtype::f64 : Dtype::f32;
  for (const auto& [name, tensor] : checkpoint.weights) {
    if (tensor.dtype == kOwn) continue;
    throw ConfigError({.place = place + "/weights.safetensors: " + name,
                       .what = "a resumed run must keep its scalar type",
                       .expected = std::string(name_of(kOwn)),
                       .found = std::string(name_of(tensor.dtype))});
  }
  // The optimizer looks at everything before it changes anything, and refuses another model as well
  // as another rule; so it goes first.
  optimizer_.load_state(checkpoint.optimizer, place + "/optimizer.safetensors");
  model_.load_weights(checkpoint.weights, place + "/weights.safetensors");
  batches_.seek(checkpoint.loop.data);
  state_ = checkpoint.loop;
  if (auditor_) {
    auditor_->forget();
    auditor_->restored(optimizer_, checkpoint.optimizer);
  }
  trouble_.reset();
  intact_ = true;
}

template class Trainer<float>;
template class Trainer<double>;

}  // namespace muonflow::train

#include "muonflow/train/detail/run_body.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "muonflow/core/error.hpp"
#include "muonflow/data/batches.hpp"
#include "muonflow/data/datasets.hpp"
#include "muonflow/train/sample.hpp"
#include "muonflow/train/trainer.hpp"

namespace muonflow::train {
namespace {

namespace fs = std::filesystem;

std::string data_name(const DataOptions& options) {
  return options.name.empty() ? options.path : options.name;
}

data::Corpus load_corpus(const DataOptions& options, const RunContext& context) {
  if (options.name.empty()) {
    return data::load_files(options.path, options.validation, options.validation_fraction);
  }
  const auto place = context.place_of ? context.place_of("data.name") : "data.name";
  const auto& entry = data::datasets().at(options.name, place);
  fs::path from = options.path;
  if (from.empty() && !context.data.empty() && data::find(entry, context.data)) from = context.data;
  return data::load(entry, from);
}

void check_vocabulary(const data::Bytes& text, std::int64_t vocabulary, const std::string& place) {
  const auto bad =
      std::find_if(text.begin(), text.end(), [&](std::uint8_t byte) { return byte >= vocabulary; });
  if (bad == text.end()) return;
  throw DataError({.place = place,
                   .expected = "bytes below model.vocab_size = " + std::to_string(vocabulary),
                   .found = fmt::format("byte {} at offset {}", *bad, bad - text.begin()),
                   .advice = "set model.vocab_size = 256"});
}

// What `make` returns; its DataError gets the name of the text.
template <class Make>
auto placed(const std::string& place, const Make& make) {
  try {
    return make();
  } catch (const DataError& error) {
    auto parts = error.parts();
    parts.place = place;
    throw DataError(parts);
  }
}

}  // namespace

template <class T>
struct Run::Typed final : Run::Body {
  std::optional<model::Gpt<T>> gpt;
  std::optional<optim::Optimizer<T>> optimizer;
  std::optional<data::TokenBatches> batches;
  std::optional<optim::Auditor<T>> auditor;
  std::optional<Trainer<T>> trainer;

  void build(const PlaceOf& place_of) {
    const auto seed = static_cast<std::uint64_t>(config.run.seed);
    const auto& options = config.train;
    const auto place = data_name(config.data);
    batches = placed(place, [&] {
      return data::TokenBatches(corpus.training, options.batch_size, config.block_size(), seed);
    });
    auto validation = placed(place + " (validation)", [&] {
      return data::FixedBatches(corpus.validation, options.batch_size, config.block_size(),
                                options.eval_batches);
    });
    gpt.emplace(config.model.gpt, config.base_model());
    gpt->initialize(seed);
    optimizer.emplace(gpt->parameters(), config.routing(), seed, place_of);
    trainer.emplace(*gpt, *optimizer, *batches, std::move(validation), options, config.schedule);
    trainer->describe(to_toml(config));
    if (config.audit.every) {
      auditor.emplace(config.audit, optim::AuditedRun{.micro_batches = options.accumulation,
                                                      .schedule = config.schedule,
                                                      .steps = options.steps});
      trainer->watch(*auditor, config.audit.on_failure);
    }
    preview.routing = optimizer->routing();
    preview.messages = preview.routing.messages(sizeof(T));
    preview.memory = estimate_memory(*gpt, *optimizer, options.batch_size, config.block_size());
    preview.parameters = gpt->parameter_count();
  }

  const LoopState& state() const override { return trainer->state(); }
  void audited(RunResult& result) const override {
    if (!auditor) return;
    result.audit = auditor->totals();
    result.not_judged = auditor->reasons();
  }
  const std::optional<TroubleRecord>& trouble() const override { return trainer->trouble(); }
  void restore(const Checkpoint& checkpoint_read, const std::string& place) override {
    trainer->restore(checkpoint_read, place);
  }
  Ending train(std::span<Observer* const> observers, const std::function<bool()>& stop) override {
    return trainer->run(observers, stop);
  }
  std::string sample() override {
    return train::sample(*gpt, config.sample, static_cast<std::uint64_t>(config.run.seed));
  }
};

void Run::Body::load(const RunContext& context) {
  corpus = load_corpus(config.data, context);
  const auto place = data_name(config.data);
  const auto vocabulary = config.model.gpt.vocab_size;
  check_vocabulary(corpus.training, vocabulary, place);
  check_vocabulary(corpus.validation, vocabulary, place + " (validation)");
  preview.config = config;
  preview.data = place;
  preview.training_bytes = static_cast<std::int64_t>(corpus.training.size());
  preview.validation_bytes = static_cast<std::int64_t>(corpus.validation.size());
  preview.tokens_per_step = config.tokens_per_step();
  preview.total_tokens = config.tokens_per_step() * config.train.steps;
}

std::unique_ptr<Run::Body> Run::Body::make(const TrainConfig& config, const RunContext& context) {
  check(config, context.place_of);
  const auto made = [&](auto body) -> std::unique_ptr<Body> {
    body->config = config;
    body->load(context);
    body->build(context.place_of);
    return body;
  };
  return config.run.dtype == FloatType::float64 ? made(std::make_unique<Typed<double>>())
                                                : made(std::make_unique<Typed<float>>());
}

RunResult Run::Body::result(Ending ending) const {
  const auto& at = state();
  RunResult result;
  result.ending = ending;
  result.step = at.step;
  result.steps = config.train.steps;
  result.skipped = at.skipped;
  result.tokens = at.tokens;
  result.seconds = at.seconds;
  result.optimizer_seconds = at.optimizer_seconds;
  result.loss = at.loss;
  result.validation_loss = at.validation_loss;
  if (ending == Ending::non_finite || ending == Ending::audit) result.trouble = trouble();
  audited(result);
  result.checkpoint = checkpoint;
  return result;
}

}  // namespace muonflow::train

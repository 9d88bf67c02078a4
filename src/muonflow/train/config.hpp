// What a training run is: every choice in one struct, read from TOML, checked before anything is
// written.
//
//   [run]        name, seed, threads, dtype
//   [data]       name (a known data set) or path (a text file), validation, block_size
//   [model]      kind = "gpt" and its sizes
//   [optimizer]  preset, per-group lr, weight_decay and options, clip (see optim/routing.hpp)
//   [transfer]   base_width, base_depth: of the model whose hyperparameters are given (muP)
//   [schedule]   kind, warmup, floor, decay_fraction
//   [train]      steps, batch_size, accumulation, evaluation, checkpoints, what a NaN does
//   [sample]     the text written at the end
//   [audit]      how often a step is held against what its rule claims (see optim/audit)
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "muonflow/core/config.hpp"
#include "muonflow/core/fields.hpp"
#include "muonflow/model/gpt_options.hpp"
#include "muonflow/optim/audit/options.hpp"
#include "muonflow/optim/routing.hpp"
#include "muonflow/optim/schedule.hpp"

namespace muonflow::train {

enum class FloatType { float32, float64 };

struct RunOptions {
  std::string name = "train";  // of the run folder: runs/NAME
  std::int64_t seed = 0;       // of weights, data order and rules
  std::int64_t threads = 0;    // 0: all processors; results do not depend on it
  FloatType dtype = FloatType::float32;

  void fields(FieldVisitor& v);
};

struct DataOptions {
  std::string name = {};                        // a data set of data/datasets.hpp
  std::string path = {};                        // a text file of one's own, or the place of `name`
  std::string validation = {};                  // a second text; empty: the end of the first
  double validation_fraction = 0.1;             // of the first text, where there is no second
  std::optional<std::int64_t> block_size = {};  // bytes a training example; off: the model's

  void fields(FieldVisitor& v);
};

enum class ModelKind { gpt };

struct ModelOptions {
  ModelKind kind = ModelKind::gpt;
  model::GptOptions gpt;

  void fields(FieldVisitor& v);
};

// What a loss or a gradient that is not finite does.
enum class NonFinite {
  skip,  // the step is left out: weights and optimizer state stay; `max_skips` in a row stop the
         // run
  stop,  // the run stops; its last good state is saved
};

struct TrainOptions {
  std::int64_t steps = 1000;
  std::int64_t batch_size = 16;         // examples a micro-batch
  std::int64_t accumulation = 1;        // micro-batches a step
  std::int64_t eval_every = 100;        // steps; 0: at the end only
  std::int64_t eval_batches = 8;        // fixed validation batches of batch_size examples
  std::int64_t checkpoint_every = 500;  // steps; 0: at the end only
  std::int64_t keep = 2;                // checkpoints that stay; 0: all
  NonFinite non_finite = NonFinite::stop;
  std::int64_t max_skips = 10;
  std::int64_t log_every = 1;  // steps between metrics on disk

  void fields(FieldVisitor& v);
};

struct SampleOptions {
  std::int64_t length = 200;  // bytes written after the prompt; 0: no sample
  std::string prompt = "\n";
  double temperature = 0.8;                // 0: always the likeliest byte
  std::optional<std::int64_t> top_k = {};  // off: all bytes
  std::optional<std::int64_t> seed = {};   // off: the run's

  void fields(FieldVisitor& v);
};

// Hyperparameter transfer: learning rates, epsilons, weight decays and initial weights are those of
// a base model and are scaled to this one; see docs/theory/transfer.md.
struct TransferOptions {
  std::optional<std::int64_t> base_width = {};  // n_embd of the base model; off: this one's
  std::optional<std::int64_t> base_depth = {};  // n_layer of the base model; off: this one's
  optim::TransferOptions scaling = {};

  bool on() const { return base_width || base_depth; }
  // The base model of a model: heads of the same size, as many as fit.
  model::GptOptions base_of(const model::GptOptions& gpt) const;
  void fields(FieldVisitor& v);
};

struct TrainConfig {
  RunOptions run;
  DataOptions data;
  ModelOptions model;
  optim::RoutingOptions optimizer;
  TransferOptions transfer;
  optim::Schedule schedule;
  TrainOptions train;
  SampleOptions sample;
  optim::AuditOptions audit;

  void fields(FieldVisitor& v);

  // `optimizer` as the driver takes it, with what [transfer] adds.
  optim::RoutingOptions routing() const;
  // Of [transfer]; off where it is.
  std::optional<model::GptOptions> base_model() const;
  std::int64_t block_size() const { return data.block_size.value_or(model.gpt.block_size); }
  std::int64_t tokens_per_step() const {
    return train.batch_size * train.accumulation * block_size();
  }
};

// Reads and checks. Throws ConfigError naming file and line, and the nearest known key.
TrainConfig read_config(const Config& config);
// What no range of a single key can say. Throws ConfigError.
void check(const TrainConfig& config, const PlaceOf& place_of = {});
// The resolved configuration, every key with its value, as TOML.
std::string to_toml(const TrainConfig& config);

// The keys whose values differ, dotted: "model.n_layer".
std::vector<std::string> differing_keys(const TrainConfig& a, const TrainConfig& b);
// Whether a run that is resumed may be given another value: the number of steps, threads, how often
// it is evaluated, logged, saved and audited, and its sample. Everything else would make it another
// run.
bool may_change_on_resume(std::string_view key);

}  // namespace muonflow::train

template <>
struct muonflow::EnumNames<muonflow::train::FloatType> {
  static constexpr std::array<std::string_view, 2> names{"float32", "float64"};
};
template <>
struct muonflow::EnumNames<muonflow::train::ModelKind> {
  static constexpr std::array<std::string_view, 1> names{"gpt"};
};
template <>
struct muonflow::EnumNames<muonflow::train::NonFinite> {
  static constexpr std::array<std::string_view, 2> names{"skip", "stop"};
};

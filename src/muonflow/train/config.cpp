#include "muonflow/train/config.hpp"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "muonflow/core/error.hpp"

namespace muonflow::train {
namespace {

constexpr Range kAtLeastOne{.lo = 1};

// Every leaf of a tree under its dotted path.
void flatten(const Json& tree, const std::string& path, std::map<std::string, Json>& leaves) {
  if (tree.is_object() && !tree.empty()) {
    for (const auto& [key, value] : tree.items()) {
      flatten(value, path.empty() ? key : path + "." + key, leaves);
    }
  } else {
    leaves[path] = tree;
  }
}

}  // namespace

void RunOptions::fields(FieldVisitor& v) {
  v.text("name", name, "name of the run and of its folder, runs/NAME");
  v.integer("seed", seed, kNonNegative, "seed of weights, data order and rules");
  v.integer("threads", threads, kNonNegative, "threads; 0: all processors");
  v.choice("dtype", dtype, "type of weights, gradients and optimizer state");
}

void DataOptions::fields(FieldVisitor& v) {
  v.text("name", name, "a known data set (muonflow data list)");
  v.text("path", path, "a text file, or the place of the data set");
  v.text("validation", validation, "a second text file; empty: the end of the first");
  v.real("validation_fraction", validation_fraction,
         {.lo = 0, .hi = 1, .lo_open = true, .hi_open = true},
         "part of the text kept for validation where there is no second");
  v.optional_integer("block_size", block_size, kAtLeastOne,
                     "bytes of a training example; off: the model's");
}

void ModelOptions::fields(FieldVisitor& v) {
  v.choice("kind", kind, "the model");
  gpt.fields(v);
}

void TrainOptions::fields(FieldVisitor& v) {
  v.integer("steps", steps, kNonNegative, "optimizer steps of the run");
  v.integer("batch_size", batch_size, kAtLeastOne, "examples a micro-batch");
  v.integer("accumulation", accumulation, kAtLeastOne, "micro-batches whose gradients make a step");
  v.integer("eval_every", eval_every, kNonNegative, "steps between evaluations; 0: at the end");
  v.integer("eval_batches", eval_batches, kAtLeastOne, "validation batches of an evaluation");
  v.integer("checkpoint_every", checkpoint_every, kNonNegative,
            "steps between checkpoints; 0: at the end");
  v.integer("keep", keep, kNonNegative, "newest checkpoints that stay; 0: all");
  v.choice("non_finite", non_finite, "what a loss or gradient that is not finite does");
  v.integer("max_skips", max_skips, kAtLeastOne, "skipped steps in a row that stop the run");
  v.integer("log_every", log_every, kAtLeastOne, "steps between lines of metrics.csv");
}

void SampleOptions::fields(FieldVisitor& v) {
  v.integer("length", length, kNonNegative, "bytes written after the prompt; 0: none");
  v.text("prompt", prompt, "text that the sample goes on from");
  v.real("temperature", temperature, kNonNegative, "0: always the likeliest byte");
  v.optional_integer("top_k", top_k, kAtLeastOne, "draw from the likeliest only");
  v.optional_integer("seed", seed, kNonNegative, "off: the seed of the run");
}

void TransferOptions::fields(FieldVisitor& v) {
  v.optional_integer("base_width", base_width, kAtLeastOne,
                     "model.n_embd that the hyperparameters were tuned for; off: this model's");
  v.optional_integer("base_depth", base_depth, kAtLeastOne,
                     "model.n_layer that the hyperparameters were tuned for; off: this model's");
  scaling.fields(v);
}

model::GptOptions TransferOptions::base_of(const model::GptOptions& gpt) const {
  auto base = gpt;
  base.n_embd = base_width.value_or(gpt.n_embd);
  base.n_layer = base_depth.value_or(gpt.n_layer);
  base.n_head = base.n_embd / (gpt.n_embd / gpt.n_head);
  return base;
}

optim::RoutingOptions TrainConfig::routing() const {
  auto options = optimizer;
  options.transfer = transfer.scaling;
  return options;
}

std::optional<model::GptOptions> TrainConfig::base_model() const {
  if (!transfer.on()) return {};
  return transfer.base_of(model.gpt);
}

void TrainConfig::fields(FieldVisitor& v) {
  v.group("run", run, "the run itself");
  v.group("data", data, "what is read");
  v.group("model", model, "the network");
  v.group("optimizer", optimizer, "which rule for which parameter");
  v.group("transfer", transfer, "from the base model whose hyperparameters these are");
  v.group("schedule", schedule, "how the learning rates move");
  v.group("train", train, "the loop");
  v.group("sample", sample, "the text written at the end");
  v.group("audit", audit, "whether a step is what its rule claims");
}

TrainConfig read_config(const Config& config) {
  TrainConfig read_in;
  read(config.tree(), read_in, config.place_of());
  check(read_in, config.place_of());
  return read_in;
}

void check(const TrainConfig& config, const PlaceOf& place_of) {
  const auto place = [&](const std::string& key) { return place_of ? place_of(key) : key; };
  if (config.run.name.empty() || config.run.name.find('/') != std::string::npos ||
      config.run.name.starts_with('.')) {
    throw ConfigError({.place = place("run.name"),
                       .expected = "a folder name without '/'",
                       .found = "'" + config.run.name + "'"});
  }
  if (config.data.name.empty() && config.data.path.empty()) {
    throw ConfigError({.place = place("data"),
                       .expected = "name (a known data set) or path (a text file)",
                       .found = "neither",
                       .advice = "see muonflow data list"});
  }
  if (!config.data.name.empty() && !config.data.validation.empty()) {
    throw ConfigError(
        {.place = place("data.validation"),
         .what = "the data set '" + config.data.name + "' has its own validation text",
         .advice = "give data.path instead of data.name"});
  }
  const auto& gpt = config.model.gpt;
  if (gpt.n_embd % gpt.n_head != 0) {
    throw ConfigError({.place = place("model.n_head"),
                       .expected = "a divisor of model.n_embd = " + std::to_string(gpt.n_embd),
                       .found = std::to_string(gpt.n_head)});
  }
  const auto head = gpt.n_embd / gpt.n_head;
  if (const auto width = config.transfer.base_width; width && *width % head != 0) {
    throw ConfigError(
        {.place = place("transfer.base_width"),
         .what = "heads keep their size",
         .expected = "a multiple of model.n_embd / model.n_head = " + std::to_string(head),
         .found = std::to_string(*width)});
  }
  if (config.block_size() > gpt.block_size) {
    throw ConfigError({.place = place("data.block_size"),
                       .expected = "at most model.block_size = " + std::to_string(gpt.block_size),
                       .found = std::to_string(config.block_size())});
  }
  if (config.sample.length > 0) {
    if (config.sample.prompt.empty()) {
      throw ConfigError({.place = place("sample.prompt"),
                         .expected = "at least one character",
                         .found = "an empty text",
                         .advice = "sample.length = 0 writes no sample"});
    }
    for (const char c : config.sample.prompt) {
      const auto byte = static_cast<unsigned char>(c);
      if (byte >= gpt.vocab_size) {
        throw ConfigError(
            {.place = place("sample.prompt"),
             .expected = "bytes below model.vocab_size = " + std::to_string(gpt.vocab_size),
             .found = "byte " + std::to_string(byte)});
      }
    }
  }
}

std::string to_toml(const TrainConfig& config) { return muonflow::to_toml(to_json(config)); }

std::vector<std::string> differing_keys(const TrainConfig& a, const TrainConfig& b) {
  std::map<std::string, Json> left;
  std::map<std::string, Json> right;
  flatten(to_json(a), "", left);
  flatten(to_json(b), "", right);
  std::vector<std::string> keys;
  for (const auto& [key, value] : left) {
    const auto other = right.find(key);
    if (other == right.end() || other->second != value) keys.push_back(key);
  }
  for (const auto& [key, value] : right) {
    if (!left.contains(key)) keys.push_back(key);
  }
  std::sort(keys.begin(), keys.end());
  return keys;
}

bool may_change_on_resume(std::string_view key) {
  static constexpr std::array<std::string_view, 8> kFree{
      "run.threads", "train.steps",     "train.eval_every", "train.checkpoint_every",
      "train.keep",  "train.log_every", "train.non_finite", "train.max_skips"};
  return key.starts_with("sample.") || key.starts_with("audit.") ||
         std::find(kFree.begin(), kFree.end(), key) != kFree.end();
}

}  // namespace muonflow::train

#include "muonflow/train/run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "muonflow/core/error.hpp"
#include "muonflow/core/text.hpp"
#include "muonflow/data/batches.hpp"
#include "muonflow/data/datasets.hpp"
#include "muonflow/data/text.hpp"
#include "muonflow/record/checkpoint_folder.hpp"
#include "muonflow/record/json_file.hpp"
#include "muonflow/record/manifest.hpp"
#include "muonflow/record/run_folder.hpp"
#include "muonflow/train/checkpoint.hpp"
#include "muonflow/train/recorder.hpp"
#include "muonflow/train/sample.hpp"
#include "muonflow/train/saver.hpp"
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

Json routing_rows(const optim::RoutingTable& table) {
  Json rows = Json::array();
  for (const auto& row : table.rows) {
    rows.push_back({{"tensor", row.tensor},
                    {"shape", row.shape},
                    {"role", optim::name_of(row.role)},
                    {"rule", row.rule},
                    {"lr", row.lr},
                    {"weight_decay", row.weight_decay},
                    {"multiplier", row.multiplier},
                    {"reason", row.reason}});
  }
  return rows;
}

template <class V>
Json or_null(const std::optional<V>& value) {
  return value ? Json(*value) : Json();
}

}  // namespace

// What does not depend on the scalar type.
struct Run::Body {
  TrainConfig config;
  data::Corpus corpus;
  Preview preview;
  fs::path path;                            // of the run folder; empty: a preview
  std::optional<record::RunFolder> folder;  // open while the run may write
  fs::path checkpoint;                      // the newest one; empty: none
  bool same_kernels = true;
  bool summarized = false;  // summary.json tells of this many steps

  virtual ~Body() = default;
  virtual const LoopState& state() const = 0;
  virtual const std::optional<TroubleRecord>& trouble() const = 0;
  virtual void restore(const Checkpoint& checkpoint, const std::string& place) = 0;
  virtual Ending train(std::span<Observer* const> observers, const std::function<bool()>& stop) = 0;
  virtual std::string sample() = 0;

  void load(const RunContext& context);
  static std::unique_ptr<Body> make(const TrainConfig& config, const RunContext& context);
  RunResult result(Ending ending) const;
  void open_folder();
  void write_routing();
  void write_sample(RunResult& result);
  void write_summary(const RunResult& result);
};

template <class T>
struct Run::Typed final : Run::Body {
  std::optional<model::Gpt<T>> gpt;
  std::optional<optim::Optimizer<T>> optimizer;
  std::optional<data::TokenBatches> batches;
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
    gpt.emplace(config.model.gpt);
    gpt->initialize(seed);
    optimizer.emplace(gpt->parameters(), config.optimizer, seed, place_of);
    trainer.emplace(*gpt, *optimizer, *batches, std::move(validation), options, config.schedule);
    trainer->describe(to_toml(config));
    preview.routing = optimizer->routing();
    preview.memory = estimate_memory(*gpt, *optimizer, options.batch_size, config.block_size());
    preview.parameters = gpt->parameter_count();
  }

  const LoopState& state() const override { return trainer->state(); }
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
  if (ending == Ending::non_finite) result.trouble = trouble();
  result.checkpoint = checkpoint;
  return result;
}

void Run::Body::write_routing() {
  folder->event({{"kind", "routing"}, {"step", 0}, {"rows", routing_rows(preview.routing)}});
}

// Goes on in a folder that exists. What later steps had told is dropped: they are taken again.
void Run::Body::open_folder() {
  const auto step = state().step;
  folder = record::RunFolder::open(path, step == 0 ? -1 : step);
  std::error_code ignored;
  fs::remove(path / "summary.json", ignored);  // of an ending that is none any more
  folder->config(to_toml(config));
  if (step == 0) write_routing();
  folder->event({{"kind", "resume"}, {"step", step}, {"steps", config.train.steps}});
}

void Run::Body::write_sample(RunResult& result) {
  if (result.ending != Ending::finished || config.sample.length == 0) return;
  result.sample = printable(config.sample.prompt + sample());
  folder->event({{"kind", "sample"}, {"step", result.step}, {"text", result.sample}});
}

void Run::Body::write_summary(const RunResult& result) {
  Json summary;
  summary["ending"] = to_string(result.ending);
  summary["step"] = result.step;
  summary["steps"] = result.steps;
  summary["skipped"] = result.skipped;
  summary["tokens"] = result.tokens;
  summary["seconds"] = result.seconds;
  summary["optimizer_seconds"] = result.optimizer_seconds;
  summary["loss"] = or_null(result.loss);
  summary["validation_loss"] = or_null(result.validation_loss);
  summary["parameters"] = preview.parameters;
  summary["checkpoint"] = result.checkpoint.empty()
                              ? Json()
                              : Json(result.checkpoint.lexically_relative(path).string());
  summary["sample"] = result.sample;
  folder->summary(summary);
  summarized = result.ending == Ending::finished;
}

Run::Run(std::unique_ptr<Body> body) : body_(std::move(body)) {}
Run::~Run() = default;
Run::Run(Run&&) noexcept = default;
Run& Run::operator=(Run&&) noexcept = default;

Preview Run::preview(const TrainConfig& config, const RunContext& context) {
  return Body::make(config, context)->preview;
}

Run Run::start(const TrainConfig& config, const fs::path& folder, const RunContext& context) {
  std::error_code ignored;
  if (fs::exists(folder / "manifest.json", ignored)) {
    throw ConfigError({.place = folder.string(),
                       .what = "there is a run already",
                       .advice = "go on with it by --resume " + folder.string() +
                                 ", or give another folder by --out"});
  }
  auto body = Body::make(config, context);
  auto manifest = record::make_manifest("train", context.command, to_json(config), config.run.seed,
                                        kernel_plan());
  manifest["parameters"] = body->preview.parameters;
  body->path = folder;
  body->folder = record::RunFolder::create(folder, manifest, to_toml(config));
  body->write_routing();
  return Run(std::move(body));
}

namespace {

// The configuration of a resumed run: its own, and what may be changed.
TrainConfig changed_config(const fs::path& folder, const Run::Changes& changes) {
  const auto file = folder / "config.toml";
  const auto own_file = Config::from_file(file);
  const auto own = read_config(own_file);
  auto wanted_file = changes.config.value_or(own_file);
  for (const auto& assignment : changes.assignments) wanted_file.set(assignment);
  auto wanted = read_config(wanted_file);
  // A known data set is told by its digest, wherever its file lies.
  if (!own.data.name.empty() && wanted.data.name == own.data.name && wanted.data.path.empty()) {
    wanted.data.path = own.data.path;
  }
  for (const auto& key : differing_keys(own, wanted)) {
    if (may_change_on_resume(key) || (key == "data.path" && !own.data.name.empty())) continue;
    throw ConfigError(
        {.place = wanted_file.place(key),
         .what = "a resumed run must keep '" + key + "' as " + file.string() + " has it",
         .advice = "start a new run for another value"});
  }
  return wanted;
}

}  // namespace

Run Run::resume(const fs::path& folder, const Changes& changes, const RunContext& context) {
  std::error_code ignored;
  if (!fs::exists(folder / "manifest.json", ignored)) {
    throw IoError(
        {.place = folder.string(),
         .what = "no run folder",
         .expected = "manifest.json of a run that was started",
         .found = fs::exists(folder, ignored) ? "a folder without it" : "no such folder"});
  }
  const auto manifest = record::read_json_file(folder / "manifest.json");
  if (manifest.value("kind", "") != "train") {
    throw ConfigError({.place = folder.string(),
                       .expected = "a run of muonflow train",
                       .found = "a run of kind '" + manifest.value("kind", "") + "'"});
  }
  const auto config = changed_config(folder, changes);
  auto body = Body::make(config, context);
  const auto newest = record::newest_checkpoint(folder / "checkpoints");
  if (newest) {
    const auto checkpoint = read_checkpoint(*newest);
    body->restore(checkpoint, newest->string());
    body->checkpoint = *newest;
    body->same_kernels = checkpoint.kernels == kernel_plan();
  }
  const auto step = body->state().step;
  if (config.train.steps < step) {
    throw ConfigError({.place = "train.steps",
                       .expected = "at least the " + std::to_string(step) + " steps already done",
                       .found = std::to_string(config.train.steps)});
  }
  if (fs::exists(folder / "summary.json", ignored)) {
    const auto summary = record::read_json_file(folder / "summary.json");
    body->summarized = summary.value("ending", "") == to_string(Ending::finished) &&
                       summary.value("step", Json()) == config.train.steps;
  }
  body->path = folder;
  return Run(std::move(body));
}

const Preview& Run::preview() const { return body_->preview; }
const fs::path& Run::folder() const { return body_->path; }
std::int64_t Run::step() const { return body_->state().step; }
bool Run::finished() const {
  return body_->state().step >= body_->config.train.steps && body_->summarized;
}
bool Run::same_kernels() const { return body_->same_kernels; }

RunResult Run::execute(std::span<Observer* const> observers, const std::function<bool()>& stop) {
  auto& body = *body_;
  if (!body.folder) body.open_folder();
  const auto& options = body.config.train;
  Recorder recorder(*body.folder, options.log_every);
  Saver saver(body.folder->checkpoints(), options.checkpoint_every, options.keep);
  if (!body.checkpoint.empty()) saver.known(body.checkpoint, body.state().step);
  saver.on_saved = [&](std::int64_t step, const fs::path& checkpoint) {
    body.checkpoint = checkpoint;
    body.folder->event({{"kind", "checkpoint"},
                        {"step", step},
                        {"path", checkpoint.lexically_relative(body.path).string()}});
  };
  std::vector<Observer*> all{&saver, &recorder};
  all.insert(all.end(), observers.begin(), observers.end());
  auto result = body.result(body.train(all, stop));
  body.write_sample(result);
  body.write_summary(result);
  return result;
}

std::string Preview::routing_summary() const {
  struct Share {
    std::string rule;
    double lr;
    std::int64_t tensors, parameters;
  };
  std::vector<Share> shares;
  for (const auto& row : routing.rows) {
    auto at = std::find_if(shares.begin(), shares.end(), [&](const Share& share) {
      return share.rule == row.rule && share.lr == row.lr;
    });
    if (at == shares.end()) at = shares.insert(at, {row.rule, row.lr, 0, 0});
    ++at->tensors;
    at->parameters += element_count(row.shape);
  }
  std::stable_sort(shares.begin(), shares.end(),
                   [](const Share& a, const Share& b) { return a.parameters > b.parameters; });
  std::vector<std::string> texts;
  for (const auto& share : shares) {
    texts.push_back(fmt::format("{} lr {} on {} tensors ({} parameters)", share.rule,
                                shortest(share.lr), share.tensors, share.parameters));
  }
  return join(texts, "; ");
}

}  // namespace muonflow::train

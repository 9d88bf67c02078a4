#include "muonflow/train/run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "muonflow/core/error.hpp"
#include "muonflow/core/text.hpp"
#include "muonflow/linalg/plan.hpp"
#include "muonflow/model/models.hpp"
#include "muonflow/optim/rule_registry.hpp"
#include "muonflow/record/checkpoint_folder.hpp"
#include "muonflow/record/json_file.hpp"
#include "muonflow/record/manifest.hpp"
#include "muonflow/train/detail/run_body.hpp"
#include "muonflow/train/recorder.hpp"
#include "muonflow/train/sample.hpp"
#include "muonflow/train/saver.hpp"

namespace muonflow::train {
namespace {

namespace fs = std::filesystem;

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
    if (!row.has_base) continue;
    rows.back()["transfer"] = {{"lr", row.transfer.lr},
                               {"epsilon", row.transfer.epsilon},
                               {"weight_decay", row.transfer.weight_decay},
                               {"initial", row.transfer.initial}};
  }
  return rows;
}

// Where the methods of a run come from, each once, in the order of the routing table.
Json references(const TrainConfig& config, const optim::RoutingTable& table) {
  std::vector<std::string> names;
  for (const auto& row : table.rows) {
    if (std::find(names.begin(), names.end(), row.rule) == names.end()) names.push_back(row.rule);
  }
  const auto& model = model::models().at(enum_name(config.model.kind));
  Json all = Json::array({{{"name", model.name}, {"cite", model.cite}}});
  for (const auto& name : names) {
    all.push_back({{"name", name}, {"cite", optim::find_rule(name).entry->info.cite}});
  }
  return all;
}

template <class V>
Json or_null(const std::optional<V>& value) {
  return value ? Json(*value) : Json();
}

}  // namespace

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
  if (result.audit) {
    const auto& audit = *result.audit;
    summary["audit"] = {{"audits", audit.audits},   {"checks", audit.checks},
                        {"failed", audit.failed},   {"not_judged", audit.off},
                        {"put_off", audit.put_off}, {"seconds", audit.seconds},
                        {"share", audit.share()}};
  }
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
  manifest["plan"] = to_json(linalg::plan_table());
  manifest["references"] = references(config, body->preview.routing);
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
    linalg::set_plan_table(checkpoint.plan);
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

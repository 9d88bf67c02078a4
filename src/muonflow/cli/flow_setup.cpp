#include "muonflow/cli/flow_setup.hpp"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "muonflow/cli/data_cache.hpp"
#include "muonflow/core/error.hpp"
#include "muonflow/core/safetensors.hpp"
#include "muonflow/data/samples.hpp"
#include "muonflow/flow/layout.hpp"
#include "muonflow/flow/state.hpp"
#include "muonflow/record/checkpoint_folder.hpp"
#include "muonflow/record/reader.hpp"

namespace muonflow::cli {
namespace {

namespace fs = std::filesystem;

fs::path find_file(const std::string& name, const fs::path& from) {
  std::error_code ignored;
  fs::path path = name;
  const auto beside = from.parent_path() / path;
  if (path.is_relative() && !fs::exists(path, ignored) && fs::exists(beside, ignored))
    path = beside;
  return fs::absolute(path);
}

// A file that the key of a configuration names.
TensorMap read_named(const fs::path& path, const std::string& place) {
  std::error_code ignored;
  if (!fs::exists(path, ignored)) {
    throw IoError({.place = place, .what = path.string() + " cannot be read: no such file"});
  }
  return read_safetensors(path).tensors;
}

// The cursor field by field, for both directions.
template <class Visit>
void visit_cursor(flow::Cursor& cursor, const Visit& visit) {
  auto& ledger = cursor.ledger;
  visit("step", cursor.step);
  visit("next_record", cursor.next_record);
  visit("on_grid", cursor.on_grid);
  visit("parts", cursor.parts);
  visit("forces", cursor.forces);
  visit("next_step", cursor.next_step);
  visit("potential", cursor.potential);
  visit("initial_energy", ledger.initial_energy);
  visit("scale", ledger.scale);
  visit("dissipated", ledger.dissipated);
  visit("carry", ledger.carry);
  visit("energy", ledger.energy);
  visit("objective", ledger.objective);
  visit("largest_relative_error", ledger.largest_relative_error);
  visit("objective_increases", ledger.objective_increases);
  visit("energy_increases", ledger.energy_increases);
}

// The width of what the particles take as inputs: the columns of their main matrix.
std::int64_t inputs_of(const FlowSetup& setup) {
  const auto& shape = setup.options.particles.shape;
  if (!shape.empty()) return shape[1];
  if (!setup.data.initial) {
    throw ConfigError({.place = setup.place("particles.shape"),
                       .what = "missing",
                       .expected = "two numbers [rows, columns]"});
  }
  const auto layout = flow::layout_of(*setup.data.initial, setup.data.initial_place);
  return layout.blocks().front().cols;
}

// The tensors of the file or of the data set that [objective] names.
void read_objective_data(FlowSetup& setup, const fs::path& from) {
  Json resolved = *setup.options.objective;
  const auto file = resolved.at("file").get<std::string>();
  const auto dataset = resolved.value("dataset", std::string());
  if (file.empty() && dataset.empty()) return;
  const auto path = file.empty() ? fs::path() : find_file(file, from);
  resolved["file"] = path.string();
  if (dataset.empty()) {
    setup.data.objective = read_named(path, setup.place("objective.file"));
    setup.data.objective_place = path.string();
  } else {
    const auto& entry = data::sample_sets().at(dataset, setup.place("objective.dataset"));
    const auto where = path.empty() && !entry.corpus.empty()
                           ? cached_dataset(data::datasets().at(entry.corpus), data_cache())
                           : path;
    setup.data.objective =
        data::load_samples(dataset,
                           {.samples = resolved.at("samples").get<std::int64_t>(),
                            .inputs = inputs_of(setup),
                            .place = setup.place("particles.shape")},
                           where);
    setup.data.objective_place = "data set " + dataset;
  }
  setup.options.objective = std::make_shared<const Json>(std::move(resolved));
}

void read_checkpoint(const fs::path& path, FlowResume& resume) {
  const auto state = record::read_checkpoint_state(path);
  try {
    flow::Cursor cursor;
    visit_cursor(cursor,
                 [&](const char* name, auto& value) { state.at("cursor").at(name).get_to(value); });
    resume.cursor = cursor;
    state.at("time").get_to(resume.time);
    state.at("seconds").get_to(resume.seconds);
    resume.data_digest = std::stoull(state.at("data_digest").get<std::string>(), nullptr, 16);
  } catch (const std::exception&) {
    throw IoError({.place = (path / "state.json").string(), .expected = "the state of a flow"});
  }
  resume.setup.data.initial = record::read_checkpoint_file(path, "state");
  resume.setup.data.initial_place = (path / "state.safetensors").string();
  resume.checkpoint = path;
}

// The first key whose value differs, dotted; keys that may differ are passed over.
std::optional<std::string> differing_key(const Json& ours, const Json& theirs,
                                         const std::string& path = "") {
  constexpr std::array<std::string_view, 5> kFree{"run.name", "run.threads", "run.checkpoint_every",
                                                  "integrator.end_time", "initial.file"};
  for (const auto& [key, value] : ours.items()) {
    const auto name = path.empty() ? key : path + "." + key;
    if (std::find(kFree.begin(), kFree.end(), name) != kFree.end()) continue;
    if (!theirs.contains(key)) return name;
    if (value.is_object() && theirs[key].is_object()) {
      if (auto inner = differing_key(value, theirs[key], name)) return inner;
    } else if (value != theirs[key]) {
      return name;
    }
  }
  for (const auto& [key, value] : theirs.items()) {
    if (!ours.contains(key)) return path.empty() ? key : path + "." + key;
  }
  return std::nullopt;
}

std::string value_at(const Json& tree, const std::string& path) {
  const Json* at = &tree;
  std::size_t begin = 0;
  while (begin <= path.size()) {
    const auto end = std::min(path.find('.', begin), path.size());
    const auto key = path.substr(begin, end - begin);
    if (!at->contains(key)) return "nothing";
    at = &(*at)[key];
    begin = end + 1;
  }
  return at->dump();
}

void require_same_system(const FlowSetup& asked, const FlowSetup& own, const fs::path& folder,
                         const FlowResume& resume) {
  const auto asked_tree = muonflow::to_json(asked.options);
  const auto own_tree = muonflow::to_json(own.options);
  if (const auto key = differing_key(own_tree, asked_tree)) {
    throw ConfigError({.place = asked.place(*key),
                       .what = "a resumed run keeps its system",
                       .expected = value_at(own_tree, *key) + " as in " + folder.string(),
                       .found = value_at(asked_tree, *key),
                       .advice = "start a new run with --out"});
  }
  const double end = asked.options.integrator.end_time;
  const bool moved = end != own.options.integrator.end_time;
  const bool possible = !resume.cursor || (resume.cursor->on_grid && end > resume.time);
  if (moved && !possible) {
    throw ConfigError(
        {.place = asked.place("integrator.end_time"),
         .what = "the run cannot end there",
         .expected = "a time after the checkpoint's, whose steps are all of full length",
         .found = value_at(asked_tree, "integrator.end_time")});
  }
}

}  // namespace

std::string FlowSetup::to_toml() const { return muonflow::to_toml(muonflow::to_json(options)); }

FlowSetup read_flow(const Config& config, const fs::path& from) {
  FlowSetup setup{.options = flow::read_options(config.tree(), config.place_of()),
                  .data = {},
                  .place = config.place_of()};
  auto& options = setup.options;
  if (!options.initial.file.empty()) {
    const auto path = find_file(options.initial.file, from);
    setup.data.initial = read_named(path, setup.place("initial.file"));
    setup.data.initial_place = path.string();
    options.initial.file = path.string();
  }
  read_objective_data(setup, from);
  const auto layout = flow::make_layout(options, setup.data, setup.place);
  options.particles.count = layout.particles();
  if (layout.blocks().size() == 1) {
    options.particles.shape = {layout.blocks().front().rows, layout.blocks().front().cols};
  }
  return setup;
}

FlowResume resume_flow(const fs::path& folder, const std::string& config,
                       const std::vector<std::string>& assignments) {
  const auto run = record::RunReader::open(folder);
  if (run.manifest().value("kind", "") != "flow") {
    throw ConfigError({.place = folder.string(),
                       .expected = "the folder of a flow",
                       .found = "a run of kind " + run.manifest().value("kind", "unknown")});
  }
  const auto own_path = folder / "config.toml";
  auto own = Config::from_file(own_path);
  auto asked = config.empty() ? own : Config::from_file(config);
  for (const auto& assignment : assignments) asked.set(assignment);

  FlowResume resume;
  const auto own_setup = read_flow(own, own_path);
  resume.setup = read_flow(asked, config.empty() ? own_path : fs::path(config));
  if (const auto checkpoint = record::newest_checkpoint(folder / "checkpoints")) {
    read_checkpoint(*checkpoint, resume);
  }
  require_same_system(resume.setup, own_setup, folder, resume);
  return resume;
}

Json checkpoint_state(const flow::Cursor& cursor, double time, double seconds,
                      std::uint64_t data_digest) {
  std::array<char, 17> hex{};
  std::snprintf(hex.data(), hex.size(), "%016llx", static_cast<unsigned long long>(data_digest));
  Json state = {{"time", time}, {"seconds", seconds}, {"data_digest", hex.data()}};
  auto copy = cursor;
  visit_cursor(copy, [&](const char* name, auto& value) { state["cursor"][name] = value; });
  return state;
}

}  // namespace muonflow::cli

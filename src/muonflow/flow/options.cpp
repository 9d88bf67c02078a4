#include "muonflow/flow/options.hpp"

#include <nlohmann/json.hpp>

#include "muonflow/core/error.hpp"
#include "muonflow/flow/adaptive.hpp"
#include "muonflow/geometry/geometries.hpp"

namespace muonflow::flow {

namespace {

void visit_tree(FieldVisitor& v, const char* name, std::shared_ptr<const Json>& table,
                const char* doc) {
  Json tree = *table;
  v.tree(name, tree, doc);
  table = std::make_shared<const Json>(std::move(tree));
}

}  // namespace

FlowOptions::FlowOptions()
    : objective(std::make_shared<const Json>(Json::object())),
      geometry(std::make_shared<const Json>(Json::object())) {}

void FlowOptions::fields(FieldVisitor& v) {
  visit_tree(v, "objective", objective, "J: kind, risk, file and the objective's own keys");
  visit_tree(
      v, "geometry", geometry,
      "kinetic energy: kind, weight and the geometry's own keys; [geometry.BLOCK] for one block");
  v.group("dynamics", dynamics, "the equation");
  v.group("integrator", integrator, "how it is stepped");
  v.group("particles", particles, "how many, of what shape, and where they start");
  v.group("initial", initial, "a start from a file");
  v.group("record", record, "what is written down");
  v.group("run", run, "the run itself");
}

void ParticleOptions::fields(FieldVisitor& v) {
  v.optional_integer("count", count, {.lo = 1}, "number N of particles");
  v.integer_list("shape", shape, {.lo = 1}, "rows and columns of a particle's matrix");
  v.integer("seed", seed, kNonNegative, "draws the weights where no initial file is given");
  v.real("scale", scale, kNonNegative, "standard deviation of the entries of drawn weights");
}

void InitialOptions::fields(FieldVisitor& v) {
  v.text("file", file,
         "safetensors file with W and optionally M, [N, m, n]; blocks: W/BLOCK, M/BLOCK");
}

void RecordOptions::fields(FieldVisitor& v) {
  v.real("every", every, kPositive, "time between records");
  v.boolean("spectra", spectra, "also the mean singular values of the momenta");
}

void RunOptions::fields(FieldVisitor& v) {
  v.text("name", name, "names the run folder where none is given");
  v.integer("threads", threads, kNonNegative, "0: all processors");
  v.optional_integer("checkpoint_every", checkpoint_every, {.lo = 1}, "steps between checkpoints");
  v.choice("dtype", dtype, "type of weights and momenta");
}

SimulateOptions FlowOptions::times() const {
  return {.step = integrator.step, .end_time = integrator.end_time, .record_every = record.every};
}

bool FlowOptions::can_do_without_forces() const {
  return integrators().at(integrator.kind).info.needs_no_forces && !integrator.adaptive &&
         dynamics.kind == DynamicsKind::inertial && dynamics.noise == 0;
}

namespace {

std::string at(const PlaceOf& place, const std::string& path) { return place ? place(path) : path; }

std::string kind_of(const Json& table, const std::string& path, const std::string& otherwise,
                    const PlaceOf& place) {
  if (!table.contains("kind")) return otherwise;
  if (!table["kind"].is_string()) {
    throw ConfigError(
        {.place = at(place, path + ".kind"), .expected = "a text", .found = table["kind"].dump()});
  }
  return table["kind"].get<std::string>();
}

// The keys that every [geometry] table has; the geometry's own stand beside them.
struct GeometryHead {
  std::string kind;
  double weight = 1;
};

// One [geometry] or [geometry.BLOCK] table with its defaults, checked by making the geometry. A
// block's table says what is different there: what it leaves out is as in `whole`, the geometry's
// own keys only where its kind is the same.
Json resolve_geometry(const Json& table, const std::string& path, const Json& whole,
                      const PlaceOf& place) {
  GeometryHead head{
      .kind = kind_of(table, path, whole.value("kind", std::string("smoothed_nuclear")), place),
      .weight = whole.value("weight", 1.0)};
  const bool same = whole.value("kind", std::string()) == head.kind;
  Json own = Json::object();
  Json blocks = Json::object();
  for (const auto& [key, value] : table.items()) {
    if (key == "kind" || key == "weight") continue;
    (value.is_object() ? blocks : own)[key] = value;
  }
  if (table.contains("weight")) {
    read_fields(
        Json{{"weight", table["weight"]}},
        [&](FieldVisitor& v) { v.real("weight", head.weight, kPositive, ""); }, place, path);
  }
  geometry::make_potential<double>(head.kind, own, place, path);
  Json resolved = {{"kind", head.kind}, {"weight", head.weight}};
  for (const auto& field : geometry::geometries().at(head.kind).fields) {
    if (own.contains(field.name)) {
      resolved[field.name] = own[field.name];
    } else if (same) {
      resolved[field.name] = whole.at(field.name);
    } else {
      // A choice, and "off", describe their default as a bare word.
      Json value = Json::parse(field.default_value, nullptr, false);
      resolved[field.name] = value.is_discarded() ? Json(field.default_value) : value;
    }
  }
  const Json without_blocks = resolved;
  for (const auto& [name, block] : blocks.items()) {
    resolved[name] = resolve_geometry(block, path + "." + name, without_blocks, place);
  }
  return resolved;
}

}  // namespace

FlowOptions read_options(const Json& tree, const PlaceOf& place) {
  FlowOptions options;
  read(tree, options, place);
  const auto objective_kind = kind_of(*options.objective, "objective", "tanh_ridge", place);
  const auto& objective = objectives().at(objective_kind, at(place, "objective.kind"));
  objective.read(*options.objective, place);
  options.objective = std::make_shared<const Json>(objective.resolve(*options.objective));
  options.geometry = std::make_shared<const Json>(
      resolve_geometry(*options.geometry, "geometry", Json::object(), place));
  const auto& integrator = integrators().at(options.integrator.kind, at(place, "integrator.kind"));
  if (options.integrator.adaptive) {
    make_adaptive<double>(integrator, options.integrator, at(place, "integrator.adaptive"));
  }
  const bool noisy = options.dynamics.noise != 0;
  if (noisy && (!integrator.info.noise || options.integrator.adaptive)) {
    throw ConfigError(
        {.place = at(place, "dynamics.noise"),
         .what = "integrator '" + options.integrator.kind + "' is for noise-free gradients",
         .advice = "use integrator.kind = \"muon\" with fixed steps"});
  }
  const auto& shape = options.particles.shape;
  if (!shape.empty() && shape.size() != 2) {
    throw ConfigError({.place = at(place, "particles.shape"),
                       .expected = "two numbers [rows, columns]",
                       .found = to_string(shape)});
  }
  options.times().check(at(place, "integrator.step"));
  return options;
}

}  // namespace muonflow::flow

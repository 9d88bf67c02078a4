#include "muonflow/flow/problem.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "muonflow/core/error.hpp"
#include "muonflow/core/text.hpp"
#include "muonflow/flow/adaptive.hpp"
#include "muonflow/geometry/geometries.hpp"

namespace muonflow::flow {
namespace {

// FNV-1a over names, shapes and bytes.
std::uint64_t digest(const TensorMap& tensors) {
  std::uint64_t hash = 0xcbf29ce484222325u;
  const auto add = [&hash](const void* data, std::size_t size) {
    const auto* bytes = static_cast<const unsigned char*>(data);
    for (std::size_t i = 0; i < size; ++i) hash = (hash ^ bytes[i]) * 0x100000001b3u;
  };
  for (const auto& [name, tensor] : tensors) {
    add(name.data(), name.size());
    add(tensor.shape.data(), tensor.shape.size() * sizeof(std::int64_t));
    add(tensor.bytes.data(), tensor.bytes.size());
  }
  return hash;
}

// The kinetic energy of one block: [geometry] holds kind, weight and the geometry's own keys;
// [geometry.BLOCK] replaces it for one block.
template <class T>
BlockGeometry<T> make_geometry(const Json& geometry, const Block& block, DynamicsKind dynamics,
                               const PlaceOf& place) {
  std::string path = "geometry";
  const Json* table = &geometry;
  if (!block.name.empty() && geometry.contains(block.name)) {
    path += "." + block.name;
    table = &geometry.at(block.name);
  }
  Json own = Json::object();
  for (const auto& [key, value] : table->items()) {
    if (key != "kind" && key != "weight" && !value.is_object()) own[key] = value;
  }
  auto potential =
      geometry::make_potential<T>(table->at("kind").get<std::string>(), own, place, path);
  if (!potential->info().has_potential && dynamics == DynamicsKind::inertial) {
    throw ConfigError({.place = place ? place(path + ".kind") : path + ".kind",
                       .what = "geometry '" + std::string(potential->info().name) +
                               "' has no potential, so the inertial flow would have no energy",
                       .advice = "use dynamics.kind = \"momentum_free\""});
  }
  return {.potential = std::move(potential), .weight = table->at("weight").get<double>()};
}

// Tables of [geometry] that name no block of a particle would be read by nobody.
void require_blocks(const Json& geometry, const Layout& layout, const PlaceOf& place) {
  std::vector<std::string> names;
  for (const auto& block : layout.blocks()) names.push_back(block.name);
  for (const auto& [key, value] : geometry.items()) {
    if (!value.is_object() || std::find(names.begin(), names.end(), key) != names.end()) continue;
    const std::string path = "geometry." + key;
    throw ConfigError({.place = place ? place(path) : path,
                       .what = "no such block",
                       .expected = names.front().empty() ? "particles of one block, without a name"
                                                         : "one of " + join(names)});
  }
}

std::vector<Block> blocks_of(const FlowOptions& options, const ProblemData& data,
                             const std::vector<std::int64_t>& shape) {
  const auto& entry = objectives().at(options.objective->at("kind").get<std::string>());
  return entry.blocks(*options.objective, data.objective ? &*data.objective : nullptr, shape,
                      data.objective_place);
}

// The shape that [particles] would give: that of the block which stands for it, or of any.
std::vector<std::int64_t> main_shape(const Layout& layout) {
  const auto& blocks = layout.blocks();
  const auto main = std::find_if(blocks.begin(), blocks.end(), [](const Block& block) {
    return block.name == "in" || block.name == "key";
  });
  const auto& block = main == blocks.end() ? blocks.front() : *main;
  return {block.rows, block.cols};
}

// The tensors that hold such particles, as in "W/in [6, 3, 4], W/out [6, 2, 3]".
std::string tensors_text(const Layout& layout) {
  std::vector<std::string> names;
  for (const auto& block : layout.blocks()) {
    names.push_back((block.name.empty() ? "W" : "W/" + block.name) + " " +
                    to_string(Shape{layout.total(), block.rows, block.cols}));
  }
  return join(names);
}

}  // namespace

Layout make_layout(const FlowOptions& options, const ProblemData& data, const PlaceOf& place) {
  const auto at = [&](const std::string& path) { return place ? place(path) : path; };
  const auto& particles = options.particles;
  if (!data.initial) {
    if (!particles.count) {
      throw ConfigError({.place = at("particles.count"),
                         .what = "missing",
                         .advice = "give particles.count and particles.shape, or initial.file"});
    }
    if (particles.shape.empty()) {
      throw ConfigError({.place = at("particles.shape"),
                         .what = "missing",
                         .expected = "two numbers [rows, columns]"});
    }
    return Layout(*particles.count, blocks_of(options, data, particles.shape));
  }
  const auto layout = layout_of(*data.initial, data.initial_place);
  if (particles.count && *particles.count != layout.particles()) {
    throw ShapeError(
        {.place = at("particles.count"),
         .expected = std::to_string(layout.particles()) + " as in " + data.initial_place,
         .found = std::to_string(*particles.count)});
  }
  const bool shaped = !particles.shape.empty();
  const Layout asked(layout.particles(),
                     blocks_of(options, data, shaped ? particles.shape : main_shape(layout)));
  if (asked == layout) return layout;
  if (!shaped) {
    throw ShapeError({.place = data.initial_place,
                      .expected = tensors_text(asked),
                      .found = tensors_text(layout)});
  }
  throw ShapeError({.place = at("particles.shape"),
                    .expected = layout.text() + " as in " + data.initial_place,
                    .found = asked.text()});
}

template <class T>
Problem<T> make_problem(const FlowOptions& options, const ProblemData& data, const PlaceOf& place,
                        std::shared_ptr<dist::Communicator> ranks) {
  const auto at = [&](const std::string& path) { return place ? place(path) : path; };
  auto layout = make_layout(options, data, place);
  if (ranks) layout = layout.shard(ranks->rank(), ranks->size());
  const auto& entry = objectives().at(options.objective->at("kind").get<std::string>());
  const auto tensors = data.objective ? *data.objective : entry.draw(*options.objective, layout);
  auto objective = entry.make<T>(*options.objective, tensors, layout, data.objective_place);

  require_blocks(*options.geometry, layout, place);
  std::vector<BlockGeometry<T>> geometries;
  for (const auto& block : layout.blocks()) {
    geometries.push_back(make_geometry<T>(*options.geometry, block, options.dynamics.kind, place));
  }
  auto state = data.initial
                   ? state_from<T>(*data.initial, layout, data.initial_place)
                   : draw_state<T>(layout, static_cast<std::uint64_t>(options.particles.seed),
                                   options.particles.scale);
  auto dynamics = options.dynamics;
  dynamics.noise_seed = static_cast<std::uint64_t>(options.particles.seed);
  const auto& stepping = options.integrator;
  const auto& kind = integrators().at(stepping.kind);
  Problem<T> problem{.system = System<T>(layout, std::move(objective), std::move(geometries),
                                         dynamics, std::move(ranks)),
                     .integrator = stepping.adaptive
                                       ? make_adaptive<T>(kind, stepping, at("integrator.adaptive"))
                                       : kind.template make<T>(stepping),
                     .state = std::move(state),
                     .data_digest = digest(tensors)};
  problem.integrator->check(problem.system, options.integrator.step, at("integrator.step"));
  return problem;
}

template Problem<float> make_problem(const FlowOptions&, const ProblemData&, const PlaceOf&,
                                     std::shared_ptr<dist::Communicator>);
template Problem<double> make_problem(const FlowOptions&, const ProblemData&, const PlaceOf&,
                                      std::shared_ptr<dist::Communicator>);

}  // namespace muonflow::flow

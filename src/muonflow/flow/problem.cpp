#include "muonflow/flow/problem.hpp"

#include <nlohmann/json.hpp>

#include "muonflow/core/error.hpp"
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
BlockGeometry<T> make_geometry(const Json& geometry, const Block& block, const PlaceOf& place) {
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
  return {.potential =
              geometry::make_potential<T>(table->at("kind").get<std::string>(), own, place, path),
          .weight = table->at("weight").get<double>()};
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
    return Layout(*particles.count, particles.shape[0], particles.shape[1]);
  }
  const auto layout = layout_of(*data.initial, data.initial_place);
  if (particles.count && *particles.count != layout.particles()) {
    throw ShapeError(
        {.place = at("particles.count"),
         .expected = std::to_string(layout.particles()) + " as in " + data.initial_place,
         .found = std::to_string(*particles.count)});
  }
  const auto& block = layout.blocks().front();
  const Shape shape{block.rows, block.cols};
  if (!particles.shape.empty() && particles.shape != shape) {
    throw ShapeError({.place = at("particles.shape"),
                      .expected = to_string(shape) + " as in " + data.initial_place,
                      .found = to_string(particles.shape)});
  }
  return layout;
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

  std::vector<BlockGeometry<T>> geometries;
  for (const auto& block : layout.blocks()) {
    geometries.push_back(make_geometry<T>(*options.geometry, block, place));
  }
  auto state = data.initial
                   ? state_from<T>(*data.initial, layout, data.initial_place)
                   : draw_state<T>(layout, static_cast<std::uint64_t>(options.particles.seed),
                                   options.particles.scale);
  Problem<T> problem{
      .system = System<T>(layout, std::move(objective), std::move(geometries), options.dynamics,
                          std::move(ranks)),
      .integrator = integrators().at(options.integrator.kind).template make<T>(options.integrator),
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

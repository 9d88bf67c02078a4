// Turns an objective's class template into a line of the registry.
//
// The class names: `static const ObjectiveInfo kInfo`, `struct Options { ...; void
// fields(FieldVisitor&); }`, `static TensorMap draw(const Options&, RiskKind, const Layout&)` and
// the constructor
// `(const Options&, RiskKind, const TensorMap&, const Layout&, const std::string& place)`. Where a
// particle is more than one matrix it also has `static std::vector<Block> blocks(const Options&,
// const TensorMap* data, const Shape& shape, const std::string& place)`.
#pragma once

#include <algorithm>
#include <nlohmann/json.hpp>

#include "muonflow/flow/detail/tensor_values.hpp"
#include "muonflow/flow/objective.hpp"

namespace muonflow::flow::detail {

// Common keys and own keys of one [objective] table.
template <class Options>
struct ObjectiveTable {
  ObjectiveOptions common;
  Options own;

  void fields(FieldVisitor& v) {
    common.fields(v);
    own.fields(v);
  }
};

template <template <class> class O, class T = double>
auto read_table(const Json& table, const PlaceOf& place = {}) {
  ObjectiveTable<typename O<T>::Options> all;
  const auto& info = O<T>::kInfo;
  all.common.kind = std::string(info.name);
  all.common.risk = info.risks.front();
  read(table, all, place, "objective");
  const auto& risks = info.risks;
  if (std::find(risks.begin(), risks.end(), all.common.risk) == risks.end()) {
    std::vector<std::string> known;
    for (const auto risk : risks) known.emplace_back(enum_name(risk));
    throw ConfigError({.place = place ? place("objective.risk") : "objective.risk",
                       .what = "objective '" + all.common.kind + "' has no risk '" +
                               std::string(enum_name(all.common.risk)) + "'",
                       .expected = "one of " + join(known)});
  }
  return all;
}

template <template <class> class O, class T>
std::unique_ptr<Objective<T>> make_from_table(const Json& table, const TensorMap& data,
                                              const Layout& layout, const std::string& place) {
  const auto all = read_table<O, T>(table);
  return std::make_unique<O<T>>(all.own, all.common.risk, data, layout, place);
}

template <template <class> class O>
void enroll_objective(Registry<ObjectiveEntry>& registry) {
  registry.add(
      {.name = std::string(O<double>::kInfo.name),
       .info = O<double>::kInfo,
       .describe = [] { return muonflow::describe<typename O<double>::Options>(); },
       .blocks = [](const Json& table, const TensorMap* data, const Shape& shape,
                    const std::string& place) -> std::vector<Block> {
         if constexpr (requires { &O<double>::blocks; }) {
           return O<double>::blocks(read_table<O>(table).own, data, shape, place);
         } else {
           return {Block{.name = "", .rows = shape[0], .cols = shape[1]}};
         }
       },
       .read = [](const Json& table,
                  const PlaceOf& place) { return read_table<O>(table, place).common; },
       .resolve = [](const Json& table) -> Json { return muonflow::to_json(read_table<O>(table)); },
       .draw =
           [](const Json& table, const Layout& layout) {
             const auto all = read_table<O>(table);
             return O<double>::draw(all.own, all.common.risk, layout);
           },
       .make_float = make_from_table<O, float>,
       .make_double = make_from_table<O, double>});
}

// The block of a name, which must have this shape.
inline const Block& named_block(const Layout& layout, const std::string& name, Index rows,
                                Index cols, std::string_view objective) {
  for (const auto& block : layout.blocks()) {
    if (block.name != name) continue;
    if (block.rows == rows && block.cols == cols) return block;
    throw ShapeError({.place = "particles, block " + (name.empty() ? std::string("W") : name),
                      .expected = to_string(Shape{rows, cols}) + " for objective '" +
                                  std::string(objective) + "'",
                      .found = to_string(Shape{block.rows, block.cols})});
  }
  throw ShapeError(
      {.place = "particles",
       .expected = "a block '" + name + "' for objective '" + std::string(objective) + "'",
       .found = layout.text()});
}

// The tensor of a data file, with the shape it must have (-1: any size).
inline const Tensor& data_tensor(const TensorMap& data, const std::string& name, const Shape& shape,
                                 const std::string& meaning, const std::string& place) {
  const auto found = data.find(name);
  if (found == data.end()) {
    throw ShapeError({.place = place, .what = "no tensor '" + name + "'", .expected = meaning});
  }
  const auto& actual = found->second.shape;
  bool fits = actual.size() == shape.size();
  for (std::size_t i = 0; fits && i < shape.size(); ++i) {
    fits = shape[i] < 0 ? actual[i] > 0 : actual[i] == shape[i];
  }
  if (!fits) {
    throw ShapeError(
        {.place = place + ", tensor " + name, .expected = meaning, .found = to_string(actual)});
  }
  return found->second;
}

// Its numbers; a number that is not finite is refused.
template <class T>
std::vector<T> data_values(const Tensor& tensor, const std::string& name,
                           const std::string& place) {
  auto values = tensor_values<T>(tensor, name, place);
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) {
      throw DataError({.place = place + ", tensor " + name + ", element " + std::to_string(i),
                       .expected = "finite numbers",
                       .found = std::isnan(values[i]) ? "NaN" : "infinity"});
    }
  }
  return values;
}

// The one block of a particle, for objectives that take exactly one.
inline const Block& only_block(const Layout& layout, std::string_view objective) {
  if (layout.blocks().size() != 1) {
    throw ConfigError(
        {.place = "particles",
         .expected = "one matrix a particle for objective '" + std::string(objective) + "'",
         .found = layout.text()});
  }
  return layout.blocks().front();
}

}  // namespace muonflow::flow::detail

// What a flow is made of, as a configuration says it: one table a part.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "muonflow/core/fields.hpp"
#include "muonflow/flow/integrator.hpp"
#include "muonflow/flow/simulate.hpp"
#include "muonflow/flow/system.hpp"

namespace muonflow::flow {

struct ParticleOptions {
  std::optional<std::int64_t> count;  // from the initial file where absent
  std::vector<std::int64_t> shape;    // [m, n]; from the files where absent
  std::int64_t seed = 0;
  double scale = 1;

  void fields(FieldVisitor& v);
};

struct InitialOptions {
  std::string file;
  void fields(FieldVisitor& v);
};

struct RecordOptions {
  double every = 0.1;
  bool spectra = false;
  void fields(FieldVisitor& v);
};

enum class RealType { float64, float32 };

struct RunOptions {
  std::string name = "flow";
  std::int64_t threads = 0;
  std::optional<std::int64_t> checkpoint_every;
  RealType dtype = RealType::float64;

  void fields(FieldVisitor& v);
};

struct FlowOptions {
  // Two tables that are read by their kind: the objective's (kind, risk, file, own keys) and the
  // geometry's (kind, weight, own keys). Never null; constant, so that copies may share them.
  std::shared_ptr<const Json> objective;
  std::shared_ptr<const Json> geometry;
  DynamicsOptions dynamics;
  IntegratorOptions integrator;
  ParticleOptions particles;
  InitialOptions initial;
  RecordOptions record;
  RunOptions run;

  FlowOptions();
  void fields(FieldVisitor& v);
  SimulateOptions times() const;
  // Whether states need not keep their forces between steps.
  bool can_do_without_forces() const;
};

// Reads a whole configuration, the tables of the objective and of the geometry included, and fills
// in their defaults. Throws ConfigError naming the place.
FlowOptions read_options(const Json& tree, const PlaceOf& place);

}  // namespace muonflow::flow

namespace muonflow {
template <>
struct EnumNames<flow::RealType> {
  static constexpr std::array<std::string_view, 2> names{"float64", "float32"};
};
}  // namespace muonflow

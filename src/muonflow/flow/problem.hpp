// From options and data to a system, an integrator and a first state.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "muonflow/core/tensor.hpp"
#include "muonflow/flow/integrator.hpp"
#include "muonflow/flow/options.hpp"
#include "muonflow/flow/state.hpp"
#include "muonflow/flow/system.hpp"

namespace muonflow::flow {

// Tensors that the options name by file; reading files is the caller's. Messages begin with the
// place.
struct ProblemData {
  std::optional<TensorMap> objective;
  std::string objective_place = "objective";
  std::optional<TensorMap> initial;
  std::string initial_place = "initial";
};

template <class T>
struct Problem {
  System<T> system;
  std::unique_ptr<Integrator<T>> integrator;
  State<T> state;
  // Digest of the objective's data, so that a saved run is not continued on other data.
  std::uint64_t data_digest = 0;
};

// Throws ConfigError (names, values, a step that the integrator cannot take), ShapeError (tensors
// that do not fit each other), DataError (numbers that are not finite). `ranks` share the
// particles: the state is then this rank's part.
template <class T>
Problem<T> make_problem(const FlowOptions& options, const ProblemData& data = {},
                        const PlaceOf& place = {},
                        std::shared_ptr<dist::Communicator> ranks = nullptr);

// The layout that the options and the initial tensors agree on.
Layout make_layout(const FlowOptions& options, const ProblemData& data, const PlaceOf& place = {});

}  // namespace muonflow::flow

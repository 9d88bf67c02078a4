// Where the particles are: weights and momenta, the time, and what is already known at that point.
#pragma once

#include <cstdint>
#include <string>

#include "muonflow/core/matrix.hpp"
#include "muonflow/core/tensor.hpp"
#include "muonflow/dist/communicator.hpp"
#include "muonflow/flow/layout.hpp"

namespace muonflow::flow {

// T is float or double. W and M are the state; everything below `time` is derived from them by
// System::refresh() and kept current by the integrators, so that the force at the end of one step
// is the force at the start of the next.
template <class T>
struct State {
  Layout layout{};
  Matrix<T> W{};  // weights [N, d]
  Matrix<T> M{};  // momenta [N, d], the average of gradients (EMA form)
  double time = 0;

  bool keeps_forces = true;  // false: an integrator that can do without leaves G empty
  Matrix<T> G{};             // forces [N, d] at W: N times the gradient of J_N
  double objective = 0;      // J at W
  double potential = 0;      // mean of Phi over the particles at M; 0 in momentum-free dynamics
  Matrix<T> V{};             // velocities [N, d] = grad Phi, meaningful while `velocity_known`
  double rate = 0;           // mean of <M, grad Phi(M)>, meaningful while `velocity_known`
  bool velocity_known = false;
  std::uint64_t taped = 0;  // the System's mark of this state's features, where it has them at hand
  double scale = 0;         // leapfrog: mean of Phi at scale * M, for its next step ...
  double scaled_potential = 0;  // ... is this; scale 0: not known
};

// Weights with entries iid N(0, scale^2), one random stream a particle (so that the first particles
// are the same whatever their number); momenta 0.
template <class T>
State<T> draw_state(const Layout& layout, std::uint64_t seed, double scale);

// The layout that tensors `W` [N, m, n] (or `W/BLOCK`) describe. Throws ShapeError naming `place`.
Layout layout_of(const TensorMap& tensors, const std::string& place);

// Both take the layout's own part of the particles where several processes share them.

// From tensors `W` and optionally `M` (`W/BLOCK`, `M/BLOCK`), [N, m, n] in any floating type.
// Throws ShapeError where they do not fit the layout, DataError where a number is not finite; the
// message begins with `place`.
template <class T>
State<T> state_from(const TensorMap& tensors, const Layout& layout, const std::string& place);

// On rank 0 the state (W, M and the time) of all particles; nothing elsewhere. Collective.
template <class T>
State<T> gathered(const State<T>& state, dist::Communicator& ranks);

// The tensors `W` and `M` (`W/BLOCK`, `M/BLOCK`), [N, m, n] in T's own type.
template <class T>
TensorMap state_tensors(const State<T>& state);

// The same of the particles of all ranks, on rank 0; nothing elsewhere. Collective.
template <class T>
TensorMap gathered_tensors(const State<T>& state, dist::Communicator& ranks);

// The same, giving memory of the state back on the way: for the end of a run.
template <class T>
TensorMap last_tensors(State<T>&& state, dist::Communicator& ranks);

}  // namespace muonflow::flow

// The equation of the flow: N matrix particles that feel each other through an averaged feature,
// with a kinetic energy that is not a square (arXiv 2605.23871; the paper's regularized Muon flow
// is the smoothed nuclear norm).
//
//   inertial       W_i' = -grad Phi(M_i),   M_i' = gamma (G_i - M_i)
//                  E = J + (1/gamma) mean Phi(M_i),   E' = -mean <M_i, grad Phi(M_i)>
//   momentum_free  W_i' = -grad Phi(G_i)
//                  E = J,                             E' = -mean <G_i, grad Phi(G_i)>
//   G_i = N dJ_N/dW_i
//
// Particles are worked on in chunks of a fixed size and every sum over chunks or particles is made
// in their order, in double: the numbers do not depend on the number of threads. Several processes
// may share the particles; each then holds a part and calls the same functions, and the only thing
// that travels is a sum a call: the features for a force, some numbers otherwise.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "muonflow/core/fields.hpp"
#include "muonflow/core/outcome.hpp"
#include "muonflow/dist/communicator.hpp"
#include "muonflow/flow/layout.hpp"
#include "muonflow/flow/objective.hpp"
#include "muonflow/flow/state.hpp"
#include "muonflow/geometry/potential.hpp"
#include "muonflow/linalg/workspace.hpp"

namespace muonflow::flow {

enum class DynamicsKind { inertial, momentum_free };

struct DynamicsOptions {
  double gamma = 1;
  DynamicsKind kind = DynamicsKind::inertial;
  double noise = 0;
  std::uint64_t noise_seed = 0;  // set by make_problem, that of the particles

  void fields(FieldVisitor& v);
};

// The kinetic energy of one block: weight * Phi.
template <class T>
struct BlockGeometry {
  std::unique_ptr<geometry::Potential<T>> potential;
  double weight = 1;
};

// Means over the particles.
struct Kinetic {
  double potential = 0;  // Phi(P)
  double rate = 0;       // <P, grad Phi(P)>
};

struct Spectra {
  double largest = 0;                     // over particles and blocks
  std::vector<double> largest_of;         // per block, over the particles
  std::vector<std::vector<double>> mean;  // per block [r], descending, averaged over the particles
};

// The calls share scratch memory: one caller at a time (they are parallel inside).
template <class T>
class System {
 public:
  // One geometry a block of the layout. Throws ShapeError for a wrong number of geometries.
  // `ranks` are the processes that share the particles (none: this one alone).
  System(Layout layout, std::unique_ptr<Objective<T>> objective,
         std::vector<BlockGeometry<T>> geometries, const DynamicsOptions& dynamics,
         std::shared_ptr<dist::Communicator> ranks = nullptr);
  ~System();
  System(System&&) noexcept;

  const Layout& layout() const { return layout_; }
  const Objective<T>& objective() const { return *objective_; }
  const DynamicsOptions& dynamics() const { return dynamics_; }
  double gamma() const { return dynamics_.gamma; }
  bool inertial() const { return dynamics_.kind == DynamicsKind::inertial; }

  // Sums over the particles of all ranks, from sums over this rank's.
  void sum_over_ranks(std::span<double> sums) const { ranks_->sum(sums); }
  dist::Communicator& ranks() const { return *ranks_; }

  // G [N, d] <- forces at W [N, d], J <- objective. 2 products of 2 N q d flops for ridge features.
  // non_finite_result where J or a force is not finite.
  Outcome force(const Matrix<T>& W, Matrix<T>& G, double& J) const;
  // V [N, d] <- grad Phi(P), P [N, d], with the means of Phi and of <P, grad Phi(P)> from the same
  // decomposition.
  Outcome velocity(const Matrix<T>& P, Matrix<T>& V, Kinetic& kinetic) const;
  // means[j] <- mean of Phi(scales[j] * P), from one decomposition where the potential is
  // orthogonally invariant.
  Outcome potentials(const Matrix<T>& P, std::span<const double> scales,
                     std::span<double> means) const;
  // A whole step of `muon` in one pass over the particles, for states that keep no forces:
  //   M <- keep M + kick G(W),  W <- W - h grad Phi(M),  then J at the new W,
  // with the bits of force(), the sums and velocity(). A chunk's forces and velocities are made in
  // scratch memory, so that W and M are all that is held of N particles. `kinetic` is that of the
  // new M.
  Outcome sweep(T keep, T kick, T h, State<T>& state, Kinetic& kinetic) const;
  // The largest curvature of the kinetic energy gamma K = sum weight Phi; none where it is not
  // smooth.
  std::optional<double> hessian_bound() const;
  // How often force() was called: what an integrator's cost is counted in.
  std::int64_t forces() const;
  // Singular values of every particle's blocks; NaN where an entry is not finite.
  Spectra spectra(const Matrix<T>& P) const;

  // Computes G, J and mean Phi at the state's W and M; the state is then ready for an integrator.
  Outcome refresh(State<T>& state) const;
  // (1/gamma) mean Phi, and J plus it.
  double kinetic_energy(const State<T>& state) const { return state.potential / gamma(); }
  double energy(const State<T>& state) const { return state.objective + kinetic_energy(state); }

 private:
  struct Scratch;

  Index chunks_here() const { return (layout_.particles() + kChunk - 1) / kChunk; }
  // A chunk of a matrix whose rows are particles; an empty tape is still a valid matrix [c, 0].
  template <class M>
  auto rows_of(M& matrix, Index chunk) const {
    return matrix.middleRows(chunk * kChunk,
                             std::min(kChunk, layout_.particles() - chunk * kChunk));
  }
  // The features of a chunk, to its sums and its tape.
  void forward(Index chunk, const Matrix<T>& W, linalg::Workspace<T>& workspace) const;
  // J and grad R from the sums of all chunks and ranks; `sums`, which travel with them, become
  // means.
  Outcome conclude(Outcome outcome, std::span<double> sums, double& J) const;
  Outcome features(const Matrix<T>& W, double& J) const;
  // v [up to kChunk, d], particles from `first` on, the first of a group: grad Phi in place, with
  // the sums of these groups for the ledger.
  Outcome map_run(Index first, MatrixRef<T> v, linalg::Workspace<T>& workspace) const;
  std::array<double, 2> kinetic_sums() const;
  // Ok only where it is for all ranks; they then go on together, or stop together. `sums` travel
  // with the question.
  Outcome agree(Outcome outcome, std::span<double> sums = {}) const;

  Layout layout_;
  std::unique_ptr<Objective<T>> objective_;
  std::vector<BlockGeometry<T>> geometries_;
  DynamicsOptions dynamics_;
  std::shared_ptr<dist::Communicator> ranks_;
  std::unique_ptr<Scratch> scratch_;
};

extern template class System<float>;
extern template class System<double>;

}  // namespace muonflow::flow

namespace muonflow {
template <>
struct EnumNames<flow::DynamicsKind> {
  static constexpr std::array<std::string_view, 2> names{"inertial", "momentum_free"};
};
}  // namespace muonflow

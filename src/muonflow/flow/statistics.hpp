// What the particles do at one recorded time, over all blocks and block by block: norms, spectra,
// how energy moves, and how far velocity and force agree. What a certificate is made from.
//
// G forces, M momenta, V = grad Phi(M) velocities (momentum-free: M = 0, V = grad Phi(G)); <.,.>
// and
// ||.|| are Frobenius, means are over the particles of all ranks.
#pragma once

#include <string>
#include <vector>

#include "muonflow/flow/state.hpp"
#include "muonflow/flow/system.hpp"

namespace muonflow::flow {

struct BlockStatistics {
  std::string name;
  double kinetic = 0;            // (1/gamma) mean Phi
  double dissipation = 0;        // mean <M, V>: its part of -E'; momentum-free: mean <G, V>
  double power = 0;              // mean <G, V>: its part of -J'
  double weight_norm = 0;        // sqrt(mean ||W||^2)
  double momentum_norm = 0;      // sqrt(mean ||M||^2)
  double force_norm = 0;         // sqrt(mean ||G||^2)
  double velocity_norm = 0;      // sqrt(mean ||V||^2)
  double alignment = 0;          // mean <G, V> / mean ||G||^2; 0 where G is 0
  double momentum_op_norm = 0;   // largest singular value of M over the particles
  std::vector<double> spectrum;  // mean singular values of M, descending; empty for the total
};

struct Statistics {
  BlockStatistics total;
  std::vector<BlockStatistics> blocks;  // as the layout has them
  double potential = 0;                 // mean Phi(M)
  double force_momentum = 0;            // mean <G, M>
  // G' = dG/dt along the flow, by a difference of forces at W and at W - tau V.
  double turning = 0;       // mean <G', M>
  double turning_norm = 0;  // sqrt(mean ||G'||^2)
};

// Of a state whose G, objective and potential are current. Costs one velocity, one force, one
// decomposition for the spectra, with several blocks one more a block, and two matrices [N, d].
// Collective over the ranks. Outcome as of System's calls.
template <class T>
Outcome measure(const System<T>& system, const State<T>& state, Statistics& statistics);

// Splits what was dissipated between two records among the blocks, in proportion to the mean of
// their dissipation rates at both ends; the sum is kept.
std::vector<double> split_dissipation(double dissipated, const Statistics& before,
                                      const Statistics& after);

}  // namespace muonflow::flow

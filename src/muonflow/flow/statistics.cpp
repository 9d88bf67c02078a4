#include "muonflow/flow/statistics.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "muonflow/core/parallel.hpp"
#include "muonflow/flow/detail/elementwise.hpp"
#include "muonflow/flow/detail/reductions.hpp"

namespace muonflow::flow {
namespace {

// Sum of <x, y> over the particles here, of one block. Pieces of kChunk particles, in their order.
template <class T>
double block_sum(const Matrix<T>& x, const Matrix<T>& y, const Block& block) {
  const Index pieces = (x.rows() + kChunk - 1) / kChunk;
  std::vector<double> partial(static_cast<std::size_t>(pieces));
  parallel_for(pieces, 4, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t p = begin; p < end; ++p) {
      double sum = 0;
      for (Index i = p * kChunk; i < std::min(x.rows(), (p + 1) * kChunk); ++i) {
        for (Index k = block.offset; k < block.offset + block.size(); ++k) {
          sum += static_cast<double>(x(i, k)) * static_cast<double>(y(i, k));
        }
      }
      partial[static_cast<std::size_t>(p)] = sum;
    }
  });
  double total = 0;
  for (const double sum : partial) total += sum;
  return total;
}

// The means that one block contributes.
struct Means {
  double WW = 0, MM = 0, GG = 0, VV = 0, MV = 0, GV = 0, GM = 0;

  std::array<double*, 7> all() { return {&WW, &MM, &GG, &VV, &MV, &GV, &GM}; }
};

BlockStatistics derived(const Means& m, bool inertial) {
  return {.name = "",
          .kinetic = 0,
          .dissipation = inertial ? m.MV : m.GV,
          .power = m.GV,
          .weight_norm = std::sqrt(m.WW),
          .momentum_norm = std::sqrt(m.MM),
          .force_norm = std::sqrt(m.GG),
          .velocity_norm = std::sqrt(m.VV),
          .alignment = m.GG > 0 ? m.GV / m.GG : 0,
          .momentum_op_norm = 0,
          .spectrum = {}};
}

// Mean Phi of each block. Phi(0) = 0, so that of M with the other blocks at 0 is the block's own.
template <class T>
Outcome split_potential(const System<T>& system, const State<T>& state, Matrix<T>& scratch,
                        Statistics& statistics) {
  const auto& blocks = system.layout().blocks();
  for (std::size_t b = 0; b < blocks.size(); ++b) {
    double potential = state.potential;
    if (blocks.size() > 1) {
      scratch.setZero(state.M.rows(), state.M.cols());
      scratch.middleCols(blocks[b].offset, blocks[b].size()) =
          state.M.middleCols(blocks[b].offset, blocks[b].size());
      constexpr std::array kOne{1.0};
      if (auto o = system.potentials(scratch, kOne, {&potential, 1}); !o.ok()) return o;
    }
    statistics.blocks[b].kinetic = potential / system.gamma();
  }
  return {};
}

// G' by a difference over the length at which its truncation and its rounding are about equal.
template <class T>
Outcome measure_turning(const System<T>& system, const State<T>& state, Matrix<T>& V,
                        Statistics& statistics) {
  const double speed = statistics.total.velocity_norm;
  if (!(speed > 0)) return {};
  const double width = static_cast<double>(system.layout().width());
  const double reach = std::sqrt(static_cast<double>(std::numeric_limits<T>::epsilon())) *
                       (statistics.total.weight_norm + std::sqrt(width));
  const double tau = reach / speed;
  Matrix<T> G;
  double J = 0;
  detail::add_scaled(state.W, -static_cast<T>(tau), V, V);
  if (auto o = system.force(V, G, J); !o.ok()) return o;
  detail::add_scaled(G, T{-1}, state.G, G);
  const auto particles = static_cast<double>(system.layout().total());
  statistics.turning = detail::inner(system, G, state.M) / tau / particles;
  statistics.turning_norm = detail::norm(system, G) / tau / std::sqrt(particles);
  return {};
}

}  // namespace

template <class T>
Outcome measure(const System<T>& system, const State<T>& state, Statistics& statistics) {
  statistics = {};
  const auto& layout = system.layout();
  const bool inertial = system.inertial();
  Matrix<T> V;
  Kinetic kinetic;
  if (auto o = system.velocity(inertial ? state.M : state.G, V, kinetic); !o.ok()) return o;

  std::vector<Means> means(layout.blocks().size());
  std::vector<double> sums;
  for (std::size_t b = 0; b < means.size(); ++b) {
    const auto& block = layout.blocks()[b];
    means[b] = {.WW = block_sum(state.W, state.W, block),
                .MM = block_sum(state.M, state.M, block),
                .GG = block_sum(state.G, state.G, block),
                .VV = block_sum(V, V, block),
                .MV = block_sum(state.M, V, block),
                .GV = block_sum(state.G, V, block),
                .GM = block_sum(state.G, state.M, block)};
    for (const double* sum : means[b].all()) sums.push_back(*sum);
  }
  system.sum_over_ranks(sums);
  Means total;
  std::size_t at = 0;
  for (auto& block : means) {
    const auto block_sums = block.all();
    const auto total_sums = total.all();
    for (std::size_t k = 0; k < block_sums.size(); ++k) {
      *block_sums[k] = sums[at++] / static_cast<double>(layout.total());
      *total_sums[k] += *block_sums[k];
    }
  }
  statistics.total = derived(total, inertial);
  statistics.force_momentum = total.GM;
  statistics.potential = state.potential;
  const auto spectra = system.spectra(state.M);
  for (std::size_t b = 0; b < means.size(); ++b) {
    auto& block = statistics.blocks.emplace_back(derived(means[b], inertial));
    block.name = layout.blocks()[b].name;
    block.spectrum = spectra.mean[b];
    block.momentum_op_norm = spectra.largest_of[b];
  }
  statistics.total.momentum_op_norm = spectra.largest;
  statistics.total.kinetic = system.kinetic_energy(state);
  if (auto o = measure_turning(system, state, V, statistics); !o.ok()) return o;
  return split_potential(system, state, V, statistics);
}

std::vector<double> split_dissipation(double dissipated, const Statistics& before,
                                      const Statistics& after) {
  std::vector<double> shares(after.blocks.size());
  double sum = 0;
  for (std::size_t b = 0; b < shares.size(); ++b) {
    shares[b] = before.blocks[b].dissipation + after.blocks[b].dissipation;
    sum += shares[b];
  }
  for (double& share : shares) {
    share = sum > 0 ? dissipated * share / sum : dissipated / static_cast<double>(shares.size());
  }
  return shares;
}

template Outcome measure(const System<float>&, const State<float>&, Statistics&);
template Outcome measure(const System<double>&, const State<double>&, Statistics&);

}  // namespace muonflow::flow

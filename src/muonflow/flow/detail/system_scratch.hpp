// Memory that a System keeps from one call to the next, and its loop over particles.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "muonflow/core/parallel.hpp"
#include "muonflow/flow/system.hpp"

namespace muonflow::flow {
namespace detail {

// Particles that a batched kernel takes at a time; sums over particles are sums over groups.
inline constexpr Index kGroup = 16;
static_assert(kChunk % kGroup == 0);

inline constexpr Index kLanesPerThread = 8;

// Particles that make a thread worth waking: some 50 us of decompositions, of which one takes about
// 1.5 + 0.02 r^2 max(m, n) us. Only a matter of speed.
inline Index grain_of(const Layout& layout) {
  double microseconds = 0;
  for (const auto& block : layout.blocks()) {
    const auto r = static_cast<double>(std::min(block.rows, block.cols));
    const auto longer = static_cast<double>(std::max(block.rows, block.cols));
    microseconds += 1.5 + 0.02 * r * r * longer;
  }
  return std::max<Index>(1, static_cast<Index>(50 / microseconds));
}

// The same in groups.
inline Index groups_of(Index particles) { return (particles + kGroup - 1) / kGroup; }

}  // namespace detail

// One workspace a lane; a lane is a run of chunks, groups or particles that one thread works
// through.
template <class T>
struct System<T>::Scratch {
  std::vector<linalg::Workspace<T>> lanes;
  Matrix<T> tape;                 // [N, tape_width]
  std::uint64_t taped = 0;        // the state whose features the tape and r are of; 0: of none
  std::uint64_t states = 0;       // told apart so far
  Matrix<double> sums;            // [chunks, q]
  std::vector<double> z, r;       // [q]
  std::vector<Outcome> trouble;   // [lanes]
  std::vector<Kinetic> kinetics;  // [groups], sums over a group
  std::vector<double> message;    // to the other ranks
  Matrix<double> values;          // [groups, .] or [N, .]
  std::int64_t forces = 0;        // evaluations so far

  // Calls body(begin, end, workspace) on contiguous runs of [0, count); `grain` is the least that
  // is worth a thread. More lanes than threads, handed out one by one: a thread whose processor is
  // busy elsewhere then does not keep the others waiting.
  template <class Body>
  Outcome over(Index count, Index grain, const Body& body) {
    const Index most = in_parallel() || threads() == 1 ? 1 : detail::kLanesPerThread * threads();
    const Index lane_count = std::clamp<Index>(count / grain, 1, most);
    if (static_cast<Index>(lanes.size()) < lane_count) {
      lanes.resize(static_cast<std::size_t>(lane_count));
    }
    trouble.assign(static_cast<std::size_t>(lane_count), Outcome{});
    parallel_tasks(lane_count, [&](std::int64_t lane) {
      const auto at = static_cast<std::size_t>(lane);
      trouble[at] = body(count * lane / lane_count, count * (lane + 1) / lane_count, lanes[at]);
    });
    for (const auto& outcome : trouble) {
      if (!outcome.ok()) return outcome;
    }
    return {};
  }
};

}  // namespace muonflow::flow

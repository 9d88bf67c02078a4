#include "muonflow/core/parallel.hpp"

#include <omp.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <limits>

#include "muonflow/core/detail/team.hpp"

namespace muonflow {
namespace {

std::atomic<int> configured_threads{0};  // 0: not set yet, all processors

}  // namespace

int available_processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1, omp_get_num_procs());
}

void set_threads(int count) { configured_threads = count > 0 ? count : available_processors(); }

int threads() {
  if (configured_threads == 0) set_threads(0);  // asked once: it is a call of the system
  return configured_threads;
}

bool in_parallel() { return omp_in_parallel() != 0 && detail::current_team() == nullptr; }

namespace detail {

void parallel_ranges(std::int64_t count, std::int64_t grain, RangeBody body, void* context) {
  if (count <= 0) return;
  const auto pieces =
      std::clamp<std::int64_t>(count / std::max<std::int64_t>(grain, 1), 1, threads());
  if (pieces == 1 || in_parallel()) {
    body(context, 0, count);
    return;
  }
  if (Team* const team = current_team()) {
    struct Ranges {
      RangeBody body;
      void* context;
      std::int64_t count, pieces;
    } ranges{body, context, count, pieces};
    team->run(
        pieces,
        [](void* all, std::int64_t piece) {
          const auto& r = *static_cast<const Ranges*>(all);
          r.body(r.context, r.count * piece / r.pieces, r.count * (piece + 1) / r.pieces);
        },
        &ranges);
    return;
  }
#pragma omp parallel for num_threads(static_cast <int>(pieces)) schedule(static, 1)
  for (std::int64_t piece = 0; piece < pieces; ++piece) {
    body(context, count * piece / pieces, count * (piece + 1) / pieces);
  }
}

void parallel_tasks(std::int64_t count, TaskBody body, void* context) {
  if (count <= 0) return;
  const auto team = static_cast<int>(std::min<std::int64_t>(count, threads()));
  if (team == 1 || in_parallel()) {
    for (std::int64_t index = 0; index < count; ++index) body(context, index);
    return;
  }
  if (Team* const awake = current_team();
      awake != nullptr && count <= std::numeric_limits<std::int32_t>::max()) {
    awake->run(count, body, context);
    return;
  }
#pragma omp parallel for num_threads(team) schedule(dynamic, 1)
  for (std::int64_t index = 0; index < count; ++index) body(context, index);
}

}  // namespace detail
}  // namespace muonflow

// One parallel region for a chain of short loops.
//
// Inside with_team the loops of core/parallel.hpp find the other threads awake: a loop costs about
// half a microsecond to begin and to end instead of one region of OpenMP's each, which matters
// where loops take some microseconds. The results are those of the same loops outside.
#pragma once

#include <memory>
#include <type_traits>

namespace muonflow {

namespace detail {
using TeamBody = void (*)(void* context);
void with_team(TeamBody body, void* context);
}  // namespace detail

// body() on the calling thread, once, with threads() - 1 others at its service. A waiting thread
// spins for some microseconds and then sleeps. No loop waits for a thread that has not begun to
// work: whoever is free takes what is left, so that more threads than processors, or processors
// taken by others, cost no more than the work they hold back. Inside another parallel loop or team,
// and on one thread, body() is just called. Exceptions of the body pass through.
template <class Body>
void with_team(Body&& body) {
  detail::with_team(
      [](void* context) { (*static_cast<std::remove_reference_t<Body>*>(context))(); },
      const_cast<void*>(static_cast<const void*>(std::addressof(body))));
}

}  // namespace muonflow

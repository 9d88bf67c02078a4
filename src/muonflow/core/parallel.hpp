// One pool of threads (OpenMP's), its size set by the caller, and two loops over it.
//
// Results must not depend on the number of threads: a body may write only what belongs to its own
// indices, and reductions are done by the caller in index order.
#pragma once

#include <cstdint>
#include <memory>
#include <type_traits>

namespace muonflow {

// Number of threads that parallel loops use; at least 1. set_threads(0) means all processors this
// process may use.
void set_threads(int count);
int threads();
int available_processors();

namespace detail {
using RangeBody = void (*)(void* context, std::int64_t begin, std::int64_t end);
void parallel_ranges(std::int64_t count, std::int64_t grain, RangeBody body, void* context);
using TaskBody = void (*)(void* context, std::int64_t index);
void parallel_tasks(std::int64_t count, TaskBody body, void* context);
}  // namespace detail

// body(begin, end) over pieces of [0, count) of at least `grain` indices; each thread takes a
// contiguous run. For elementwise work. Nested calls run on the calling thread. Allocates nothing.
// Exceptions must not leave the body.
template <class Body>
void parallel_for(std::int64_t count, std::int64_t grain, Body&& body) {
  detail::parallel_ranges(
      count, grain,
      [](void* context, std::int64_t begin, std::int64_t end) {
        (*static_cast<std::remove_reference_t<Body>*>(context))(begin, end);
      },
      const_cast<void*>(static_cast<const void*>(std::addressof(body))));
}

// body(index) for index in [0, count), handed out one by one in order to whichever thread is free.
// For few large tasks of unequal size; sort them longest first.
template <class Body>
void parallel_tasks(std::int64_t count, Body&& body) {
  detail::parallel_tasks(
      count,
      [](void* context, std::int64_t index) {
        (*static_cast<std::remove_reference_t<Body>*>(context))(index);
      },
      const_cast<void*>(static_cast<const void*>(std::addressof(body))));
}

// Whether the caller is inside one of these loops (a kernel then stays on its thread).
bool in_parallel();

}  // namespace muonflow

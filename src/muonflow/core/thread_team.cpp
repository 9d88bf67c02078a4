#include "muonflow/core/thread_team.hpp"

#include <omp.h>

#include <exception>

#include "muonflow/core/detail/team.hpp"
#include "muonflow/core/parallel.hpp"

namespace muonflow {
namespace detail {
namespace {

// Looks of a waiting thread before it sleeps, a pause of 10 to 40 nanoseconds each: longer than
// what a kernel does between two loops, shorter than a time slice by far.
constexpr int kSpins = 2000;

inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

}  // namespace

Team*& current_team() {
  static thread_local Team* team = nullptr;
  return team;
}

Team::Team(int size, int spins)
    : size_(size),
      spins_(spins),
      shares_(std::make_unique<Share[]>(static_cast<std::size_t>(size))) {}

bool Team::take(int share, std::uint32_t job, std::int64_t& index) {
  std::atomic<std::uint64_t>& ticket = shares_[static_cast<std::size_t>(share)].ticket;
  std::uint64_t seen = ticket.load(std::memory_order_acquire);
  for (;;) {
    if (static_cast<std::uint32_t>(seen >> 32) != job) return false;
    index = static_cast<std::int64_t>(seen & 0xffffffffU) * size_ + share;
    if (index >= count_.load(std::memory_order_acquire)) return false;
    if (ticket.compare_exchange_weak(seen, seen + 1, std::memory_order_acq_rel,
                                     std::memory_order_acquire)) {
      return true;
    }
  }
}

std::int64_t Team::work(int thread, std::uint32_t job) {
  const Task task = task_.load(std::memory_order_acquire);
  void* const context = context_.load(std::memory_order_acquire);
  std::int64_t done = 0;
  for (int other = 0; other < size_; ++other) {
    const int share = (thread + other) % size_;
    for (std::int64_t index = 0; take(share, job, index); ++done) task(context, index);
  }
  return done;
}

void Team::run(std::int64_t count, Task task, void* context) {
  const std::uint32_t job = job_.load(std::memory_order_relaxed) + 1;
  // The old tickets are void before anything of the job changes: a thread that comes late and reads
  // what is new finds them void. Nobody looks for tickets of this job yet.
  for (int share = 0; share < size_; ++share) {
    shares_[static_cast<std::size_t>(share)].ticket.store(static_cast<std::uint64_t>(job) << 32,
                                                          std::memory_order_release);
  }
  count_.store(count, std::memory_order_release);
  task_.store(task, std::memory_order_release);
  context_.store(context, std::memory_order_release);
  left_.store(static_cast<std::int32_t>(count), std::memory_order_release);
  // Sequentially consistent, as is every change that somebody may sleep on: the store must be seen
  // before the look for sleepers in notify.
  job_.store(job);
  job_.notify_all();
  Team* const mine = current_team();
  current_team() = nullptr;
  const auto done = static_cast<std::int32_t>(work(0, job));
  current_team() = mine;
  if (left_.fetch_sub(done) == done) return;
  for (int spin = 0; spin < spins_; ++spin) {
    if (left_.load(std::memory_order_acquire) == 0) return;
    pause();
  }
  for (std::int32_t left = left_.load(std::memory_order_acquire); left != 0;
       left = left_.load(std::memory_order_acquire)) {
    left_.wait(left, std::memory_order_acquire);
  }
}

void Team::serve(int thread) {
  std::uint32_t seen = 0;
  for (;;) {
    std::uint32_t job = job_.load(std::memory_order_acquire);
    for (int spin = 0; job == seen && spin < spins_; ++spin) {
      pause();
      job = job_.load(std::memory_order_acquire);
    }
    while (job == seen) {
      job_.wait(seen, std::memory_order_acquire);
      job = job_.load(std::memory_order_acquire);
    }
    if (ended_.load(std::memory_order_acquire)) return;
    seen = job;
    const auto done = static_cast<std::int32_t>(work(thread, job));
    if (done > 0 && left_.fetch_sub(done) == done) left_.notify_one();
  }
}

void Team::end() {
  ended_.store(true, std::memory_order_release);
  job_.fetch_add(1);
  job_.notify_all();
}

void with_team(TeamBody body, void* context) {
  const int size = threads();
  if (size == 1 || current_team() != nullptr || in_parallel()) {
    body(context);
    return;
  }
  // With more threads than processors one that spins takes the processor from one that works.
  Team team(size, size <= available_processors() ? kSpins : 0);
  std::exception_ptr error;
#pragma omp parallel num_threads(size)
  {
    const int thread = omp_get_thread_num();
    if (thread == 0) {
      current_team() = &team;
      try {
        body(context);
      } catch (...) {
        error = std::current_exception();
      }
      current_team() = nullptr;
      team.end();
    } else {
      team.serve(thread);
    }
  }
  if (error) std::rethrow_exception(error);
}

}  // namespace detail
}  // namespace muonflow

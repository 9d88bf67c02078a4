// The team behind with_team: a job is posted, everybody takes tasks of it, the poster goes on when
// all are done.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

namespace muonflow::detail {

class Team {
 public:
  using Task = void (*)(void* context, std::int64_t index);

  // `spins`: how often a thread that waits looks before it sleeps.
  Team(int size, int spins);

  int size() const { return size_; }
  // task(index) for every index in [0, count), by this thread and whichever others come. Each
  // thread has the indices of its own number modulo the size, in order, and helps the others when
  // it is done with them. Called by thread 0 alone.
  void run(std::int64_t count, Task task, void* context);
  // What the other threads do until `end`.
  void serve(int thread);
  void end();

 private:
  // The upper half of a ticket is the number of the job, so that a thread that comes late can take
  // nothing of the next one; the lower half counts the tasks that were taken from this share.
  struct alignas(64) Share {
    std::atomic<std::uint64_t> ticket{0};
  };

  std::int64_t work(int thread, std::uint32_t job);
  bool take(int share, std::uint32_t job, std::int64_t& index);

  const int size_;
  const int spins_;
  std::unique_ptr<Share[]> shares_;
  // Written by thread 0 between jobs. A thread that is late may read them meanwhile, and then
  // finds its ticket void.
  alignas(64) std::atomic<std::int64_t> count_{0};
  std::atomic<Task> task_{nullptr};
  std::atomic<void*> context_{nullptr};
  std::atomic<std::uint32_t> job_{0};  // 32 bits: what a thread can sleep on without a lock
  std::atomic<bool> ended_{false};
  alignas(64) std::atomic<std::int32_t> left_{0};  // tasks not done yet
};

// The team of the calling thread, or null: outside of with_team, on its other threads, and inside
// a task.
Team*& current_team();

}  // namespace muonflow::detail

#include "muonflow/core/thread_team.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <stdexcept>
#include <vector>

#include "muonflow/core/parallel.hpp"

namespace muonflow {
namespace {

class ThreadTeam : public ::testing::Test {
 protected:
  ~ThreadTeam() override { set_threads(0); }
};

// Loops of every length one after another, each needing what the one before it wrote. Seven threads
// are more than the processors of many a machine.
TEST_F(ThreadTeam, EveryIndexOfEveryLoopIsVisitedOnceAndInTurn) {
  for (const int size : {1, 2, 4, 7}) {
    set_threads(size);
    std::vector<int> tasks(1001), ranges(1001);
    int calls = 0;
    with_team([&] {
      ++calls;
      for (int round = 0; round < 40; ++round) {
        for (const std::int64_t count : {0, 1, 2, 3, 64, 1001}) {
          parallel_tasks(count, [&](std::int64_t i) { ++tasks[static_cast<std::size_t>(i)]; });
          parallel_for(count, 10, [&](std::int64_t begin, std::int64_t end) {
            for (auto i = begin; i < end; ++i) {
              ranges[static_cast<std::size_t>(i)] += tasks[static_cast<std::size_t>(count - 1 - i)];
            }
          });
        }
      }
    });
    EXPECT_EQ(calls, 1);
    // Index i is in the loops that are longer than i.
    std::vector<int> expected_tasks(1001), expected_ranges(1001);
    for (int round = 0; round < 40; ++round) {
      for (const std::int64_t count : {0, 1, 2, 3, 64, 1001}) {
        const auto n = static_cast<std::size_t>(count);
        for (std::size_t i = 0; i < n; ++i) ++expected_tasks[i];
        for (std::size_t i = 0; i < n; ++i) expected_ranges[i] += expected_tasks[n - 1 - i];
      }
    }
    EXPECT_EQ(tasks, expected_tasks) << size;
    EXPECT_EQ(ranges, expected_ranges) << size;
  }
}

TEST_F(ThreadTeam, TasksAreInALoopAndTheBodyIsNot) {
  set_threads(4);
  with_team([&] {
    EXPECT_FALSE(in_parallel());
    std::vector<int> inside(8), pieces(8);
    parallel_tasks(8, [&](std::int64_t task) {
      const auto i = static_cast<std::size_t>(task);
      inside[i] = in_parallel() ? 1 : 0;
      // Loops and teams in a task stay on its thread.
      with_team([&] { parallel_for(100, 1, [&](std::int64_t, std::int64_t) { ++pieces[i]; }); });
    });
    EXPECT_EQ(inside, std::vector<int>(8, 1));
    EXPECT_EQ(pieces, std::vector<int>(8, 1));
    // A team in the body of a team is the same one.
    int visits = 0;
    with_team([&] { parallel_tasks(1, [&](std::int64_t) { ++visits; }); });
    EXPECT_EQ(visits, 1);
  });
  EXPECT_FALSE(in_parallel());
}

TEST_F(ThreadTeam, ExceptionsOfTheBodyPassThrough) {
  set_threads(3);
  EXPECT_THROW(with_team([] { throw std::runtime_error("from the body"); }), std::runtime_error);
  // And loops go on working.
  std::vector<int> visits(5);
  with_team(
      [&] { parallel_tasks(5, [&](std::int64_t i) { ++visits[static_cast<std::size_t>(i)]; }); });
  EXPECT_EQ(visits, std::vector<int>(5, 1));
}

}  // namespace
}  // namespace muonflow

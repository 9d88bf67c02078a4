#include "muonflow/core/parallel.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <numeric>
#include <vector>

namespace muonflow {
namespace {

class Parallel : public ::testing::Test {
 protected:
  ~Parallel() override { set_threads(0); }
};

TEST_F(Parallel, ThreadsAreThoseAskedFor) {
  set_threads(3);
  EXPECT_EQ(threads(), 3);
  set_threads(0);
  EXPECT_EQ(threads(), available_processors());
  EXPECT_GE(available_processors(), 1);
}

TEST_F(Parallel, EveryIndexIsVisitedOnce) {
  for (const int team : {1, 2, 4, 7}) {
    set_threads(team);
    for (const std::int64_t count : {0, 1, 2, 3, 64, 1001}) {
      for (const std::int64_t grain : {0, 1, 10, 5000}) {
        std::vector<int> ranges(static_cast<std::size_t>(count)), tasks(ranges);
        parallel_for(count, grain, [&](std::int64_t begin, std::int64_t end) {
          EXPECT_LT(begin, end);
          for (auto i = begin; i < end; ++i) ++ranges[static_cast<std::size_t>(i)];
        });
        parallel_tasks(count, [&](std::int64_t i) { ++tasks[static_cast<std::size_t>(i)]; });
        EXPECT_EQ(std::accumulate(ranges.begin(), ranges.end(), std::int64_t{0}), count);
        for (const int visits : ranges) EXPECT_EQ(visits, 1);
        for (const int visits : tasks) EXPECT_EQ(visits, 1);
      }
    }
  }
}

TEST_F(Parallel, PiecesAreAtLeastTheGrain) {
  set_threads(4);
  std::atomic<int> pieces{0};
  std::atomic<bool> small{false};
  parallel_for(100, 40, [&](std::int64_t begin, std::int64_t end) {
    ++pieces;
    if (end - begin < 40) small = true;
  });
  EXPECT_EQ(pieces, 2);
  EXPECT_FALSE(small);
}

TEST_F(Parallel, ElementwiseWorkHasTheSameBitsForAnyNumberOfThreads) {
  const auto run = [](int team) {
    set_threads(team);
    std::vector<double> values(10'007);
    parallel_for(static_cast<std::int64_t>(values.size()), 16,
                 [&](std::int64_t begin, std::int64_t end) {
                   for (auto i = begin; i < end; ++i) {
                     values[static_cast<std::size_t>(i)] = std::sin(static_cast<double>(i)) / 3;
                   }
                 });
    return values;
  };
  const auto one = run(1);
  EXPECT_EQ(one, run(2));
  EXPECT_EQ(one, run(4));
}

TEST_F(Parallel, NestedLoopsStayOnTheirThread) {
  set_threads(4);
  std::vector<int> visits(400);
  std::atomic<int> inner_pieces{0};
  EXPECT_FALSE(in_parallel());
  parallel_tasks(4, [&](std::int64_t task) {
    EXPECT_TRUE(in_parallel());
    parallel_for(100, 1, [&](std::int64_t begin, std::int64_t end) {
      ++inner_pieces;
      for (auto i = begin; i < end; ++i) ++visits[static_cast<std::size_t>(task * 100 + i)];
    });
  });
  EXPECT_EQ(inner_pieces, 4);  // one whole range a task
  for (const int count : visits) EXPECT_EQ(count, 1);
  EXPECT_FALSE(in_parallel());
}

TEST_F(Parallel, OneThreadTakesTasksInOrder) {
  set_threads(1);
  std::vector<std::int64_t> order;
  parallel_tasks(5, [&](std::int64_t i) { order.push_back(i); });
  EXPECT_EQ(order, (std::vector<std::int64_t>{0, 1, 2, 3, 4}));
}

}  // namespace
}  // namespace muonflow

#include "muonflow/cli/bench/timing.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <thread>

namespace muonflow::cli {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

TEST(Samples, MedianAndSpreadLeaveOutWhatIsNoNumber) {
  EXPECT_EQ(median({3, 1, kNaN, 2}), 2);
  EXPECT_EQ(median({4, 1, 2, 3}), 2.5);
  EXPECT_TRUE(std::isnan(median({kNaN})));
  // Quartiles 2 and 4 about 3.
  EXPECT_DOUBLE_EQ(spread({1, 2, kNaN, 3, 4, 5}), 2.0 / 3);
  EXPECT_EQ(spread({7, 7, 7}), 0);
}

// A machine that gets slower during the rounds must not favour anybody.
TEST(Samples, RatiosAreTakenRoundByRound) {
  EXPECT_DOUBLE_EQ(ratio({2, 4, 8}, {1, 2, 4}), 2);
  EXPECT_DOUBLE_EQ(ratio({2, kNaN, 8}, {1, 5, 4}), 2);
  EXPECT_TRUE(std::isnan(ratio({kNaN}, {1})));
}

TEST(Samples, TheBestRivalIsAsExactAsWeAre) {
  std::vector<Contender> contenders{{.name = "ours", .ours = true, .turn = {}, .samples = {1}},
                                    {.name = "slow", .turn = {}, .samples = {3}},
                                    {.name = "fast", .turn = {}, .samples = {2}},
                                    {.name = "dead", .turn = {}, .samples = {kNaN}}};
  contenders.push_back({.name = "coarse", .same_precision = false, .turn = {}, .samples = {0.5}});
  EXPECT_EQ(best_rival(contenders), 2u);
  contenders.resize(1);
  EXPECT_FALSE(best_rival(contenders));
}

Contender counting(const std::string& name, std::string& calls) {
  return {.name = name, .turn = [name, &calls]() -> std::optional<double> {
            calls += name;
            return 1.0;
          }};
}

TEST(Turns, AreTakenOneAfterTheOtherRoundByRound) {
  std::string calls;
  std::vector<Contender> contenders{counting("a", calls), counting("b", calls)};
  take_turns(contenders, {.rounds = 3});
  EXPECT_EQ(calls, "abababab");  // the first of each does not count
  for (const auto& contender : contenders) {
    EXPECT_EQ(contender.samples, (std::vector<double>{1, 1, 1}));
  }
}

TEST(Turns, AContenderTooSlowForItsBudgetHasThreeOfThem) {
  std::string calls;
  Contender slow{.name = "slow", .turn = []() -> std::optional<double> {
                   std::this_thread::sleep_for(std::chrono::milliseconds(2));
                   return 1.0;
                 }};
  std::vector<Contender> contenders{slow, counting("a", calls)};
  take_turns(contenders, {.rounds = 9, .budget = 1e-3});
  int turns = 0;
  for (const double sample : contenders[0].samples) turns += std::isfinite(sample) ? 1 : 0;
  EXPECT_EQ(turns, 3);
  EXPECT_EQ(contenders[0].samples.size(), 9u);
}

TEST(Turns, AContenderThatEndedGetsNoMore) {
  int asked = 0;
  std::vector<Contender> contenders{{.name = "dead", .turn = [&asked]() -> std::optional<double> {
                                       ++asked;
                                       return std::nullopt;
                                     }}};
  take_turns(contenders, {.rounds = 4});
  EXPECT_EQ(asked, 1);
  EXPECT_TRUE(std::isnan(median(contenders[0].samples)));
}

TEST(Turns, EndWhereTheCallerSaysSo) {
  std::string calls;
  std::vector<Contender> contenders{counting("a", calls)};
  take_turns(contenders, {.rounds = 9}, [](std::int64_t round) { return round < 2; });
  EXPECT_EQ(contenders[0].samples.size(), 2u);
}

TEST(Turns, EveryCallIsPrepared) {
  int prepared = 0, called = 0;
  const double seconds = seconds_of([&] { ++prepared; },
                                    [&] {
                                      ++called;
                                      std::this_thread::sleep_for(std::chrono::microseconds(100));
                                    },
                                    1e-3);
  EXPECT_EQ(prepared, called);
  EXPECT_GT(called, 0);
  EXPECT_GT(seconds, 0);
}

}  // namespace
}  // namespace muonflow::cli

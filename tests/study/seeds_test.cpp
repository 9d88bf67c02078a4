#include "muonflow/study/seeds.hpp"

#include <gtest/gtest.h>

#include <numeric>
#include <stdexcept>
#include <vector>

namespace muonflow::study {
namespace {

TEST(OverSeeds, CallsEachOnceAndTells) {
  struct Listener : Context {
    double last = -1, total = 0;
    bool progress(double done, double of, const std::string&) override {
      EXPECT_GT(done, last);
      last = done;
      total = of;
      return true;
    }
  } listener;
  std::vector<int> calls(37);
  Work work{.total = 74};
  EXPECT_TRUE(over_seeds(
      listener, work, 37, [&](std::int64_t k) { ++calls[static_cast<std::size_t>(k)]; }, 2));
  EXPECT_EQ(calls, std::vector<int>(37, 1));
  EXPECT_EQ(work.done, 74);
  EXPECT_EQ(listener.total, 74);
}

TEST(OverSeeds, EndsWhenTheContextSaysSo) {
  struct Impatient : Context {
    bool progress(double, double, const std::string&) override { return false; }
  } impatient;
  int calls = 0;
  Work work;
  EXPECT_FALSE(over_seeds(impatient, work, 5, [&](std::int64_t) { ++calls; }));
  EXPECT_EQ(calls, 0);
}

TEST(OverSeeds, PassesOnWhatABodyThrows) {
  Context context;
  Work work;
  const auto body = [](std::int64_t k) {
    if (k >= 1) throw std::runtime_error(std::to_string(k));
  };
  try {
    over_seeds(context, work, 3, body);
    ADD_FAILURE() << "nothing was thrown";
  } catch (const std::runtime_error& error) {
    EXPECT_STREQ(error.what(), "1");
  }
}

}  // namespace
}  // namespace muonflow::study

#include "muonflow/optim/schedule.hpp"

#include "tests/optim/fixtures.hpp"

namespace muonflow::optim {
namespace {

TEST(Schedule, ConstantIsOneForEver) {
  const Schedule s;
  EXPECT_EQ(s.factor(0, 10), 1);
  EXPECT_EQ(s.factor(1000, 10), 1);
}

TEST(Schedule, WarmupRisesInEqualSteps) {
  for (const auto kind :
       {ScheduleKind::constant, ScheduleKind::linear, ScheduleKind::cosine, ScheduleKind::wsd}) {
    const Schedule s{.kind = kind, .warmup = 4};
    EXPECT_DOUBLE_EQ(s.factor(0, 100), 0.25);
    EXPECT_DOUBLE_EQ(s.factor(2, 100), 0.75);
    EXPECT_DOUBLE_EQ(s.factor(3, 100), 1);
    EXPECT_DOUBLE_EQ(s.factor(4, 100), 1);
  }
}

TEST(Schedule, LinearAndCosineReachTheFloorAtTheEnd) {
  for (const auto kind : {ScheduleKind::linear, ScheduleKind::cosine}) {
    const Schedule s{.kind = kind, .floor = 0.1};
    EXPECT_DOUBLE_EQ(s.factor(0, 10), 1);
    EXPECT_NEAR(s.factor(5, 10), 0.55, 1e-15);  // half way, for both
    EXPECT_DOUBLE_EQ(s.factor(10, 10), 0.1);
    EXPECT_DOUBLE_EQ(s.factor(11, 10), 0.1);
    for (int t = 0; t < 10; ++t) EXPECT_GT(s.factor(t, 10), s.factor(t + 1, 10));
  }
  const Schedule linear{.kind = ScheduleKind::linear};
  EXPECT_DOUBLE_EQ(linear.factor(1, 10), 0.9);
  const Schedule cosine{.kind = ScheduleKind::cosine};
  EXPECT_GT(cosine.factor(1, 10), 0.95);
}

TEST(Schedule, WsdFallsOverItsLastPart) {
  const Schedule s{.kind = ScheduleKind::wsd, .warmup = 2, .decay_fraction = 0.25};
  EXPECT_EQ(s.factor(2, 100), 1);
  EXPECT_EQ(s.factor(75, 100), 1);
  EXPECT_DOUBLE_EQ(s.factor(80, 100), 0.8);
  EXPECT_DOUBLE_EQ(s.factor(100, 100), 0);
}

TEST(Schedule, IsReadFromOptions) {
  Schedule s;
  read(OptionsTree(R"({"kind": "wsd", "warmup": 3, "decay_fraction": 0.5})").json(), s);
  EXPECT_EQ(s.kind, ScheduleKind::wsd);
  EXPECT_EQ(s.warmup, 3);
  EXPECT_MENTIONS(
      message_of<ConfigError>([&] { read(OptionsTree(R"({"kind": "cosin"})").json(), s); }),
      "cosine");
  EXPECT_MENTIONS(message_of<ConfigError>([&] { (void)s.factor(-1, 10); }), "at least 0");
}

}  // namespace
}  // namespace muonflow::optim

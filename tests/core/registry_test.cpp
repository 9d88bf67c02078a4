#include "muonflow/core/registry.hpp"

#include <gtest/gtest.h>

#include "tests/support/message_of.hpp"

namespace muonflow {
namespace {

struct Tool {
  std::string name;
  int weight = 0;
};

Registry<Tool> tools() {
  Registry<Tool> registry("tool");
  registry.add({"saw", 2});
  registry.add({"hammer", 3});
  registry.add({"plane", 1});
  return registry;
}

TEST(Registry, IsAlphabeticalWhateverTheOrderOfEnrolment) {
  EXPECT_EQ(tools().names(), (std::vector<std::string>{"hammer", "plane", "saw"}));
  EXPECT_EQ(tools().all().front().weight, 3);
}

TEST(Registry, FindsByExactName) {
  const auto registry = tools();
  ASSERT_NE(registry.find("saw"), nullptr);
  EXPECT_EQ(registry.find("saw")->weight, 2);
  EXPECT_EQ(registry.find("Saw"), nullptr);
  EXPECT_EQ(registry.at("plane").weight, 1);
}

TEST(Registry, SaysWhatWasMeant) {
  const auto registry = tools();
  const auto message =
      test::message_of<ConfigError>([&] { (void)registry.at("hamer", "run.toml:3: kind"); });
  EXPECT_EQ(message,
            "run.toml:3: kind: unknown tool 'hamer': expected one of hammer, plane, saw (did you "
            "mean 'hammer'?)");
}

TEST(Registry, GuessesNothingFarAway) {
  const auto message = test::message_of<ConfigError>([] { (void)tools().at("screwdriver"); });
  EXPECT_EQ(message, "unknown tool 'screwdriver': expected one of hammer, plane, saw");
}

}  // namespace
}  // namespace muonflow

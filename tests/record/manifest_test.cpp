#include "muonflow/record/manifest.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "muonflow/core/parallel.hpp"
#include "muonflow/core/version.hpp"

namespace muonflow::record {
namespace {

TEST(Manifest, HoldsWhatARunNeedsToBeRepeated) {
  set_threads(2);
  const auto manifest =
      make_manifest("train", "muonflow train a.toml", {{"lr", 0.02}}, 7, "openblas");
  set_threads(0);
  EXPECT_EQ(manifest["format"], kRunFormat);
  EXPECT_EQ(manifest["version"], std::string(kVersion));
  EXPECT_EQ(manifest["kind"], "train");
  EXPECT_EQ(manifest["command"], "muonflow train a.toml");
  EXPECT_EQ(manifest["seed"], 7);
  EXPECT_EQ(manifest["threads"], 2);
  EXPECT_EQ(manifest["config"]["lr"], 0.02);
  EXPECT_EQ(manifest["blas"], "openblas");
  auto form = manifest["created"].get<std::string>();
  for (char& c : form) c = c >= '0' && c <= '9' ? '0' : c;
  EXPECT_EQ(form, "0000-00-00T00:00:00Z");
}

TEST(Manifest, DescribesTheMachineWithoutItsName) {
  const auto machine = describe_machine();
  EXPECT_GE(machine["processors"].get<int>(), 1);
  EXPECT_GT(machine["memory_bytes"].get<std::int64_t>(), std::int64_t{1} << 26);
  EXPECT_TRUE(machine["instruction_sets"].is_array());
  std::string host(256, '\0');
  ASSERT_EQ(::gethostname(host.data(), host.size() - 1), 0);
  host.resize(host.find('\0'));
  for (const auto& [key, value] : machine.items()) EXPECT_NE(value, Json(host)) << key;
}

}  // namespace
}  // namespace muonflow::record

#include "muonflow/optim/transforms.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "muonflow/core/config.hpp"
#include "muonflow/optim/replay.hpp"
#include "muonflow/optim/resolve.hpp"
#include "muonflow/optim/transforms/transform.hpp"
#include "tests/optim/fixtures.hpp"

namespace muonflow::optim {
namespace {

TEST(Transforms, DefaultsAreIdentities) {
  const Transforms none{};
  EXPECT_FALSE(none.need_whole());
  EXPECT_EQ(none.to_text(), "");
}

TEST(Transforms, AreReadFromConfiguration) {
  const auto config = Config::from_text(
      "[optimizer.hidden.transforms]\n"
      "blocking = { size = 64 }\n"
      "grafting = { rule = \"adamw\", options = { eps = 1e-6 } }\n"
      "cautious = { decay = true }\n"
      "error_feedback = { on = true, compressor = \"top_k\", fraction = 0.2 }\n",
      "run.toml");
  RoutingOptions options;
  read(config.tree()["optimizer"], options, config.place_of(), "optimizer");
  Owned<> a("a", {8, 8});
  Optimizer<double> optimizer({a.parameter}, options, 1);
  EXPECT_MENTIONS(optimizer.routing().to_text(),
                  "muon (error feedback top_k, blocks of 64, norm of adamw, cautious decay)");
  EXPECT_EQ(optimizer.routing().rows[0].resolved.adjust_lr, Scale::none) << "adamw's";
}

TEST(Transforms, AGroupPutsItsOwnOverThePresets) {
  RoutingOptions options;
  options.hidden.transforms.blocking.size = 4;
  options.groups = {{.transforms = {.cautious = {.updates = true}}, .patterns = {"b"}}};
  Owned<> a("a", {8, 8});
  Owned<> b("b", {8, 8});
  Optimizer<double> optimizer({a.parameter, b.parameter}, options, 1);
  EXPECT_EQ(optimizer.routing().rows[0].resolved.transforms.to_text(), "blocks of 4");
  EXPECT_EQ(optimizer.routing().rows[1].resolved.transforms.to_text(),
            "blocks of 4, cautious updates");
}

TEST(Transforms, ReplayTakesThem) {
  const std::vector<double> w(12, 1.0), g{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  TensorMap input;
  input.emplace("w/a", make_tensor<double>({3, 4}, w));
  input.emplace("g/a/0", make_tensor<double>({3, 4}, g));
  const auto output = replay(input, {.rule = "sgd",
                                     .options = OptionsTree(
                                         R"({"lr": 1, "transforms": {"error_feedback":
                             {"on": true, "compressor": "top_k", "fraction": 0.1}}})")});
  const auto weights = output.at("w/a/0").to<double>();
  EXPECT_EQ(weights[11], 1 - 12);
  EXPECT_EQ(weights[10], 1 - 11);
  EXPECT_EQ(weights[9], 1) << "two of twelve entries are sent";
  EXPECT_TRUE(output.contains("s/a/estimate"));
  EXPECT_MENTIONS(
      message_of<ConfigError>([&] {
        replay(input, {.rule = "sgd",
                       .options = OptionsTree(R"({"lr": 1, "transforms": {"blokcing": {}}})")});
      }),
      "did you mean 'blocking'");
}

TEST(Transforms, AllAreListed) {
  std::vector<std::string> names;
  for (const auto& entry : transforms()) {
    names.emplace_back(entry.info.name);
    EXPECT_FALSE(entry.info.summary.empty()) << entry.info.name;
    EXPECT_FALSE(entry.info.keys.empty()) << entry.info.name;
  }
  for (const auto* name : {"accumulation", "blocking", "cautious", "clip", "delay_threshold",
                           "error_feedback", "grafting", "momentum_warmup", "qk_clip", "schedule",
                           "spectral_normalization", "weight_decay"}) {
    EXPECT_NE(std::find(names.begin(), names.end(), name), names.end()) << name;
  }
}

// A kernel's momentum options, for the warmup: those of every rule within.
TEST(Transforms, KernelsForwardWhatTheyHold) {
  ApplyOptions apply;
  apply.transforms.grafting.rule = "sgd";
  apply.transforms.error_feedback = {.on = true, .compression = {.kind = Compressor::sign}};
  const auto resolved = resolve_rule("muon", apply, Json::object());
  EXPECT_FALSE(resolved.elementwise());
  const auto kernel = make_kernel<float>(resolved);
  std::vector<double*> momenta;
  kernel->momenta(momenta);
  ASSERT_EQ(momenta.size(), 2u);
  EXPECT_EQ(*momenta[0], 0.95);
  EXPECT_EQ(*momenta[1], 0);
  EXPECT_EQ(kernel->message_bytes(8, 8), 8u + 4);
}

}  // namespace
}  // namespace muonflow::optim

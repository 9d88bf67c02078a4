// Trajectories of public reference implementations, replayed: same gradients, same options, same
// weights after every step. Provenance of each case is in manifest.json.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "muonflow/core/file.hpp"
#include "muonflow/core/safetensors.hpp"
#include "muonflow/optim/replay.hpp"
#include "muonflow/optim/rule_registry.hpp"
#include "tests/golden/recorded.hpp"

namespace muonflow::optim {
namespace {

Json manifest() { return Json::parse(read_text_file(kFolder + "manifest.json")); }

// max over parameters and steps of |w_T - ref_T|_F / max(|ref_T - w_0|_F, 0.01 |ref_last - w_0|_F),
// the error that the manifest's tolerances are for.
double error_of(const Json& item, const TensorMap& input, const TensorMap& reference,
                const TensorMap& got) {
  double worst = 0;
  for (const auto& [name, shape] : item["parameters"].items()) {
    const auto start = input.at("w/" + name).to<double>();
    const auto key = [&](std::int64_t step) { return "w/" + name + "/" + std::to_string(step); };
    const auto steps = item["steps"].get<std::int64_t>();
    const auto last = reference.at(key(steps - 1)).to<double>();
    const double floor = std::max(0.01 * distance(last, start), 1e-300);
    for (std::int64_t step = 0; step < steps; ++step) {
      const auto expected = reference.at(key(step)).to<double>();
      const auto found = got.at(key(step)).to<double>();
      const double error = distance(found, expected) / std::max(distance(expected, start), floor);
      if (!(error <= worst)) worst = error;
    }
  }
  return worst;
}

class Golden : public testing::TestWithParam<std::string> {};

TEST_P(Golden, ReplayGivesTheReferenceWeights) {
  const auto all = manifest();
  const auto& cases = all["cases"];
  const auto item = std::find_if(cases.begin(), cases.end(),
                                 [](const Json& c) { return c["case"] == GetParam(); });
  ASSERT_NE(item, cases.end());
  const auto input = read_safetensors(kFolder + (*item)["input"].get<std::string>());
  const auto reference = read_safetensors(kFolder + (*item)["output"].get<std::string>());
  const auto got = replay(input.tensors, {.rule = (*item)["rule"].get<std::string>(),
                                          .options = OptionsTree((*item)["options"])});
  const double error = error_of(*item, input.tensors, reference.tensors, got);
  RecordProperty("error", std::to_string(error));
  EXPECT_LE(error, (*item)["tolerance"].get<double>());
  for (const auto& [name, tensor] : reference.tensors) {
    EXPECT_EQ(got.at(name).dtype, tensor.dtype) << name;
    EXPECT_EQ(got.at(name).shape, tensor.shape) << name;
  }
}

std::vector<std::string> case_names() {
  std::vector<std::string> names;
  const auto all = manifest();
  for (const auto& item : all["cases"]) names.push_back(item["case"].get<std::string>());
  return names;
}
INSTANTIATE_TEST_SUITE_P(Upstreams, Golden, testing::ValuesIn(case_names()),
                         [](const auto& one) { return one.param; });

// The formula itself: a trajectory that is off in one entry is seen.
TEST(GoldenError, SeesAWrongEntry) {
  const auto item = manifest()["cases"][0];
  const auto input = read_safetensors(kFolder + item["input"].get<std::string>());
  auto reference = read_safetensors(kFolder + item["output"].get<std::string>()).tensors;
  EXPECT_EQ(error_of(item, input.tensors, reference, reference), 0);
  auto wrong = reference;
  auto values = wrong.begin()->second.to<double>();
  values[0] += 1e-3;
  wrong.begin()->second = make_tensor<double>(wrong.begin()->second.shape, values);
  EXPECT_GT(error_of(item, input.tensors, reference, wrong), 1e-6);
}

// A preset is its source: where a case names one, with its learning rate alone it gives the same
// weights as with every option spelt out.
TEST(GoldenPresets, ReproduceTheirSources) {
  const auto all = manifest();
  int presets = 0;
  for (const auto& item : all["cases"]) {
    if (!item.contains("preset")) continue;
    ++presets;
    const auto preset = item["preset"].get<std::string>();
    const auto input = read_safetensors(kFolder + item["input"].get<std::string>());
    const auto reference = read_safetensors(kFolder + item["output"].get<std::string>());
    const Json lr{{"lr", item["options"]["lr"]}};
    const auto got = replay(input.tensors, {.rule = preset, .options = OptionsTree(lr)});
    EXPECT_LE(error_of(item, input.tensors, reference.tensors, got),
              item["tolerance"].get<double>())
        << preset;
  }
  EXPECT_GE(presets, 3);
}

}  // namespace
}  // namespace muonflow::optim

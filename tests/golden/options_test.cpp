// Every option of every rule, and the transforms around rules, against a twin of their equations in
// numpy: make_options.py, which wrote the files and shares nothing with the library.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "muonflow/core/file.hpp"
#include "muonflow/core/safetensors.hpp"
#include "muonflow/optim/replay.hpp"
#include "muonflow/optim/rule_registry.hpp"
#include "tests/golden/recorded.hpp"

namespace muonflow::optim {
namespace {

Json cases() { return Json::parse(read_text_file(kFolder + "options.json")); }

// The tensors of a case, as replay takes them; dion begins with a basis of its own.
TensorMap input_of(const Json& item, const TensorMap& all, std::int64_t steps) {
  TensorMap input;
  for (const auto& tensor : item["tensors"]) {
    const auto name = tensor.get<std::string>();
    input["w/" + name] = all.at("w/" + name);
    for (std::int64_t t = 0; t < steps; ++t) {
      const auto key = "g/" + name + "/" + std::to_string(t);
      input[key] = all.at(key);
    }
    if (item["rule"] == "dion") input["s/" + name + "/Q"] = all.at("Q/" + name);
  }
  return input;
}

TEST(GoldenOptions, AreTheEquationsOfTheTwin) {
  const auto all = cases();
  const auto steps = all["steps"].get<std::int64_t>();
  const auto tensors = read_safetensors(kFolder + "options.in.safetensors").tensors;
  const auto reference = read_safetensors(kFolder + "options.out.safetensors").tensors;
  std::size_t number = 0;
  for (const auto& item : all["cases"]) {
    SCOPED_TRACE(item.dump());
    const auto input = input_of(item, tensors, steps);
    const auto got = replay(
        input, {.rule = item["rule"].get<std::string>(), .options = OptionsTree(item["options"])});
    for (const auto& tensor : item["tensors"]) {
      const auto name = tensor.get<std::string>();
      const auto start = tensors.at("w/" + name).to<double>();
      const auto expected = reference.at(std::to_string(number) + "/" + name).to<double>();
      const auto found = got.at("w/" + name + "/" + std::to_string(steps - 1)).to<double>();
      EXPECT_LE(distance(found, expected),
                item["tolerance"].get<double>() * distance(expected, start))
          << name;
    }
    ++number;
  }
  EXPECT_GT(number, 170U);
}

// Every option of a rule that the twin knows, and every choice, has a case with a value that is not
// its default.
TEST(GoldenOptions, LeaveNoOptionOut) {
  const auto all = cases();
  std::size_t known = 0;
  for (const auto& entry : rules().all()) {
    const auto is_its = [&](const Json& item) { return item["rule"] == entry.name; };
    if (std::none_of(all["cases"].begin(), all["cases"].end(), is_its)) continue;
    ++known;
    for (const auto& option : describe_rule(entry)) {
      std::set<std::string> tried;
      for (const auto& item : all["cases"]) {
        if (!is_its(item) || !item["options"].contains(option.name)) continue;
        const auto& value = item["options"][option.name];
        tried.insert(value.is_string() ? value.get<std::string>() : value.dump());
      }
      const auto other = std::find_if(tried.begin(), tried.end(), [&](const std::string& value) {
        return value != option.default_value;
      });
      EXPECT_NE(other, tried.end()) << entry.name << "." << option.name;
      if (option.type != "choice") continue;
      for (std::size_t at = option.range.find(' ', 4) + 1; at < option.range.size();) {
        const auto end = std::min(option.range.find(',', at), option.range.size());
        const auto choice = option.range.substr(at, end - at);
        EXPECT_TRUE(tried.contains(choice) || choice == option.default_value)
            << entry.name << "." << option.name << " = " << choice;
        at = end + 2;
      }
    }
  }
  EXPECT_GE(known, 20U);
}

}  // namespace
}  // namespace muonflow::optim

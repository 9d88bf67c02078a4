// muonflow list: every registry, as a table, one entry at a time, and as JSON.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "muonflow/core/fields.hpp"
#include "muonflow/flow/integrator.hpp"
#include "muonflow/flow/objective.hpp"
#include "muonflow/geometry/geometries.hpp"
#include "muonflow/linalg/coefficients.hpp"
#include "muonflow/linalg/minimax.hpp"
#include "muonflow/optim/rule_registry.hpp"
#include "muonflow/optim/transforms.hpp"
#include "muonflow/study/study.hpp"
#include "tests/cli/run_program.hpp"

namespace muonflow::cli {
namespace {

class ListCommand : public ProgramTest {
 protected:
  // Every name of a registry stands in the text.
  template <class Entries>
  static void expect_names(const std::string& text, const Entries& entries) {
    EXPECT_FALSE(entries.empty());
    for (const auto& entry : entries) {
      EXPECT_NE(text.find(" " + entry.name + " "), std::string::npos) << entry.name << "\n" << text;
    }
  }
};

TEST_F(ListCommand, NamesEveryEntryOfEveryRegistry) {
  const auto result = run({"list"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.err, "");
  expect_names(result.out, optim::rules().all());
  expect_names(result.out, geometry::geometries().all());
  expect_names(result.out, flow::integrators().all());
  expect_names(result.out, flow::objectives().all());
  expect_names(result.out, study::studies().all());
}

TEST_F(ListCommand, ShowsOneEntryWithItsOptions) {
  for (const auto& rule : optim::rules().all()) {
    const auto result = run({"list", "rules", rule.name});
    ASSERT_EQ(result.code, 0) << result.err;
    EXPECT_EQ(result.out.rfind(rule.name + ": ", 0), 0u) << result.out;
    EXPECT_NE(result.out.find(rule.info.cite), std::string::npos) << result.out;
    EXPECT_NE(result.out.find(rule.info.differs), std::string::npos) << result.out;
    EXPECT_NE(result.out.find(std::string(rule.info.transfer.family) + ": " +
                              optim::to_text(rule.info.transfer)),
              std::string::npos)
        << result.out;
    EXPECT_NE(result.out.find(optim::regime_text(rule.info.transfer)), std::string::npos);
    for (const auto& option : optim::describe_rule(rule)) {
      EXPECT_NE(result.out.find(" " + option.name + " "), std::string::npos) << option.name;
      EXPECT_NE(result.out.find(option.doc), std::string::npos) << option.name;
    }
    for (const auto& preset : rule.presets) {
      EXPECT_NE(result.out.find(rule.name + "." + std::string(preset.name)), std::string::npos);
    }
  }
}

TEST_F(ListCommand, JsonHoldsWhatTheRegistriesSay) {
  const auto result = run({"list", "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  const Json all = Json::parse(result.out);
  ASSERT_EQ(all["rules"].size(), optim::rules().all().size());
  for (std::size_t i = 0; i < all["rules"].size(); ++i) {
    const auto& entry = optim::rules().all()[i];
    const auto& rule = all["rules"][i];
    EXPECT_EQ(rule["name"], entry.name);
    const auto options = optim::describe_rule(entry);
    ASSERT_EQ(rule["options"].size(), options.size());
    for (std::size_t j = 0; j < options.size(); ++j) {
      EXPECT_EQ(rule["options"][j]["name"], options[j].name);
      // A choice describes its default as a bare word.
      const Json value = Json::parse(options[j].default_value, nullptr, false);
      EXPECT_EQ(rule["options"][j]["default"],
                value.is_discarded() ? Json(options[j].default_value) : value);
    }
  }
}

TEST_F(ListCommand, PresetsHaveTheirOptionsEach) {
  const auto result = run({"list", "rules", "muon.pytorch", "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  const Json muon = Json::parse(result.out);
  ASSERT_EQ(muon["presets"].size(), 3u);
  EXPECT_EQ(muon["presets"][0]["name"], "muon.jordan");
  EXPECT_EQ(muon["presets"][0]["options"]["eps_mode"], "add");
  EXPECT_EQ(muon["presets"][2]["name"], "muon.pytorch");
  EXPECT_EQ(muon["presets"][2]["options"]["eps_mode"], "max");
  const auto adam = run({"list", "rules", "adam"});  // a name of adamw's with L2 decay
  ASSERT_EQ(adam.code, 0) << adam.err;
  EXPECT_NE(adam.out.find("{\"decay\":\"coupled\"}"), std::string::npos) << adam.out;
  expect_refusal(run({"list", "rules", "muon.jordon"}), 2, "did you mean 'muon.jordan'?");
}

TEST_F(ListCommand, GeometriesSayHowSmoothTheyAre) {
  const auto text = [&](const std::string& name) { return run({"list", "geometries", name}).out; };
  EXPECT_NE(text("smoothed_nuclear").find("its Hessian at most 100"), std::string::npos);
  EXPECT_NE(text("frobenius").find("its Hessian at most 1\n"), std::string::npos);
  EXPECT_EQ(text("nuclear").find("Hessian"), std::string::npos);
}

TEST_F(ListCommand, MarkdownIsAPage) {
  const auto all = run({"list", "rules", "--markdown"});
  ASSERT_EQ(all.code, 0) << all.err;
  for (const auto& rule : optim::rules().all()) {
    EXPECT_NE(all.out.find("| [" + rule.name + "](" + rule.name + ".md) |"), std::string::npos);
  }
  const auto one = run({"list", "rules", "muon", "--markdown"});
  ASSERT_EQ(one.code, 0) << one.err;
  for (const auto& part :
       {"| in one line | momentum, orthogonalized: D = polar(M) |", "| transfer | orthogonal: lr",
        "## Options", "| `momentum` | `0.95` | [0, 1) |", "## Presets", "| `muon.jordan` |"}) {
    EXPECT_NE(one.out.find(part), std::string::npos) << part << "\n" << one.out;
  }
  expect_refusal(run({"list", "--markdown"}), 2, "a kind, such as rules");
  expect_refusal(run({"list", "rules", "--markdown", "--json"}), 2, "no --json");
}

TEST_F(ListCommand, ShowsTransforms) {
  const auto all = run({"list", "transforms"});
  ASSERT_EQ(all.code, 0) << all.err;
  for (const auto& entry : optim::transforms()) {
    EXPECT_NE(all.out.find(std::string(entry.info.name) + ": "), std::string::npos)
        << entry.info.name;
    for (const auto& option : entry.options) {
      EXPECT_NE(all.out.find(" " + option.name + " "), std::string::npos) << option.name;
    }
  }
}

TEST_F(ListCommand, SettingsHoldTheKeysOfConfigurationFiles) {
  const auto train = run({"list", "settings", "train"});
  ASSERT_EQ(train.code, 0) << train.err;
  EXPECT_NE(train.out.find(" optimizer.preset "), std::string::npos) << train.out;
  const auto flow = run({"list", "settings", "flow"});
  EXPECT_NE(flow.out.find(" dynamics.gamma "), std::string::npos) << flow.out;
}

TEST_F(ListCommand, CoefficientsNameEveryTableWithItsSource) {
  const auto text = run({"list", "--coefficients"});
  ASSERT_EQ(text.code, 0) << text.err;
  const auto result = run({"list", "--coefficients", "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  const Json all = Json::parse(result.out);
  ASSERT_EQ(all.size(), linalg::kTables.size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto& info = linalg::kTables[i];
    const std::string name(enum_name(info.table));
    EXPECT_NE(text.out.find("\n" + name + ": "), std::string::npos) << name << "\n" << text.out;
    EXPECT_NE(text.out.find(std::string(info.cite)), std::string::npos);
    EXPECT_EQ(all[i]["name"], name);
    EXPECT_EQ(all[i]["reference"], info.cite);
    ASSERT_EQ(static_cast<std::int64_t>(all[i]["steps"].size()), info.entries);
    for (std::int64_t t = 0; t < info.entries; ++t) {
      const auto p = linalg::table_step(info.table, t, info.entries);
      const auto& row = all[i]["steps"][static_cast<std::size_t>(t)];
      ASSERT_EQ(row.size(), p.terms);
      for (std::size_t k = 0; k < p.terms; ++k) EXPECT_EQ(row[k], p[k]);
    }
    for (const auto& values : all[i]["values"]) {
      std::vector<linalg::OddPolynomial> steps;
      for (std::int64_t t = 0; t < values["steps"]; ++t) {
        steps.push_back(linalg::table_step(info.table, t, values["steps"]));
      }
      const auto [smallest, largest] =
          linalg::composition_range(steps, values["lower"], values["upper"]);
      EXPECT_EQ(values["smallest"], smallest);
      EXPECT_EQ(values["largest"], largest);
    }
  }
  const auto one = run({"list", "--coefficients", "you"});
  ASSERT_EQ(one.code, 0) << one.err;
  EXPECT_NE(one.out.find("2.8366"), std::string::npos) << one.out;
  EXPECT_EQ(one.out.find("17.300387312530933"), std::string::npos) << one.out;
  expect_refusal(run({"list", "--coefficients", "turboo"}), 2, "did you mean 'turbo'?");
}

TEST_F(ListCommand, CoefficientsAreMadeToMeasure) {
  const auto result = run({"list", "--coefficients", "--generate",
                           R"({"lower": 1e-4, "degree": 7, "steps": 4})", "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  const Json all = Json::parse(result.out);
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0]["options"]["cushion"], linalg::kCushion);
  const auto expected = linalg::generate({.lower = 1e-4, .degree = 7, .steps = 4});
  ASSERT_EQ(all[0]["steps"].size(), 4u);
  for (std::size_t t = 0; t < 4; ++t) {
    for (std::size_t k = 0; k < 4; ++k) EXPECT_EQ(all[0]["steps"][t][k], expected[t][k]);
  }
  EXPECT_EQ(all[0]["values"][3]["error"], linalg::composition_error(expected, 1e-4, 1));
  expect_refusal(run({"list", "--generate", R"({"degree": 4})"}), 2, "degree");
  expect_refusal(run({"list", "--generate", R"({"lowre": 4})"}), 2, "lower");
  expect_refusal(run({"list", "--generate", "[]"}), 2, "--generate");
}

TEST_F(ListCommand, MisspeltNamesAreWrongUsage) {
  const auto kind = run({"list", "rulez"});
  EXPECT_EQ(kind.code, 2);
  EXPECT_NE(kind.err.find("did you mean 'rules'?"), std::string::npos) << kind.err;
  const auto name = run({"list", "rules", "muonn"});
  EXPECT_EQ(name.code, 2);
  EXPECT_NE(name.err.find("did you mean 'muon'?"), std::string::npos) << name.err;
  EXPECT_EQ(name.out, "");
}

}  // namespace
}  // namespace muonflow::cli

// Every option of every rule, changed: steps of the changed rule are not what the unchanged one
// claims, and the audit says so. So a rule that ignores an option, or takes another's value, is
// caught whichever it is.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "muonflow/optim/rule_registry.hpp"
#include "tests/optim/audit/audited_run.hpp"
#include "tests/optim/audit/evidence.hpp"

namespace muonflow::optim {
namespace {

// What says nothing at the steps and sizes of this test, and why.
const std::set<std::string> kSilent{
    "asgo.eps",              // only where the step's norm is below it
    "dion.eps",              // beside columns whose norm is 1e8 times as large
    "freon.floor",           // no singular value is that small
    "kaon.eps",              // beside a norm
    "muon.eps",              // beside a norm
    "muon.eps_mode",         // the same
    "normalized_sgd.eps",    // beside a norm
    "normuon.eps",           // beside a norm
    "shampoo.epsilon",       // beside the largest eigenvalue, in float's rounding
    "soap.max_precond_dim",  // no side is that long
};

// Another value of an option.
Json changed(const FieldInfo& field) {
  const Json parsed = Json::parse(field.default_value, nullptr, false);
  const Json value = parsed.is_discarded() ? Json(field.default_value) : parsed;
  if (field.type == "boolean") return !value.get<bool>();
  if (field.type == "integer" && value.is_number()) return value.get<std::int64_t>() + 1;
  if (field.type == "reals") {
    Json values = value;
    values[0] = 0.5 * values[0].get<double>();
    return values;
  }
  if (field.type == "choice") {
    const auto list = field.range.substr(field.range.find("of ") + 3);
    for (std::size_t begin = 0; begin < list.size();) {
      const auto end = std::min(list.find(", ", begin), list.size());
      const auto name = list.substr(begin, end - begin);
      if (name != value.get<std::string>()) return name;
      begin = end + 2;
    }
  }
  if (value.is_number()) return value.get<double>() == 0 ? 0.5 : 0.6 * value.get<double>();
  return field.name == "shampoo_beta" ? Json(0.5) : Json(3);
}

struct Mutation {
  std::string rule, options, claimed, name;
};

std::vector<Mutation> mutations() {
  std::vector<Mutation> all;
  for (const auto& entry : rules().all()) {
    if (entry.name.starts_with("wrong_")) continue;
    for (const auto& field : describe_rule(entry)) {
      if (kSilent.contains(entry.name + "." + field.name)) continue;
      Json options = Json::object(), claimed = Json::object();
      // Options that others make sense of.
      if (entry.name == "sgd" && field.name != "momentum") {
        options["momentum"] = claimed["momentum"] = 0.9;
      }
      if (field.name == "epsilon_mode") options["epsilon"] = claimed["epsilon"] = 0.5;
      if (field.name == "retraction") options["retraction"] = claimed["retraction"] = "taylor2";
      if (field.name == "rank_fraction") claimed["rank_fraction"] = 0.5;
      options[field.name] = field.name == "retraction" ? Json("cayley") : changed(field);
      std::string name = entry.name + "_" + field.name;
      std::replace(name.begin(), name.end(), '.', '_');
      all.push_back({entry.name, options.dump(), claimed.dump(), name});
    }
  }
  return all;
}

class Mutated : public testing::TestWithParam<Mutation> {};

TEST_P(Mutated, IsCaught) {
  const auto& mutation = GetParam();
  auto options = Json::parse(mutation.claimed);
  options["lr"] = 0.05;
  const auto claim = claim_of("w", {12, 8}, mutation.rule, options.dump());
  // Gradients small enough for an epsilon to matter, and large steps for a retraction to.
  AuditedRunOf<double> run({{{12, 8}, Role::hidden}}, only(mutation.rule, 0.05, mutation.options));
  run.size = mutation.name.find("eps") != std::string::npos ? 1e-3 : 1;
  bool caught = false;
  for (int step = 0; step < 12 && !caught; ++step) {
    run.fill_gradients(step);
    const auto evidence = step_of(run);
    caught = !audit(claim, evidence).ok();
  }
  EXPECT_TRUE(caught) << mutation.rule << " with " << mutation.options << " passes for "
                      << mutation.claimed;
}

INSTANTIATE_TEST_SUITE_P(EveryOption, Mutated, testing::ValuesIn(mutations()),
                         [](const auto& one) { return one.param.name; });

// The same with what is not the rule's own.
TEST(Mutated, LearningRateDecayAndScaleOfEveryRule) {
  const std::vector<std::pair<std::string, std::string>> pairs{
      {R"({"lr": 0.02})", R"({"lr": 0.021})"},
      {R"({"lr": 0.02})", R"({"lr": 0.02, "weight_decay": 0.1})"},
      {R"({"lr": 0.02, "weight_decay": 0.2})", R"({"lr": 0.02, "weight_decay": 0.1})"},
      {R"({"lr": 0.02, "weight_decay": 0.1, "decay": "coupled"})",
       R"({"lr": 0.02, "weight_decay": 0.1, "decay": "before"})"},
      {R"({"lr": 0.02, "weight_decay": 0.1, "decay": "independent"})",
       R"({"lr": 0.02, "weight_decay": 0.1, "decay": "before"})"},
      {R"({"lr": 0.02, "adjust_lr": "spectral"})", R"({"lr": 0.02, "adjust_lr": "none"})"},
      {R"({"lr": 0.02, "adjust_lr": "original"})", R"({"lr": 0.02, "adjust_lr": "spectral"})"},
      {R"({"lr": 0.02, "layout": "stack"})", R"({"lr": 0.02, "layout": "conv"})"},
      {R"({"lr": 0.02, "layout": "conv"})", R"({"lr": 0.02, "layout": "stack"})"}};
  for (const auto& entry : rules().all()) {
    if (entry.name.starts_with("wrong_")) continue;
    for (const auto& [done, claimed] : pairs) {
      const bool stack = done.find("layout") != std::string::npos;
      const bool scale = done.find("adjust_lr") != std::string::npos;
      const bool entrywise = has(entry.info.traits, Trait::elementwise);
      // Plain gradient descent does not tell coupled decay from decoupled.
      if (entry.name == "sgd" && done.find("coupled") != std::string::npos) continue;
      if ((stack && entrywise) || (scale && entry.info.scale_built_in)) continue;
      const Shape shape = stack ? Shape{3, 4, 8} : Shape{6, 10};
      auto routing = routing_for(entry.name, done);
      AuditedRunOf<double> run({{shape, Role::hidden}}, routing);
      const auto claim = claim_of("w", shape, entry.name, claimed);
      bool caught = false;
      for (int step = 0; step < 3 && !caught; ++step) {
        run.fill_gradients(step);
        caught = !audit(claim, step_of(run)).ok();
      }
      EXPECT_TRUE(caught) << entry.name << " with " << done << " passes for " << claimed;
    }
  }
}

}  // namespace
}  // namespace muonflow::optim

// Right steps raise nothing: a thousand of every rule, in both types.
#include <gtest/gtest.h>

#include "muonflow/optim/rule_registry.hpp"
#include "tests/optim/audit/audited_run.hpp"

namespace muonflow::optim {
namespace {

constexpr int kSteps = 1000;

std::vector<std::string> catalogue() {
  std::vector<std::string> names;
  for (const auto& entry : rules().all()) {
    if (!entry.name.starts_with("wrong_")) names.push_back(entry.name);
  }
  return names;
}

class CleanSteps : public testing::TestWithParam<std::string> {};

template <class T>
void expect_clean(const std::string& rule) {
  auto routing = only(rule, 0.01);
  routing.hidden.weight_decay = 0.1;
  AuditedRunOf<T> run({{{6, 4}, Role::hidden}, {{4, 7}, Role::hidden}}, routing);
  const auto failure = run.run(kSteps, [](int step) { return 1.0 / (1 + 0.01 * step); });
  EXPECT_EQ(failure, "") << run.auditor->report().to_text();
  EXPECT_EQ(run.auditor->totals().audits, kSteps);
  // Most claims are judged, not left open.
  EXPECT_LT(run.auditor->totals().off, run.auditor->totals().checks / 5)
      << run.auditor->reasons().begin()->first;
}

TEST_P(CleanSteps, InDouble) { expect_clean<double>(GetParam()); }
TEST_P(CleanSteps, InFloat) { expect_clean<float>(GetParam()); }

INSTANTIATE_TEST_SUITE_P(EveryRule, CleanSteps, testing::ValuesIn(catalogue()),
                         [](const auto& one) { return one.param; });

}  // namespace
}  // namespace muonflow::optim

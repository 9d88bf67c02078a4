#include "muonflow/optim/audit/report.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/optim/fixtures.hpp"

namespace muonflow::optim {
namespace {

AuditReport three() {
  AuditReport report;
  report.checks.push_back({.tensor = "h.0.w",
                           .rule = "muon",
                           .quantity = "polar error",
                           .expected = 0.2,
                           .found = 0.21,
                           .bound = 0.1});
  report.checks.push_back({.tensor = "h.0.w",
                           .rule = "muon",
                           .quantity = "scale",
                           .expected = 0.02,
                           .found = 0.01,
                           .bound = 1e-6,
                           .verdict = Verdict::failed,
                           .note = "as if"});
  report.checks.push_back({.tensor = "h.0.w",
                           .rule = "muon",
                           .quantity = "decay",
                           .verdict = Verdict::off,
                           .note = "W is zero"});
  return report;
}

TEST(AuditReport, CountsAndNamesTheFirstFailure) {
  const auto report = three();
  EXPECT_FALSE(report.ok());
  EXPECT_EQ(report.judged(), 2);
  EXPECT_EQ(report.failed(), 1);
  EXPECT_EQ(report.failure()->to_line(),
            "h.0.w: scale: expected 0.02 within 1e-06, found 0.01 (as if)");
  EXPECT_EQ(report.checks[2].to_line(), "h.0.w: decay: not judged: W is zero");
  EXPECT_TRUE(AuditReport{}.ok());
}

TEST(AuditReport, IsATableAndJson) {
  auto report = three();
  EXPECT_MENTIONS(report.to_text(), "polar error");
  EXPECT_MENTIONS(report.to_text(), "FAILED: as if");
  report.append(three());
  const auto rows = report.to_json();
  ASSERT_EQ(rows.size(), 6u);
  EXPECT_EQ(rows[1].at("verdict"), "FAILED");
  EXPECT_EQ(rows[1].at("found"), 0.01);
}

}  // namespace
}  // namespace muonflow::optim

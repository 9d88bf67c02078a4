#include "muonflow/core/outcome.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace muonflow {
namespace {

TEST(Outcome, IsOkAndChangedByDefault) {
  const Outcome outcome;
  EXPECT_TRUE(outcome.ok());
  EXPECT_TRUE(outcome.changed);
}

TEST(Outcome, AnyOtherStatusIsNotOk) {
  for (const auto status :
       {Status::non_finite_input, Status::non_finite_result, Status::not_converged}) {
    EXPECT_FALSE((Outcome{.status = status, .changed = true}.ok()));
  }
}

TEST(Outcome, EveryStatusHasANameOfItsOwn) {
  std::set<std::string> names;
  for (const auto status :
       {Status::ok, Status::non_finite_input, Status::non_finite_result, Status::not_converged}) {
    names.emplace(to_string(status));
  }
  EXPECT_EQ(names.size(), 4u);
  EXPECT_EQ(names.count("unknown"), 0u);
}

}  // namespace
}  // namespace muonflow

#include "muonflow/optim/claims.hpp"

#include <gtest/gtest.h>

#include <set>

#include "muonflow/optim/rule_registry.hpp"

namespace muonflow::optim {
namespace {

// A rule without claims is legal and not audited; those of the catalogue all have some, each its
// own.
TEST(Claims, EveryRuleOfTheCatalogueHasSome) {
  std::set<Direction> seen;
  for (const auto& entry : rules().all()) {
    if (entry.name.starts_with("toy_") || entry.name.starts_with("wrong_")) continue;
    EXPECT_NE(entry.info.claims.direction, Direction::unclaimed) << entry.name;
    seen.insert(entry.info.claims.direction);
  }
  EXPECT_GE(seen.size(), 19u);  // two sign rules share one
}

}  // namespace
}  // namespace muonflow::optim

#include "muonflow/linalg/simd_targets.hpp"

#include <gtest/gtest.h>
// After simd_targets:
#include <hwy/targets.h>

#include "muonflow/linalg/peak.hpp"

namespace muonflow::linalg {
namespace {

TEST(SimdTargets, TheBestOfThemForThisProcessorIsChosen) {
  const auto usable = hwy::SupportedTargets() & HWY_TARGETS;
  ASSERT_NE(usable, 0);
  EXPECT_EQ(vector_instructions(), hwy::TargetName(usable & -usable));
}

}  // namespace
}  // namespace muonflow::linalg

// The audit's own coefficients beside the kernels': two hands typed the same numbers.
#include "muonflow/optim/audit/detail/polar_steps.hpp"

#include <gtest/gtest.h>

#include "muonflow/linalg/polar.hpp"

namespace muonflow::optim::detail {
namespace {

TEST(PolarSteps, AgreeWithTheKernelsTables) {
  for (std::size_t i = 0; i < EnumNames<linalg::PolarMethod>::names.size(); ++i) {
    const auto method = static_cast<linalg::PolarMethod>(i);
    const auto name = enum_name(method);
    if (linalg::is_exact(method)) {
      EXPECT_TRUE(polar_steps(name, 5).empty()) << name;
      continue;
    }
    for (const std::int64_t count : {1, 4, 5, 9, 14}) {
      const linalg::Polar polar{.method = method, .ns_steps = count};
      const auto steps = polar_steps(name, count);
      ASSERT_EQ(steps.size(), static_cast<std::size_t>(count)) << name;
      for (std::int64_t k = 0; k < count; ++k) {
        const auto step = polar.step(k);
        const auto& own = steps[static_cast<std::size_t>(k)];
        // The closed form of cans is recomputed, the others are the same digits; safety factors
        // round once more.
        EXPECT_NEAR(own.a, step[0], 1e-9) << name << " " << k;
        EXPECT_NEAR(own.b, step[1], 1e-9) << name << " " << k;
        EXPECT_NEAR(own.c, step.terms > 2 ? step[2] : 0, 1e-9) << name << " " << k;
      }
    }
    EXPECT_EQ(polar_steps(name, -1).size(), method == linalg::PolarMethod::turbo ? 4u : 5u);
  }
}

}  // namespace
}  // namespace muonflow::optim::detail

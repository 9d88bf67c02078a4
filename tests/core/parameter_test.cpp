#include "muonflow/core/parameter.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace muonflow {
namespace {

TEST(Parameter, BorrowsAndIsHiddenAndContiguousByDefault) {
  std::vector<float> weights(6);
  Parameter<float> parameter;
  parameter.name = "h.0.weight";
  parameter.shape = {2, 3};
  parameter.weights = weights.data();
  EXPECT_EQ(parameter.gradient, nullptr);  // no gradient: the step leaves it alone
  EXPECT_EQ(parameter.role, Role::hidden);
  EXPECT_EQ(parameter.weights_stride, 0);
  EXPECT_EQ(element_count(parameter.shape), static_cast<std::int64_t>(weights.size()));
  parameter.weights[5] = 2;
  EXPECT_EQ(weights[5], 2);
}

}  // namespace
}  // namespace muonflow

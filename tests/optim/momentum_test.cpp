#include "muonflow/optim/momentum.hpp"

#include <gtest/gtest.h>

#include "tests/reference/matrices.hpp"

namespace muonflow::optim {
namespace {

TEST(MomentumStep, IsTheWeightOfThePastAndOfTheGradient) {
  const auto average = MomentumStep::average(0.75, true);
  EXPECT_EQ(average.momentum, 0.75);
  EXPECT_EQ(average.part, 0.25);
  EXPECT_TRUE(average.nesterov);
  const auto sum = MomentumStep::sum(0.75);
  EXPECT_EQ(sum.part, 1);
  EXPECT_FALSE(sum.nesterov);
}

template <class T>
class MomentumOf : public testing::Test {};
using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(MomentumOf, Scalars);

// The two equations, entry by entry, to the last bit; columns of a wider gradient.
TYPED_TEST(MomentumOf, HasTheBitsOfItsEquations) {
  using T = TypeParam;
  for (const Index cols : {1, 7, 33}) {
    const Matrix<T> wide = reference::gaussian(5, cols + 3, 1).cast<T>();
    const ConstMatrixRef<T> G = wide.leftCols(cols);
    for (const bool nesterov : {false, true}) {
      for (const MomentumStep& step :
           {MomentumStep::average(0.9, nesterov), MomentumStep::sum(0.95, nesterov)}) {
        Matrix<T> M = reference::gaussian(5, cols, 2).cast<T>();
        Matrix<T> D(5, cols);
        const Matrix<T> before = M;
        step.apply<T>(G, M, D);
        const T kept = static_cast<T>(step.momentum), part = static_cast<T>(step.part);
        for (Index i = 0; i < 5; ++i) {
          for (Index j = 0; j < cols; ++j) {
            const T past = kept * before(i, j), now = part * G(i, j);
            const T m = past + now;
            ASSERT_EQ(M(i, j), m);
            const T again = kept * m;
            const T ahead = now + again;
            ASSERT_EQ(D(i, j), nesterov ? ahead : m);
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace muonflow::optim

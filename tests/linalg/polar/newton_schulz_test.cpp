#include "muonflow/linalg/polar/newton_schulz.hpp"

#include <gtest/gtest.h>

#include "tests/reference/matrices.hpp"

namespace muonflow::linalg {
namespace {

TEST(NewtonSchulz, StepsComeFromTheTablesInOrder) {
  for (std::int64_t t = 0; t < 12; ++t) {
    EXPECT_EQ(quintic_step(PolarMethod::jordan, t).a, kJordan.a);
    EXPECT_EQ(quintic_step(PolarMethod::classic, t).a, kClassic.a);
    EXPECT_EQ(quintic_step(PolarMethod::polar_express, t).a,
              polar_express_step(static_cast<std::size_t>(t)).a);
  }
  EXPECT_EQ(quintic_step(PolarMethod::polar_express, 0).a, 8.28721201814563);
}

TEST(NewtonSchulz, NoStepsOnlyNormalize) {
  const Matrix<double> a = reference::gaussian(4, 7, 71);
  Matrix<double> x = a;
  Workspace<double> workspace;
  ASSERT_TRUE(newton_schulz<double>(x, {.ns_steps = 0, .eps = 0}, workspace).ok());
  EXPECT_LE((x - a / a.norm()).norm(), 1e-15);
}

TEST(NewtonSchulz, ANormBeyondTheLargestNumberIsNamed) {
  Matrix<double> x = Matrix<double>::Constant(4, 4, 1e308);
  Workspace<double> workspace;
  const Outcome outcome = newton_schulz<double>(x, {}, workspace);
  EXPECT_EQ(outcome.status, Status::non_finite_result);
  EXPECT_FALSE(outcome.changed);
  EXPECT_EQ(x(0, 0), 1e308);
}

// After enough classic steps a well-conditioned matrix is orthogonal to roundoff.
TEST(NewtonSchulz, ClassicConverges) {
  for (const auto& [m, n] : {std::pair<Index, Index>{6, 9}, {9, 6}, {80, 90}}) {
    Matrix<double> x = reference::with_spectrum(m, n, reference::geometric(std::min(m, n), 10), 72);
    Workspace<double> workspace;
    const Polar options{.method = PolarMethod::classic, .ns_steps = 25, .eps = 0};
    ASSERT_TRUE(newton_schulz<double>(x, options, workspace).ok());
    const Index r = std::min(m, n);
    Matrix<double> gram =
        m <= n ? Matrix<double>(x * x.transpose()) : Matrix<double>(x.transpose() * x);
    gram.diagonal().array() -= 1;
    EXPECT_LE(gram.norm(), 1e-15 * 16 * static_cast<double>(r));
  }
}

}  // namespace
}  // namespace muonflow::linalg

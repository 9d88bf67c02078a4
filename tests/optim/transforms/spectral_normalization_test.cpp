#include "muonflow/optim/transforms/spectral_normalization.hpp"

#include <cmath>

#include "muonflow/core/rng.hpp"
#include "muonflow/linalg/norms.hpp"
#include "tests/optim/fixtures.hpp"

namespace muonflow::optim {
namespace {

RoutingOptions normalized_sgd_options(NormKind kind) {
  auto options = only("sgd", 1.0);
  options.hidden.transforms.spectral_normalization.kind = kind;
  return options;
}

// The step after `steps` steps with one gradient.
Matrix<double> last_step(const RoutingOptions& options, Index m, Index n, int steps,
                         double scale = 1) {
  Owned<> a("a", {m, n}, Role::hidden, 0);
  Rng rng(3, 7);
  for (auto& g : a.gradient) g = scale * rng.normal();
  Optimizer<double> optimizer({a.parameter}, options, 1);
  std::vector<double> before;
  for (int t = 0; t < steps; ++t) {
    std::fill(a.weights.begin(), a.weights.end(), 0.0);
    EXPECT_TRUE(optimizer.step().outcome.ok());
  }
  return Eigen::Map<Matrix<double>>(a.weights.data(), m, n);
}

// The operator norm is 1 up to what the power iteration lacks: 5 x 50 iterations, a gap of singular
// values of a few percent. The shape scale sqrt(m / n) is on top.
TEST(SpectralNormalization, GivesOperatorNormOne) {
  for (const auto& [m, n] : {std::pair<Index, Index>{12, 20}, {20, 12}, {1, 6}, {6, 1}}) {
    for (const double scale : {1.0, 1e-6, 1e6}) {
      const auto step = last_step(normalized_sgd_options(NormKind::spectral), m, n, 50, scale);
      const double expected = std::sqrt(static_cast<double>(m) / static_cast<double>(n));
      EXPECT_NEAR(linalg::spectral_norm<double>(step), expected, 1e-4 * expected) << m << " " << n;
    }
  }
}

// Power iteration comes from below, so a step is never smaller than asked for.
TEST(SpectralNormalization, FirstStepIsNearAndNotBelow) {
  auto options = normalized_sgd_options(NormKind::spectral);
  options.hidden.adjust_lr = Scale::none;
  const double first = linalg::spectral_norm<double>(last_step(options, 12, 20, 1));
  EXPECT_GE(first, 1 - 1e-8);
  EXPECT_LE(first, 1.2) << "five iterations";
  options.hidden.transforms.spectral_normalization.first_iterations = 1;
  EXPECT_GE(linalg::spectral_norm<double>(last_step(options, 12, 20, 1)), first);
}

TEST(SpectralNormalization, RmsIsTheRootMeanSquareOfEntries) {
  const auto step = last_step(normalized_sgd_options(NormKind::rms), 12, 20, 1, 1e-3);
  EXPECT_NEAR(step.norm(), std::sqrt(240.0), 1e-5);
}

TEST(SpectralNormalization, ZeroStaysZeroAndTheVectorIsKept) {
  Owned<> a("a", {4, 3}, Role::hidden, 1, 0);
  Optimizer<double> optimizer({a.parameter}, normalized_sgd_options(NormKind::spectral), 1);
  const auto before = optimizer.state();
  EXPECT_EQ(before.at("s/a/right_vector").shape, (Shape{1, 3}));
  ASSERT_TRUE(optimizer.step().outcome.ok());
  EXPECT_EQ(a.weights, std::vector<double>(12, 1.0));
  EXPECT_EQ(optimizer.state().at("s/a/right_vector").bytes, before.at("s/a/right_vector").bytes);
}

}  // namespace
}  // namespace muonflow::optim

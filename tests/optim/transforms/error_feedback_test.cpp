#include "muonflow/optim/transforms/error_feedback.hpp"

#include <cmath>

#include "tests/optim/fixtures.hpp"

namespace muonflow::optim {
namespace {

RoutingOptions with(const Compression& compression) {
  auto options = only("sgd", 1.0);
  options.hidden.transforms.error_feedback = {.on = true, .compression = compression};
  return options;
}

// Whatever a message leaves out comes with the next ones: on a constant gradient the estimate
// approaches it, and each message shrinks the difference.
TEST(ErrorFeedback, TheEstimateFollowsTheGradient) {
  for (const auto kind :
       {Compressor::top_k, Compressor::low_rank, Compressor::sign, Compressor::int8}) {
    Owned<> a("a", {6, 8}, Role::hidden, 0);
    for (std::size_t i = 0; i < a.gradient.size(); ++i) {
      a.gradient[i] = std::sin(2.3 * static_cast<double>(i * i));
    }
    Optimizer<double> optimizer({a.parameter}, with({.kind = kind, .fraction = 0.25, .rank = 2}),
                                1);
    double left = 1e30;
    for (int t = 0; t < 100; ++t) {
      const auto report = optimizer.step();
      ASSERT_TRUE(report.outcome.ok());
      EXPECT_EQ(report.message_bytes,
                static_cast<std::int64_t>(
                    Compression{.kind = kind, .fraction = 0.25, .rank = 2}.bytes(6, 8, 8)));
      const auto estimate = optimizer.state().at("s/a/estimate").to<double>();
      double square = 0;
      for (std::size_t i = 0; i < estimate.size(); ++i) {
        square += (estimate[i] - a.gradient[i]) * (estimate[i] - a.gradient[i]);
      }
      EXPECT_LE(std::sqrt(square), left * (1 + 1e-12) + 1e-15) << enum_name(kind) << " " << t;
      left = std::sqrt(square);
    }
    EXPECT_LT(left, kind == Compressor::sign ? 1e-2 : 1e-12) << enum_name(kind);
  }
}

// The rule steps along the estimate.
TEST(ErrorFeedback, TheRuleSeesTheEstimate) {
  Owned<> a("a", {1, 4}, Role::hidden, 0);
  a.gradient = {1, 4, 3, 2};
  Optimizer<double> optimizer({a.parameter}, with({.kind = Compressor::top_k, .fraction = 0.5}), 1);
  ASSERT_TRUE(optimizer.step().outcome.ok());
  EXPECT_EQ(a.weights, (std::vector<double>{0, -4, -3, 0}));
  ASSERT_TRUE(optimizer.step().outcome.ok());
  EXPECT_EQ(a.weights, (std::vector<double>{-1, -8, -6, -2}));
}

TEST(ErrorFeedback, CountsTheBytesOfTensorsThatStepped) {
  Owned<float> a("a", {4, 4});
  Owned<float> b("b", {4});
  Optimizer<float> optimizer({a.parameter, b.parameter}, with({.kind = Compressor::sign}), 1);
  EXPECT_EQ(optimizer.step().message_bytes, (2 + 4) + (1 + 4));
  optimizer.parameters()[0].gradient = nullptr;
  EXPECT_EQ(optimizer.step().message_bytes, 1 + 4);
  Optimizer<float> plain({a.parameter}, only("sgd", 1), 1);
  EXPECT_EQ(plain.step().message_bytes, 0);
}

}  // namespace
}  // namespace muonflow::optim

#include "muonflow/optim/transforms/accumulation.hpp"

#include <cmath>

#include "tests/optim/fixtures.hpp"

namespace muonflow::optim {
namespace {

// Four micro-batches are one step on their mean: the same bits as that step, for quarters are
// exact.
TEST(Accumulation, StepsOnceOnTheMean) {
  Owned<> a("a", {4, 6});
  Owned<> b("a", {4, 6});
  Optimizer<double> many({a.parameter}, only("muon", 0.1), 1);
  Optimizer<double> one({b.parameter}, only("muon", 0.1), 1);
  Accumulator<double> accumulate(many, 4);
  for (int step = 0; step < 3; ++step) {
    std::vector<double> mean(24, 0);
    for (int k = 0; k < 4; ++k) {
      vary(a.gradient, 10 * step + k);
      for (std::size_t i = 0; i < mean.size(); ++i) mean[i] += 0.25 * a.gradient[i];
      const auto report = accumulate.add();
      EXPECT_EQ(report.has_value(), k == 3);
      EXPECT_EQ(accumulate.pending(), (k + 1) % 4);
    }
    b.gradient = mean;
    ASSERT_TRUE(one.step().outcome.ok());
    EXPECT_EQ(a.weights, b.weights);
  }
  EXPECT_EQ(many.steps(), 3);
  EXPECT_EQ(many.state_of("a").at("momentum_buffer").bytes,
            one.state_of("a").at("momentum_buffer").bytes)
      << "momentum saw each gradient once";
}

TEST(Accumulation, OfOneKeepsNothing) {
  Owned<> a("a", {4}, Role::bias);
  Optimizer<double> optimizer({a.parameter}, only("sgd", 0.5), 1);
  Accumulator<double> accumulate(optimizer, 1);
  ASSERT_TRUE(accumulate.add().has_value());
  EXPECT_EQ(a.weights[0], 0.5);
  EXPECT_MENTIONS(message_of<ConfigError>([&] { Accumulator<double>(optimizer, 0); }),
                  "micro_batches: expected at least 1");
}

TEST(Accumulation, MissingGradientsCountAsZero) {
  Owned<> a("a", {2}, Role::bias, 0, 4);
  Owned<> b("b", {2}, Role::bias, 0, 4);
  Optimizer<double> optimizer({a.parameter, b.parameter}, only("sgd", 1), 1);
  Accumulator<double> accumulate(optimizer, 2);
  auto* const gradient = optimizer.parameters()[0].gradient;
  optimizer.parameters()[1].gradient = nullptr;
  EXPECT_FALSE(accumulate.add().has_value());
  optimizer.parameters()[0].gradient = nullptr;
  const auto report = accumulate.add();
  ASSERT_TRUE(report.has_value());
  EXPECT_EQ(report->missing, 1);
  EXPECT_EQ(a.weights[0], -2);
  EXPECT_EQ(b.weights[0], 0);
  EXPECT_EQ(optimizer.parameters()[0].gradient, nullptr) << "as the caller left it";
  EXPECT_NE(gradient, nullptr);
}

}  // namespace
}  // namespace muonflow::optim

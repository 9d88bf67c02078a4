#include "muonflow/optim/step_observer.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "tests/optim/fixtures.hpp"

namespace muonflow::optim {
namespace {

struct Watcher final : StepObserver<double> {
  void before_step(Optimizer<double>& optimizer, double schedule) override {
    before = optimizer.parameters().front().weights[0];
    gradient = optimizer.parameters().front().gradient[0];
    factor = schedule;
  }
  void after_step(Optimizer<double>& optimizer, const StepReport& report) override {
    after = optimizer.parameters().front().weights[0];
    norm = report.gradient_norm;
    ++steps;
  }
  double before = 0, after = 0, gradient = 0, factor = 0, norm = 0;
  int steps = 0;
};

TEST(StepObserver, SeesTheRawGradientAndTheWeightsOfBothSides) {
  Owned<> owned("w", {2, 2}, Role::hidden, 3, 4);
  auto routing = only("sgd", 0.5);
  routing.clip.max_norm = 1;
  Optimizer<double> optimizer({owned.parameter}, routing, 1);
  Watcher watcher;
  optimizer.observe(&watcher);
  optimizer.step(0.5);
  EXPECT_EQ(watcher.before, 3);
  EXPECT_EQ(watcher.gradient, 4);  // clipped to 1/2 in the step
  EXPECT_EQ(watcher.factor, 0.5);
  EXPECT_EQ(watcher.norm, 8);
  EXPECT_EQ(watcher.after, 3 - 0.25 * 0.5);
  EXPECT_EQ(optimizer.options().clip.max_norm, 1);
  optimizer.observe(nullptr);
  optimizer.step();
  EXPECT_EQ(watcher.steps, 1);
}

TEST(StepObserver, HearsOfARefusedStep) {
  Owned<> owned("w", {2, 2}, Role::hidden, 3, std::numeric_limits<double>::quiet_NaN());
  Optimizer<double> optimizer({owned.parameter}, only("sgd", 0.5), 1);
  Watcher watcher;
  optimizer.observe(&watcher);
  EXPECT_FALSE(optimizer.step().outcome.ok());
  EXPECT_EQ(watcher.steps, 1);
  EXPECT_EQ(watcher.after, 3);
}

}  // namespace
}  // namespace muonflow::optim

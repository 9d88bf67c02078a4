#include "muonflow/optim/transforms/delay_threshold.hpp"

#include <cmath>

#include "tests/optim/fixtures.hpp"

namespace muonflow::optim {
namespace {

RoutingOptions heavy() { return only("muon", 0.05); }

void fill(Owned<>& w, double seed) {
  for (std::size_t i = 0; i < w.gradient.size(); ++i) {
    w.gradient[i] = std::sin(seed + 0.7 * static_cast<double>(i * i));
  }
}

// The steps are those of a plain optimizer that is given the gradients which are young enough.
TEST(DelayThreshold, DropsWhatIsTooOldAndNothingElse) {
  Owned<> served("w", {4, 6}), plain("w", {4, 6});
  Optimizer<double> optimizer({served.parameter}, heavy(), 1),
      reference({plain.parameter}, heavy(), 1);
  DelayedSteps<double> server(optimizer, {.threshold = 3});
  std::vector<std::int64_t> read{0, 0, 0};  // three workers begin together
  std::int64_t steps = 0, dropped = 0;
  for (const std::size_t worker : {0, 0, 0, 1, 0, 2, 0, 1, 2, 2, 0, 1}) {
    fill(served, static_cast<double>(steps + dropped));
    plain.gradient = served.gradient;
    const bool young = steps - read[worker] < 3;
    EXPECT_EQ(server.takes(read[worker]), young);
    EXPECT_EQ(server.add(read[worker]).has_value(), young);
    if (young) {
      ++steps;
      reference.step();
    } else {
      ++dropped;
    }
    EXPECT_EQ(served.weights, plain.weights);
    EXPECT_EQ(server.dropped(), dropped);
    EXPECT_EQ(server.version(), steps);
    read[worker] = server.version();
  }
  EXPECT_GT(dropped, 1);
  EXPECT_GT(steps, 5);
}

TEST(DelayThreshold, OffOrWithOneWorkerItIsTheIdentity) {
  for (const auto threshold : {std::optional<std::int64_t>{}, std::optional<std::int64_t>{1}}) {
    Owned<> served("w", {4, 6}), plain("w", {4, 6});
    Optimizer<double> optimizer({served.parameter}, heavy(), 1),
        reference({plain.parameter}, heavy(), 1);
    DelayedSteps<double> server(optimizer, {.threshold = threshold});
    for (int t = 0; t < 5; ++t) {
      fill(served, t);
      plain.gradient = served.gradient;
      EXPECT_TRUE(server.add(threshold ? server.version() : 0).has_value());
      reference.step();
    }
    EXPECT_EQ(served.weights, plain.weights);
    EXPECT_EQ(server.dropped(), 0);
  }
}

// Workers that need 1, 2, .. 8 units of time each minimize |W|^2 / 2 by steps of gradient descent
// whose size is stable for fresh gradients and not for those that are ten steps old.
TEST(DelayThreshold, KeepsAsynchronousDescentStable) {
  const auto error = [](std::optional<std::int64_t> threshold) {
    Owned<> w("w", {4, 4}, Role::hidden, 1, 0);
    Optimizer<double> optimizer({w.parameter}, only("sgd", 0.8), 1);
    DelayedSteps<double> server(optimizer, {.threshold = threshold});
    struct Worker {
      std::vector<double> weights;
      std::int64_t version = 0;
    };
    std::vector<Worker> workers(8, {w.weights, 0});
    for (int clock = 1; clock <= 400; ++clock) {
      for (std::size_t i = 0; i < workers.size(); ++i) {
        if (clock % static_cast<int>(i + 1) != 0) continue;  // still at work
        w.gradient = workers[i].weights;                     // of |W|^2 / 2 where it was read
        server.add(workers[i].version);
        workers[i] = {w.weights, server.version()};
      }
    }
    double largest = 0;
    for (const double x : w.weights) largest = std::max(largest, std::abs(x));
    return largest;
  };
  EXPECT_LT(error(2), 1e-6);
  EXPECT_GT(error(std::nullopt), 1);
}

TEST(DelayThreshold, RefusesWhatCannotBe) {
  Owned<> w("w", {4, 4});
  Optimizer<double> optimizer({w.parameter}, only("sgd", 1), 1);
  EXPECT_MENTIONS(
      message_of<ConfigError>([&] { DelayedSteps<double>(optimizer, {.threshold = 0}); }),
      "delay_threshold.threshold: expected at least 1, found 0");
  DelayedSteps<double> server(optimizer, {.threshold = 2});
  EXPECT_MENTIONS(message_of<ConfigError>([&] { server.add(1); }),
                  "version: expected 0 to 0, steps taken, found 1");
}

}  // namespace
}  // namespace muonflow::optim

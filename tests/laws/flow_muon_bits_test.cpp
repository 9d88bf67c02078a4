// The flow's integrator `muon` and the optimizer's rule `regularized_muon` are one algorithm: with
// lr = h and momentum = 1 - gamma h (arXiv 2605.23871, inertial scaling) they give the same bits on
// the same gradients.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "muonflow/core/config.hpp"
#include "muonflow/flow/problem.hpp"
#include "muonflow/optim/optimizer.hpp"

namespace muonflow {
namespace {

// A driver with one parameter a particle, whose gradients are the flow's forces.
template <class T>
struct OptimizedParticles {
  Matrix<T> W, G;
  std::unique_ptr<optim::Optimizer<T>> optimizer;

  OptimizedParticles(const flow::State<T>& start, double h, double gamma, double epsilon)
      : W(start.W), G(start.G) {
    const auto& block = start.layout.blocks().front();
    std::vector<Parameter<T>> parameters;
    for (Index i = 0; i < start.layout.particles(); ++i) {
      parameters.push_back({.name = "particle." + std::to_string(i),
                            .shape = {block.rows, block.cols},
                            .weights = W.row(i).data(),
                            .gradient = G.row(i).data()});
    }
    optim::RoutingOptions routing;
    routing.preset = "regularized_muon";
    auto config = Config::from_text("");
    config.set("lr=" + shortest(h));
    config.set("options.momentum=" + shortest(1 - gamma * h));
    config.set("options.epsilon=" + shortest(epsilon));
    read(config.tree(), routing.hidden);
    optimizer = std::make_unique<optim::Optimizer<T>>(std::move(parameters), routing, 0);
  }
};

template <class T>
void expect_same_bits(double h, double gamma, double epsilon, const std::string& shape) {
  auto config = Config::from_text("particles.count = 20\nintegrator.kind = \"muon\"");
  config.set("particles.shape=" + shape);
  config.set("integrator.step=" + shortest(h));
  config.set("dynamics.gamma=" + shortest(gamma));
  config.set("geometry.epsilon=" + shortest(epsilon));
  config.set("geometry.kernel=reference");  // one matrix at a time, as the rule does
  auto problem = flow::make_problem<T>(flow::read_options(config.tree(), {}));
  ASSERT_TRUE(problem.system.refresh(problem.state).ok());
  OptimizedParticles<T> particles(problem.state, h, gamma, epsilon);
  for (int step = 0; step < 25; ++step) {
    particles.G = problem.state.G;
    ASSERT_TRUE(problem.integrator->step(problem.system, h, problem.state).outcome.ok());
    ASSERT_TRUE(particles.optimizer->step().outcome.ok());
    ASSERT_TRUE(particles.W == problem.state.W) << "step " << step;
  }
}

TEST(FlowMuon, IsTheRuleBitForBitInDouble) {
  expect_same_bits<double>(0.02, 2.5, 0.01, "[3, 4]");
  expect_same_bits<double>(0.1, 0.3, 0.5, "[8, 8]");
}

TEST(FlowMuon, IsTheRuleBitForBitInFloat) {
  expect_same_bits<float>(0.02, 2.5, 0.01, "[4, 3]");
  expect_same_bits<float>(0.1, 0.3, 0.5, "[8, 8]");
}

}  // namespace
}  // namespace muonflow

#include "muonflow/cli/bench/flow_runner.hpp"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "muonflow/core/config.hpp"
#include "muonflow/core/error.hpp"
#include "muonflow/flow/objective.hpp"
#include "muonflow/linalg/polar/plain_spectral.hpp"

namespace muonflow::cli {
namespace {

// The smoothed nuclear norm as a loop over plain products computes it.
class PlainSmoothedNuclear final : public geometry::Potential<float> {
 public:
  explicit PlainSmoothedNuclear(double epsilon) : epsilon_(epsilon) {}

  const geometry::GeometryInfo& info() const override {
    static constexpr geometry::GeometryInfo kInfo{
        .name = "plain", .equation = "that of smoothed_nuclear", .cite = "arXiv:2605.23871"};
    return kInfo;
  }
  // The programs that this stands for know no energy.
  double value(const ConstMatrixRef<float>&, linalg::Workspace<float>&) const override { return 0; }
  Outcome gradient(MatrixRef<float> p, linalg::Workspace<float>& workspace) const override {
    linalg::plain_regularized_polar(p, epsilon_, linalg::ProductLibrary::openblas, workspace);
    return {};
  }
  geometry::ValueAndGradient value_and_gradient(
      MatrixRef<float> p, linalg::Workspace<float>& workspace) const override {
    return {.outcome = gradient(p, workspace)};
  }
  std::optional<double> conjugate(const ConstMatrixRef<float>&,
                                  linalg::Workspace<float>&) const override {
    return std::nullopt;
  }

 private:
  double epsilon_;
};

flow::FlowOptions options_for(const FlowSize& size, double epsilon) {
  auto config = Config::from_text(fmt::format(
      "particles.count = {}\nparticles.shape = [{}, {}]\nrun.dtype = \"float32\"\n"
      "objective.features = {}\ngeometry.epsilon = {:.17g}\nintegrator.kind = \"muon\"\n"
      "integrator.step = {}\n",
      size.particles, size.rows, size.cols, kFlowFeatures, epsilon, kFlowStep));
  return flow::read_options(config.tree(), {});
}

std::unique_ptr<flow::Problem<float>> problem_for(const FlowSize& size, double epsilon) {
  return std::make_unique<flow::Problem<float>>(
      flow::make_problem<float>(options_for(size, epsilon)));
}

void check(const Outcome& outcome) {
  if (!outcome.ok()) {
    throw DataError({.place = "bench flow", .what = std::string(to_string(outcome.status))});
  }
}

}  // namespace

FlowRunner::FlowRunner(const FlowSize& size, bool plain) : size_(size) {
  {
    const FlowSize few{size.rows, size.cols, std::min<Index>(size.particles, 256)};
    auto probe = problem_for(few, 1);
    check(probe->system.refresh(probe->state));
    epsilon_ = 1e-2 * static_cast<double>(probe->state.G.norm()) /
               std::sqrt(static_cast<double>(few.particles));
  }
  problem_ = problem_for(size, epsilon_);
  if (plain) {
    const auto options = options_for(size, epsilon_);
    const auto layout = problem_->system.layout();
    const auto& entry = flow::objectives().at("tanh_ridge");
    auto objective = entry.make<float>(*options.objective, entry.draw(*options.objective, layout),
                                       layout, "bench flow");
    std::vector<flow::BlockGeometry<float>> geometries;
    geometries.push_back({.potential = std::make_unique<PlainSmoothedNuclear>(epsilon_)});
    problem_ = std::make_unique<flow::Problem<float>>(
        flow::Problem<float>{.system = flow::System<float>(layout, std::move(objective),
                                                           std::move(geometries), options.dynamics),
                             .integrator = std::move(problem_->integrator),
                             .state = std::move(problem_->state)});
  }
  rest();
  if (size.particles <= kMostForPeers) start_ = problem_->state.W;
  step();
}

void FlowRunner::rest() {
  auto& state = problem_->state;
  state.keeps_forces = true;
  check(problem_->system.refresh(state));
  state.M = state.G;
  state.keeps_forces = false;
  check(problem_->system.refresh(state));
}

void FlowRunner::step() {
  check(problem_->integrator->step(problem_->system, kFlowStep, problem_->state).outcome);
}

double FlowRunner::time(double least) {
  return seconds_of([] {}, [this] { step(); }, least);
}

std::vector<float> FlowRunner::input() const {
  const auto options = options_for(size_, epsilon_);
  const auto data =
      flow::objectives().at("tanh_ridge").draw(*options.objective, problem_->system.layout());
  std::vector<float> all(start_.data(), start_.data() + start_.size());
  for (const auto* name : {"A", "y"}) {
    const auto values = data.at(name).to<float>();
    all.insert(all.end(), values.begin(), values.end());
  }
  return all;
}

std::vector<float> FlowRunner::weights_after(int steps) {
  auto& state = problem_->state;
  state.W = start_;
  rest();
  for (int i = 0; i < steps; ++i) step();
  return {state.W.data(), state.W.data() + state.W.size()};
}

double FlowRunner::bytes() const {
  const auto& state = problem_->state;
  const auto floats = state.W.size() + state.M.size() + state.G.size() + state.V.size() +
                      size_.particles * problem_->system.objective().tape_width();
  return static_cast<double>(floats) * sizeof(float);
}

double FlowRunner::flops() const {
  const auto d = static_cast<double>(size_.rows * size_.cols);
  return 4.0 * kFlowFeatures * d + linalg::plain_regularized_polar_flops(size_.rows, size_.cols);
}

}  // namespace muonflow::cli

#include "muonflow/study/detail/coupling.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "muonflow/linalg/eigh.hpp"
#include "muonflow/linalg/svd.hpp"
#include "muonflow/study/statistics.hpp"

namespace muonflow::study::detail {
namespace {

constexpr Index kRows = 2, kCols = 3;
constexpr int kRecords = 8;

std::string problem(const Coupling::Setup& setup) {
  return fmt::format(R"([objective]
kind = "tanh_ridge"
features = 6
seed = {}
[geometry]
kind = "smoothed_nuclear"
epsilon = 0.1
[dynamics]
gamma = 1.0
[integrator]
kind = "leapfrog"
step = {}
end_time = {}
[particles]
count = {}
shape = [{}, {}]
seed = {}
[record]
every = {}
)",
                     derived_seed(setup.seed, 0), setup.step, setup.end_time, setup.particles,
                     kRows, kCols, derived_seed(setup.seed, 1), setup.end_time / kRecords);
}

}  // namespace

Coupling::Coupling(const Setup& setup) : setup_(setup), case_(problem(setup)) {
  controlled_ = {0, kRecords / 2, kRecords};
  const auto done = run_flow(case_, [&](const FlowSystem& system, const FlowState& state,
                                        const flow::LedgerEntry& entry) {
    const auto at = weights_.size();
    weights_.push_back(state.W);
    momenta_.push_back(state.M);
    if (at == 0) initial_energy_ = entry.energy;
    if (std::find(controlled_.begin(), controlled_.end(), at) == controlled_.end()) return;
    const auto& objective = system.objective();
    const Index q = objective.features();
    auto& features = features_.emplace_back(state.W.rows(), q);
    auto& mean = means_.emplace_back(static_cast<std::size_t>(q), 0.0);
    linalg::Workspace<double> workspace;
    Matrix<double> tape(1, objective.tape_width());
    for (Index i = 0; i < state.W.rows(); ++i) {
      objective.forward(state.W.row(i), tape, {features.row(i).data(), static_cast<std::size_t>(q)},
                        workspace);
      for (Index k = 0; k < q; ++k) {
        mean[static_cast<std::size_t>(k)] += features(i, k) / static_cast<double>(state.W.rows());
      }
    }
  });
  if (!done.ok) trouble_ = done.trouble;
  objective_ = done.records.empty() ? kNoValue : done.records.back().objective;
}

flow::ProblemData Coupling::start(std::int64_t count, std::int64_t first) const {
  const Matrix<double> rows = weights_.front().middleRows(first, count);
  flow::ProblemData data;
  data.initial = TensorMap{
      {"W", make_tensor<double>(
                {count, kRows, kCols},
                std::span<const double>(rows.data(), static_cast<std::size_t>(rows.size())))}};
  return data;
}

FlowCase Coupling::of(std::int64_t count, std::int64_t first) const {
  auto own = case_;
  own.options.particles.count = count;
  own.data = start(count, first);
  return own;
}

Replica Coupling::replica(std::int64_t count, std::int64_t first) const {
  Replica replica;
  std::size_t at = 0;
  const auto done = run_flow(
      of(count, first), [&](const FlowSystem&, const FlowState& state, const flow::LedgerEntry&) {
        if (at >= weights_.size()) return;
        const double squares = (state.W - weights_[at].middleRows(first, count)).squaredNorm() +
                               (state.M - momenta_[at].middleRows(first, count)).squaredNorm();
        replica.squares.push_back(squares / static_cast<double>(count));
        ++at;
      });
  replica.squares.resize(weights_.size(), kNoValue);
  replica.objective = done.ok ? done.records.back().objective - objective_ : kNoValue;
  for (std::size_t c = 0; c < features_.size(); ++c) {
    for (Index k = 0; k < features_[c].cols(); ++k) {
      const double mean = features_[c].col(k).segment(first, count).mean();
      replica.controls.push_back(mean - means_[c][static_cast<std::size_t>(k)]);
    }
  }
  return replica;
}

Constants Coupling::constants() const {
  const auto& table = *case_.options.objective;
  const auto layout = flow::make_layout(case_.options, {});
  const auto data = flow::objectives().at("tanh_ridge").draw(table, layout);
  const auto values = data.at("A").to<double>();
  const Index q = data.at("A").shape[0];
  const Matrix<double> features = Eigen::Map<const Matrix<double>>(values.data(), q, kRows * kCols);
  // ||DF|| <= ||A||_op; tanh'' is at most 4/(3 sqrt 3), so DF is Lipschitz with B2; grad R(z) = z -
  // y has L_R = 1 and norm sqrt(2 J) <= sqrt(2 E(0)) along the way.
  const double b1 = linalg::singular_values<double>(features)(0);
  const double b2 = 4 / (3 * std::sqrt(3.0)) * features.rowwise().norm().maxCoeff() * b1;
  const double gamma = case_.options.dynamics.gamma;
  const double epsilon = case_.options.geometry->at("epsilon").get<double>();
  const double l = 1 / epsilon + gamma * (1 + std::sqrt(2 * initial_energy_) * b2 + b1 * b1);
  const double grown = l * setup_.end_time + std::log1p(-std::exp(-l * setup_.end_time));
  return {.lipschitz = l,
          .log_c = grown + std::log(gamma * b1 * std::sqrt(static_cast<double>(q)) / l)};
}

double Coupling::growth(std::int64_t count, double width) const {
  std::vector<FlowState> first;
  std::vector<double> times;
  run_flow(of(count, 0),
           [&](const FlowSystem&, const FlowState& state, const flow::LedgerEntry& entry) {
             first.push_back({.layout = state.layout, .W = state.W, .M = state.M});
             times.push_back(entry.time);
           });
  auto displaced = of(count, 0);
  auto rows = displaced.data.initial->at("W").to<double>();
  Rng rng(derived_seed(setup_.seed, 2));
  for (double& x : rows) x += width * rng.normal();
  displaced.data.initial->at("W") =
      make_tensor<double>({count, kRows, kCols}, std::span<const double>(rows));
  double before = 0, fastest = kNoValue;
  std::size_t at = 0;
  run_flow(displaced, [&](const FlowSystem&, const FlowState& state, const flow::LedgerEntry&) {
    if (at >= first.size()) return;
    const Matrix<double> w = state.W - first[at].W, m = state.M - first[at].M;
    const double distance =
        (w.rowwise().squaredNorm() + m.rowwise().squaredNorm()).cwiseSqrt().mean();
    if (at == 0) {
      before = distance;
    } else {
      const double rate = std::log(distance / before) / times[at];
      if (!(fastest >= rate)) fastest = rate;
    }
    ++at;
  });
  return fastest;
}

std::vector<double> without_controls(const std::vector<Replica>& replicas) {
  const auto n = replicas.size();
  const auto c = replicas.front().controls.size();
  std::vector<double> adjusted;
  for (const auto& replica : replicas) adjusted.push_back(replica.objective);
  if (n < 4 * c) return adjusted;  // too few to tell what the controls explain
  double mean = 0;
  for (const double y : adjusted) mean += y / static_cast<double>(n);
  Matrix<double> gram = Matrix<double>::Zero(static_cast<Index>(c), static_cast<Index>(c));
  Vector<double> right = Vector<double>::Zero(static_cast<Index>(c));
  for (const auto& replica : replicas) {
    const Eigen::Map<const Vector<double>> x(replica.controls.data(), static_cast<Index>(c));
    gram += x * x.transpose();
    right += (replica.objective - mean) * x;
  }
  // Features that hardly vary, or vary alike, are left out of the solution.
  const auto eigen = linalg::eigh<double>(gram);
  Vector<double> along = eigen.vectors.transpose() * right;
  const double floor = 1e-10 * eigen.values(eigen.values.size() - 1);
  for (Index k = 0; k < along.size(); ++k) {
    along(k) = eigen.values(k) > floor ? along(k) / eigen.values(k) : 0.0;
  }
  const Vector<double> slope = eigen.vectors * along;
  for (std::size_t r = 0; r < n; ++r) {
    const Eigen::Map<const Vector<double>> x(replicas[r].controls.data(), static_cast<Index>(c));
    adjusted[r] -= slope.dot(x);
  }
  return adjusted;
}

}  // namespace muonflow::study::detail

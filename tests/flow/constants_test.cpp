// The constants that objectives declare, held against samples: no pair of states may do more.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <ostream>

#include "muonflow/core/rng.hpp"
#include "tests/flow/problems.hpp"

namespace muonflow::flow {
namespace {

struct ConstantCase {
  std::string name;
  RiskKind risk;
  std::vector<std::string> sets{};

  std::string label() const {
    auto text = name + "_" + std::string(enum_name(risk));
    for (const auto& set : sets) text += "_" + set.substr(set.find('=') + 1);
    std::replace(text.begin(), text.end(), '.', '_');
    return text;
  }
  friend void PrintTo(const ConstantCase& one, std::ostream* out) { *out << one.label(); }
};

std::vector<ConstantCase> constant_cases() {
  std::vector<ConstantCase> all;
  for (const auto& entry : objectives().all()) {
    for (const auto risk : entry.info.risks) all.push_back({entry.name, risk});
  }
  for (const std::string activation : {"sigmoid", "softplus"}) {
    for (const auto risk : {RiskKind::squared, RiskKind::cross_entropy}) {
      all.push_back({"two_layer", risk, {"objective.activation=" + activation}});
    }
  }
  all.push_back({"matrix_sensing", RiskKind::squared, {"objective.noise=0.3"}});
  all.push_back({"matrix_sensing", RiskKind::squared, {"objective.measurements=5"}});
  return all;
}

class EveryConstant : public ::testing::TestWithParam<ConstantCase> {
 protected:
  static constexpr Index kParticles = 6;
  Problem<double> problem = make();

  Problem<double> make() const {
    auto config = Config::from_text("particles.shape = [3, 4]\nparticles.seed = 4");
    config.set("objective.kind=" + GetParam().name);
    config.set("objective.risk=" + std::string(enum_name(GetParam().risk)));
    config.set("particles.count=" + std::to_string(kParticles));
    for (const auto& set : GetParam().sets) config.set(set);
    return make_problem<double>(read_options(config.tree(), {}));
  }
  Matrix<double> weights(std::uint64_t seed, double scale) const {
    return draw_state<double>(problem.system.layout(), seed, scale).W;
  }
  Matrix<double> force(const Matrix<double>& W, double* J = nullptr) const {
    Matrix<double> G;
    double value = 0;
    EXPECT_TRUE(problem.system.force(W, G, value).ok());
    if (J != nullptr) *J = value;
    return G;
  }
  std::vector<double> features(const Matrix<double>& W) const {
    const auto& objective = problem.system.objective();
    linalg::Workspace<double> workspace;
    Matrix<double> tape(W.rows(), objective.tape_width());
    std::vector<double> z(static_cast<std::size_t>(objective.features()));
    objective.forward(W, tape, z, workspace);
    for (double& x : z) x /= static_cast<double>(W.rows());
    return z;
  }
  // DF(W_i)^* r.
  Matrix<double> pullback(const Matrix<double>& W, const std::vector<double>& r) const {
    const auto& objective = problem.system.objective();
    linalg::Workspace<double> workspace;
    Matrix<double> tape(W.rows(), objective.tape_width()), g(W.rows(), W.cols());
    std::vector<double> sum(r.size());
    objective.forward(W, tape, sum, workspace);
    objective.pullback(W, tape, r, g, workspace);
    return g;
  }
  std::vector<double> direction(std::uint64_t seed) const {
    Rng rng(seed);
    std::vector<double> r(static_cast<std::size_t>(problem.system.objective().features()));
    for (double& x : r) x = rng.normal();
    return r;
  }
};

double norm_of(const std::vector<double>& r) {
  double sum = 0;
  for (const double x : r) sum += x * x;
  return std::sqrt(sum);
}
double distance(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (std::size_t k = 0; k < a.size(); ++k) sum += (a[k] - b[k]) * (a[k] - b[k]);
  return std::sqrt(sum);
}

// Rounding of bounds that hold with equality.
constexpr double kSlack = 1 + 1e-10;

TEST_P(EveryConstant, HoldsOnSamples) {
  const auto known = problem.system.objective().constants();
  const auto& risk = problem.system.objective().risk();
  const auto infimum = problem.system.objective().infimum();
  for (std::uint64_t seed = 0; seed < 12; ++seed) {
    for (const double scale : {0.05, 0.5, 3.0}) {
      const auto W = weights(seed, scale);
      const Matrix<double> other = W + (seed % 2 ? 1e-4 : scale) * weights(100 + seed, 1);
      double J = 0;
      const auto G = force(W, &J);
      if (known.curvature) {
        EXPECT_LE((force(other) - G).norm(), kSlack * *known.curvature * (other - W).norm());
      }
      if (known.gradient_dominance) {
        ASSERT_TRUE(infimum.has_value());
        EXPECT_GE(kSlack * G.squaredNorm() / kParticles + 1e-12,
                  2 * *known.gradient_dominance * (J - *infimum));
      }
      const auto r = direction(200 + seed);
      const auto at = pullback(W, r), there = pullback(other, r);
      for (Index i = 0; i < W.rows(); ++i) {
        if (known.feature_slope) {
          EXPECT_LE(at.row(i).norm(), kSlack * *known.feature_slope * norm_of(r));
        }
        if (known.feature_curvature) {
          EXPECT_LE((at - there).row(i).norm(),
                    kSlack * *known.feature_curvature * (W - other).row(i).norm() * norm_of(r));
        }
      }
      const auto z = features(W), z_other = features(other);
      std::vector<double> slope(z.size()), slope_other(z.size());
      risk.gradient(z, slope);
      risk.gradient(z_other, slope_other);
      if (known.risk_slope) {
        EXPECT_LE(norm_of(slope), kSlack * *known.risk_slope);
      }
      if (known.risk_curvature) {
        EXPECT_LE(distance(slope, slope_other),
                  kSlack * *known.risk_curvature * distance(z, z_other) + 1e-14);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Registry, EveryConstant, ::testing::ValuesIn(constant_cases()),
                         [](const auto& tested) { return tested.param.label(); });

TEST(Constants, WhatIsDeclared) {
  const auto of = [](const std::string& objective, const std::vector<std::string>& more = {}) {
    std::vector<std::string> sets{"objective.kind=" + objective};
    sets.insert(sets.end(), more.begin(), more.end());
    return make_problem<double>(options_of("particles.shape = [3, 4]\nparticles.count = 2", sets))
        .system.objective()
        .constants();
  };
  EXPECT_EQ(of("quadratic", {"objective.lambda=3"}).gradient_dominance, 3);
  EXPECT_EQ(of("quadratic", {"objective.lambda=3"}).curvature, 3);
  EXPECT_GT(*of("matrix_sensing").gradient_dominance, 0);
  EXPECT_LE(*of("matrix_sensing").gradient_dominance, *of("matrix_sensing").curvature);
  for (const std::string name : {"tanh_ridge", "mmd", "two_layer"}) {
    EXPECT_TRUE(of(name).curvature.has_value()) << name;
    EXPECT_FALSE(of(name).gradient_dominance.has_value()) << name;
  }
  EXPECT_FALSE(of("moe").curvature.has_value());
  EXPECT_FALSE(of("two_layer", {"objective.activation=softplus"}).risk_slope.has_value());
}

TEST(Constants, TheGeneralCurvatureIsMadeOfTheOthers) {
  const Constants some{
      .feature_slope = 2, .feature_curvature = 3, .risk_slope = 5, .risk_curvature = 7};
  EXPECT_EQ(some.completed().curvature, 7 * 4 + 5 * 3);
  EXPECT_FALSE(Constants{.feature_slope = 2}.completed().curvature.has_value());
}

}  // namespace
}  // namespace muonflow::flow

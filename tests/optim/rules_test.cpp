// The rules against their equations, written out with plain loops in double.
#include <algorithm>
#include <cmath>

#include "muonflow/linalg/svd.hpp"
#include "muonflow/optim/rule_registry.hpp"
#include "tests/optim/fixtures.hpp"

namespace muonflow::optim {
namespace {

std::vector<double> gradient_of(int t, std::size_t n) {
  std::vector<double> g(n);
  for (std::size_t i = 0; i < n; ++i) {
    g[i] = std::sin(1.0 + 0.7 * static_cast<double>(i) + 1.3 * static_cast<double>(t));
  }
  return g;
}

TEST(Rules, AreAllListed) {
  for (const auto* name : {"adamuon", "adamw", "dion", "ef_muon", "lion", "muon", "normalized_sgd",
                           "normuon", "polargrad", "regularized_muon", "scion", "sgd", "signum"}) {
    EXPECT_NE(rules().find(name), nullptr) << name;
  }
}

TEST(Sgd, DampeningSparesTheFirstGradient) {
  Owned<> a("a", {6}, Role::bias);
  Optimizer<double> optimizer({a.parameter},
                              only("sgd", 0.1, R"({"momentum": 0.5, "dampening": 0.25})"), 1);
  std::vector<double> buffer;
  auto w = a.weights;
  for (int t = 0; t < 3; ++t) {
    const auto g = gradient_of(t, 6);
    std::copy(g.begin(), g.end(), a.gradient.begin());
    ASSERT_TRUE(optimizer.step().outcome.ok());
    if (t == 0) buffer = g;
    for (std::size_t i = 0; i < 6; ++i) {
      if (t > 0) buffer[i] = 0.5 * buffer[i] + 0.75 * g[i];
      w[i] -= 0.1 * buffer[i];
      EXPECT_NEAR(a.weights[i], w[i], 1e-15) << t;  // a few roundings of numbers of order 1
    }
  }
}

TEST(Sgd, HasNoStateWithoutMomentum) {
  Owned<> a("a", {6}, Role::bias);
  Optimizer<double> optimizer({a.parameter}, only("sgd", 0.1), 1);
  EXPECT_EQ(optimizer.state_bytes(), 0u);
  EXPECT_FALSE(optimizer.state().contains("s/a/momentum_buffer"));
}

TEST(AdamW, WithoutEpsLeavesEntriesThatNeverHadAGradient) {
  Owned<> a("a", {4}, Role::bias, 1, 0);
  a.gradient[2] = 3;
  Optimizer<double> optimizer({a.parameter}, only("adamw", 0.1, R"({"eps": 0})"), 1);
  ASSERT_TRUE(optimizer.step().outcome.ok());
  EXPECT_EQ(a.weights[0], 1);
  EXPECT_NEAR(a.weights[2], 0.9, 1e-15);  // the first step is the sign
}

TEST(Muon, EpsModesDifferForSmallGradientsOnly) {
  const auto weight = [](double slope, const char* mode) {
    Owned<> a("a", {4, 4}, Role::hidden, 0, 0);
    for (std::size_t i = 0; i < 16; i += 5) a.gradient[i] = slope;  // a multiple of the identity
    Optimizer<double> optimizer({a.parameter},
                                only("muon", 1.0,
                                     std::string(R"({"momentum": 0, "nesterov": false, "eps": 1,
                                          "eps_mode": ")") +
                                         mode + "\"}"),
                                1);
    EXPECT_TRUE(optimizer.step().outcome.ok());
    return a.weights[0];
  };
  // |Q|_F = 2 slope: divided by 2 slope + 1, or by max(2 slope, 1).
  EXPECT_NE(weight(0.25, "add"), weight(0.25, "max"));
  EXPECT_NEAR(weight(1e12, "add"), weight(1e12, "max"), 1e-9);
}

TEST(Muon, SvdStepIsTheSpectralSteepestDescent) {
  Owned<> a("a", {5, 3}, Role::hidden, 0);
  const auto g = gradient_of(0, 15);
  std::copy(g.begin(), g.end(), a.gradient.begin());
  auto options = only("muon", 1.0, R"({"polar": "svd"})");
  options.hidden.adjust_lr = Scale::none;
  Optimizer<double> optimizer({a.parameter}, options, 1);
  ASSERT_TRUE(optimizer.step().outcome.ok());
  const ConstMatrixMap<double> G(a.gradient.data(), 5, 3, Eigen::OuterStride<>(3));
  const ConstMatrixMap<double> W(a.weights.data(), 5, 3, Eigen::OuterStride<>(3));
  // <G, D> = |G|_* and |D|_op = 1.
  const double nuclear = linalg::singular_values<double>(G).sum();
  EXPECT_NEAR(-G.cwiseProduct(W).sum(), nuclear, 1e-13 * nuclear);
  EXPECT_NEAR(linalg::singular_values<double>(W).maxCoeff(), 1, 1e-13);
}

// D = U s / sqrt(s^2 + e^2) V', by the SVD of linalg.
TEST(RegularizedMuon, RelativeEpsilonIsThatOfTheOrthogonalizedMatrix) {
  for (const bool nesterov : {false, true}) {
    Owned<> a("a", {5, 3}, Role::hidden, 0);
    const auto g = gradient_of(0, 15);
    std::copy(g.begin(), g.end(), a.gradient.begin());
    Optimizer<double> optimizer(
        {a.parameter},
        only("regularized_muon", 1.0,
             std::string(R"({"epsilon": 0.3, "epsilon_mode": "relative", "nesterov": )") +
                 (nesterov ? "true}" : "false}")),
        1);
    ASSERT_TRUE(optimizer.step().outcome.ok());
    const ConstMatrixMap<double> G(a.gradient.data(), 5, 3, Eigen::OuterStride<>(3));
    const ConstMatrixMap<double> W(a.weights.data(), 5, 3, Eigen::OuterStride<>(3));
    const Matrix<double> Q = (nesterov ? 0.05 + 0.95 * 0.05 : 0.05) * G;
    const auto svd = linalg::svd<double>(Q);
    const double e = 0.3 * Q.norm() / std::sqrt(3.0);
    const Vector<double> f = svd.s.array() / (svd.s.array().square() + e * e).sqrt();
    const Matrix<double> expected = svd.u * f.asDiagonal() * svd.vt;
    EXPECT_LE((W + expected).norm(), 1e-13);
  }
}

TEST(RegularizedMuon, RelativeEpsilonAtZeroGivesZero) {
  Owned<> a("a", {4, 4}, Role::hidden, 1, 0);
  Optimizer<double> optimizer({a.parameter},
                              only("regularized_muon", 1.0, R"({"epsilon_mode": "relative"})"), 1);
  ASSERT_TRUE(optimizer.step().outcome.ok());
  EXPECT_EQ(a.weights, std::vector<double>(16, 1.0));
}

// Warned once per tensor, where most singular values are below epsilon and only there.
TEST(RegularizedMuon, WarnsWhereEpsilonHidesMostSingularValues) {
  const auto warnings = [](double epsilon) {
    Owned<> a("a", {6, 6}, Role::hidden, 0, 0);
    for (std::size_t i = 0; i < 36; i += 7) a.gradient[i] = 1;  // singular values tend to 1
    Optimizer<double> optimizer(
        {a.parameter},
        only("regularized_muon", 0.01, R"({"epsilon": )" + std::to_string(epsilon) + "}"), 1);
    std::vector<StepWarning> all;
    for (int t = 0; t < 250; ++t) {
      const auto report = optimizer.step();
      EXPECT_TRUE(report.outcome.ok());
      all.insert(all.end(), report.warnings.begin(), report.warnings.end());
    }
    return all;
  };
  EXPECT_TRUE(warnings(0.1).empty());
  const auto told = warnings(10);
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].tensor, "a");
  EXPECT_MENTIONS(told[0].text, "epsilon exceeds");
}

}  // namespace
}  // namespace muonflow::optim

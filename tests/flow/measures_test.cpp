// matrix_sensing and mmd against what they stand for.
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "muonflow/core/error.hpp"
#include "muonflow/linalg/svd.hpp"
#include "tests/flow/problems.hpp"

namespace muonflow::flow {
namespace {

const std::string kParticles = "particles.shape = [3, 4]\nparticles.count = 5";

// 1/2 MMD^2 by its double sums over the kernel.
TEST(Mmd, IsTheDiscrepancyOfItsKernel) {
  const auto options = options_of(kParticles, {"objective.kind=mmd", "objective.atoms=7"});
  const auto problem = make_problem<double>(options);
  const auto data = objectives().at("mmd").draw(*options.objective, problem.system.layout());
  const auto a = data.at("A").to<double>(), atoms = data.at("target").to<double>();
  const auto q = static_cast<Index>(a.size()) / 12;
  const Eigen::Map<const Matrix<double>> A(a.data(), q, 12), Z(atoms.data(), 7, 12);
  const auto mean_kernel = [&](const Matrix<double>& u, const Matrix<double>& v) {
    double sum = 0;
    for (Index i = 0; i < u.rows(); ++i) {
      for (Index j = 0; j < v.rows(); ++j) {
        for (Index k = 0; k < q; ++k) sum += std::cos(A.row(k).dot(u.row(i) - v.row(j)));
      }
    }
    return sum / static_cast<double>(q * u.rows() * v.rows());
  };
  const auto& W = problem.state.W;
  Matrix<double> G;
  // Sums of cosines, each below 1.
  EXPECT_NEAR(force_value(problem, G),
              mean_kernel(W, W) / 2 - mean_kernel(W, Z) + mean_kernel(Z, Z) / 2, 1e-13);
}

TEST(Mmd, TheTargetsAtomsReachTheInfimum) {
  const auto options = options_of("particles.shape = [3, 4]\nparticles.count = 7",
                                  {"objective.kind=mmd", "objective.atoms=7"});
  auto problem = make_problem<double>(options);
  const auto data = objectives().at("mmd").draw(*options.objective, problem.system.layout());
  const auto atoms = data.at("target").to<double>();
  problem.state.W = Eigen::Map<const Matrix<double>>(atoms.data(), 7, 12);
  Matrix<double> G;
  EXPECT_NEAR(force_value(problem, G), *problem.system.objective().infimum(), 1e-30);
  EXPECT_LT(G.norm(), 1e-14);
}

// Particles that are the target, or share a square root of it, measure what was measured.
TEST(MatrixSensing, TheTargetReachesTheInfimum) {
  for (const std::string form : {"linear", "factored"}) {
    const std::vector<std::string> sets{"objective.kind=matrix_sensing", "objective.form=" + form,
                                        "objective.rank=1"};
    const auto options = options_of(kParticles, sets);
    auto problem = make_problem<double>(options);
    ASSERT_EQ(problem.system.objective().infimum(), 0);
    const auto data =
        objectives().at("matrix_sensing").draw(*options.objective, problem.system.layout());
    const auto values = data.at("target").to<double>();
    if (form == "linear") {
      problem.state.W.rowwise() = Eigen::Map<const Matrix<double>>(values.data(), 1, 12).row(0);
    } else {
      // v v^T = target, v = target's first column over the root of its first entry.
      problem.state.W.setZero();
      for (Index i = 0; i < 5; ++i) {
        for (Index row = 0; row < 3; ++row) {
          problem.state.W(i, row * 4) =
              values[static_cast<std::size_t>(row) * 3] / std::sqrt(values[0]);
        }
      }
    }
    Matrix<double> G;
    EXPECT_NEAR(force_value(problem, G), 0, 1e-28) << form;
    EXPECT_LT(G.norm(), 1e-13) << form;
  }
}

// More measurements than unknowns, and noise: what is left is what least squares leaves.
TEST(MatrixSensing, NoisyLinearMeasurementsKeepTheirResidual) {
  const auto options = options_of(kParticles, {"objective.kind=matrix_sensing",
                                               "objective.noise=0.1", "objective.measurements=30"});
  auto problem = make_problem<double>(options);
  const auto data =
      objectives().at("matrix_sensing").draw(*options.objective, problem.system.layout());
  const auto a = data.at("A").to<double>(), y = data.at("y").to<double>();
  const Matrix<double> A = Eigen::Map<const Matrix<double>>(a.data(), 30, 12);
  const auto svd = linalg::svd<double>(A);
  Matrix<double> best = Eigen::Map<const Matrix<double>>(y.data(), 1, 30) * svd.u;
  for (Index j = 0; j < 12; ++j) best(0, j) /= svd.s(j);
  problem.state.W.rowwise() = (best * svd.vt).row(0);
  Matrix<double> G;
  const double infimum = *problem.system.objective().infimum();
  EXPECT_GT(infimum, 1e-3);
  EXPECT_NEAR(force_value(problem, G), infimum, 1e-13);
  EXPECT_LT(G.norm(), 1e-13);
}

TEST(MatrixSensing, NoiseHidesTheInfimumOfSquares) {
  const auto noisy = make_problem<double>(options_of(
      kParticles,
      {"objective.kind=matrix_sensing", "objective.form=factored", "objective.noise=0.1"}));
  EXPECT_FALSE(noisy.system.objective().infimum().has_value());
}

TEST(MatrixSensing, RefusesMeasurementsOfAnotherShape) {
  const auto options = options_of(kParticles, {"objective.kind=matrix_sensing"});
  ProblemData data;
  data.objective = objectives().at("matrix_sensing").draw(*options.objective, Layout(1, 3, 4));
  EXPECT_NO_THROW(make_problem<double>(options, data));
  const auto factored =
      options_of(kParticles, {"objective.kind=matrix_sensing", "objective.form=factored"});
  EXPECT_THROW(make_problem<double>(factored, data), ShapeError);
}

}  // namespace
}  // namespace muonflow::flow

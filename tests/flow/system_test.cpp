#include "muonflow/flow/system.hpp"

#include <gtest/gtest.h>

#include <array>
#include <limits>
#include <nlohmann/json.hpp>

#include "muonflow/core/error.hpp"
#include "muonflow/geometry/geometries.hpp"
#include "muonflow/linalg/norms.hpp"
#include "tests/flow/problems.hpp"
#include "tests/support/message_of.hpp"

namespace muonflow::flow {
namespace {

Problem<double> with_geometry(const std::string& name, double weight = 1) {
  auto config = Config::from_text("particles.shape = [3, 4]\nparticles.count = 30");
  config.set("geometry.kind=" + name);
  config.set("geometry.weight=" + std::to_string(weight));
  return make_problem<double>(read_options(config.tree(), {}));
}

class EveryGeometry : public ::testing::TestWithParam<std::string> {};

// What System makes of all particles at once is the mean of what the potential says of each.
TEST_P(EveryGeometry, VelocityAndMeansAreThoseOfTheParticles) {
  auto problem = with_geometry(GetParam(), 2);
  const auto& P = problem.state.W;
  const auto potential = geometry::make_potential<double>(GetParam(), Json::object());
  linalg::Workspace<double> workspace;
  double value = 0, pairing = 0;
  Matrix<double> expected = P;
  for (Index i = 0; i < P.rows(); ++i) {
    auto p = block_of(expected.row(i).data(), problem.system.layout().blocks()[0]);
    const auto found = potential->value_and_gradient(p, workspace);
    ASSERT_TRUE(found.outcome.ok());
    value += 2 * found.value / 30;
    pairing += 2 * found.pairing / 30;
  }
  Matrix<double> V;
  Kinetic kinetic;
  ASSERT_TRUE(problem.system.velocity(P, V, kinetic).ok());
  // Kernels that take sixteen matrices at a time round in another order: some roundings times the
  // condition of the map, s_max / epsilon of at most 500 here.
  constexpr double kTolerance = 500 * 60 * 1e-16;
  EXPECT_LE((V - 2 * expected).norm(), kTolerance * expected.norm());
  EXPECT_NEAR(kinetic.potential, value, kTolerance * value);
  EXPECT_NEAR(kinetic.rate, pairing, kTolerance * pairing);
}

TEST_P(EveryGeometry, PotentialsOfScaledMomenta) {
  auto problem = with_geometry(GetParam());
  const auto& P = problem.state.W;
  const std::array scales{1.0, 0.5, 3.0};
  std::array<double, 3> means{};
  ASSERT_TRUE(problem.system.potentials(P, scales, means).ok());
  for (std::size_t j = 0; j < scales.size(); ++j) {
    Matrix<double> V;
    Kinetic kinetic;
    ASSERT_TRUE(problem.system.velocity(scales[j] * P, V, kinetic).ok());
    // Two decompositions of 3x4 matrices of order 1.
    EXPECT_NEAR(means[j], kinetic.potential, 100 * 1e-16 * (1 + kinetic.potential));
  }
}

std::vector<std::string> with_potential() {
  std::vector<std::string> names;
  for (const auto& entry : geometry::geometries().all()) {
    if (entry.info.has_potential) names.push_back(entry.name);
  }
  return names;
}
INSTANTIATE_TEST_SUITE_P(Registry, EveryGeometry, ::testing::ValuesIn(with_potential()));

// Kaon's map is no gradient: the inertial flow has no energy under it, the momentum-free one has.
TEST(System, AGeometryWithoutPotentialIsForMomentumFreeDynamics) {
  EXPECT_EQ(test::message_of<ConfigError>([] { with_geometry("chaotic"); }),
            "geometry.kind: geometry 'chaotic' has no potential, so the inertial flow would have "
            "no energy (use dynamics.kind = \"momentum_free\")");
  auto problem = make_problem<double>(
      options_of(kSmall, {"geometry={kind=\"chaotic\"}", "dynamics.kind=momentum_free"}));
  ASSERT_TRUE(problem.system.refresh(problem.state).ok());
  EXPECT_TRUE(problem.integrator->step(problem.system, 0.01, problem.state).outcome.ok());
}

TEST(System, SpectraAreThoseOfTheParticles) {
  auto problem = with_geometry("frobenius");
  const auto spectra = problem.system.spectra(problem.state.W);
  double largest = 0, squares = 0;
  for (Index i = 0; i < 30; ++i) {
    const auto w = block_of(problem.state.W.row(i).data(), problem.system.layout().blocks()[0]);
    largest = std::max(largest, linalg::spectral_norm<double>(w));
  }
  EXPECT_NEAR(spectra.largest, largest, 1e-14 * largest);
  ASSERT_EQ(spectra.mean.size(), 1u);
  ASSERT_EQ(spectra.mean[0].size(), 3u);
  for (const double s : spectra.mean[0]) squares += s * s;
  EXPECT_GE(spectra.mean[0][0], spectra.mean[0][2]);
  EXPECT_LE(squares, problem.state.W.squaredNorm() / 30);  // Jensen
}

TEST(System, CurvatureIsTheGeometrysTimesItsWeight) {
  auto problem =
      make_problem<double>(options_of(kSmall, {"geometry.epsilon=0.25", "geometry.weight=3"}));
  EXPECT_EQ(problem.system.hessian_bound(), 12);
  EXPECT_FALSE(with_geometry("nuclear").system.hessian_bound());
  const auto before = problem.system.forces();
  ASSERT_TRUE(problem.system.refresh(problem.state).ok());
  EXPECT_EQ(problem.system.forces(), before + 1);
}

TEST(System, NamesNumbersThatAreNotFinite) {
  auto problem = with_geometry("smoothed_nuclear");
  Matrix<double> W = problem.state.W, G;
  double J = 0;
  W(3, 2) = std::numeric_limits<double>::quiet_NaN();
  EXPECT_FALSE(problem.system.force(W, G, J).ok());
  Kinetic kinetic;
  EXPECT_EQ(problem.system.velocity(W, G, kinetic).status, Status::non_finite_input);
  const std::array one{1.0};
  double mean = 0;
  EXPECT_FALSE(problem.system.potentials(W, one, {&mean, 1}).ok());
}

TEST(System, EnergyIsObjectivePlusKinetic) {
  auto options = options_of(kSmall, {"dynamics.gamma=0.25"});
  auto problem = make_problem<double>(options);
  problem.state.M = problem.state.W;
  ASSERT_TRUE(problem.system.refresh(problem.state).ok());
  EXPECT_GT(problem.state.potential, 0);
  EXPECT_EQ(problem.system.kinetic_energy(problem.state), problem.state.potential / 0.25);
  EXPECT_EQ(problem.system.energy(problem.state),
            problem.state.objective + problem.state.potential / 0.25);
}

TEST(System, RefusesAWrongNumberOfGeometries) {
  auto problem = with_geometry("frobenius");
  const Json table = Json::object();
  const auto& entry = objectives().at("quadratic");
  const Layout layout(2, 3, 4);
  EXPECT_THROW(
      System<double>(layout, entry.make<double>(table, entry.draw(table, layout), layout, ""), {},
                     {}),
      ShapeError);
}

}  // namespace
}  // namespace muonflow::flow

// Particles of several matrices: a geometry and a weight for each block, from the configuration to
// the energy identity (arXiv 2605.23871, products of matrix spaces).
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "muonflow/core/error.hpp"
#include "muonflow/geometry/geometries.hpp"
#include "tests/flow/problems.hpp"
#include "tests/support/message_of.hpp"

namespace muonflow::flow {
namespace {

const std::string kBlocks = R"(
[objective]
kind = "moe"
samples = 20
[geometry]
epsilon = 0.2
weight = 3.0
[geometry.router]
weight = 0.5
[geometry.out]
kind = "frobenius"
[integrator]
kind = "rk4"
step = 0.005
end_time = 0.5
[particles]
count = 6
shape = [3, 4]
scale = 0.5
[record]
every = 0.25
)";

TEST(Blockwise, ABlocksTableSaysWhatIsDifferentThere) {
  const auto geometry = *options_of(kBlocks).geometry;
  EXPECT_EQ(geometry["router"]["kind"], "smoothed_nuclear");
  EXPECT_EQ(geometry["router"]["epsilon"], 0.2);
  EXPECT_EQ(geometry["router"]["weight"], 0.5);
  EXPECT_EQ(geometry["out"]["kind"], "frobenius");
  EXPECT_EQ(geometry["out"]["weight"], 3);
  const auto text = to_toml(to_json(options_of(kBlocks)));
  EXPECT_EQ(to_toml(to_json(options_of(text))), text);
}

TEST(Blockwise, VelocityIsThatOfEachBlockTimesItsWeight) {
  const auto problem = make_problem<double>(options_of(kBlocks));
  const auto& layout = problem.system.layout();
  const auto& P = problem.state.W;
  linalg::Workspace<double> workspace;
  Matrix<double> V, expected = P;
  Kinetic kinetic;
  ASSERT_TRUE(problem.system.velocity(P, V, kinetic).ok());
  double potential = 0, rate = 0;
  const std::vector<std::string> kinds{"smoothed_nuclear", "frobenius", "smoothed_nuclear"};
  const std::vector<double> weights{3, 3, 0.5};
  for (std::size_t b = 0; b < 3; ++b) {
    const auto phi = geometry::make_potential<double>(
        kinds[b], kinds[b] == "frobenius" ? Json::object() : Json{{"epsilon", 0.2}});
    for (Index i = 0; i < P.rows(); ++i) {
      auto v = block_of(expected.row(i).data(), layout.blocks()[b]);
      const auto found = phi->value_and_gradient(v, workspace);
      v *= weights[b];
      potential += weights[b] * found.value / 6;
      rate += weights[b] * found.pairing / 6;
    }
  }
  // Sixteen matrices at a time round in another order than one: some roundings times the condition
  // of the map, s_max / epsilon of order 10.
  constexpr double kTolerance = 1e-13;
  EXPECT_LE((V - expected).norm(), kTolerance * expected.norm());
  EXPECT_NEAR(kinetic.potential, potential, kTolerance * potential);
  EXPECT_NEAR(kinetic.rate, rate, kTolerance * rate);
}

// The identity holds for any weights: the error is the integrator's, of fourth order.
TEST(Blockwise, TheEnergyIdentityHolds) {
  std::vector<double> steps{0.02, 0.01}, errors;
  for (const double step : steps) {
    Finished<double> run(options_of(kBlocks, {"integrator.step=" + std::to_string(step)}));
    errors.push_back(run.cursor.ledger.largest_relative_error);
    EXPECT_EQ(run.cursor.ledger.energy_increases, 0);
    EXPECT_GT(run.records.back().dissipated, 0);
  }
  EXPECT_LT(errors[1], 1e-6);
  EXPECT_GT(slope_of(steps, errors), 3.5);
}

TEST(Blockwise, StartsFromTensorsByBlock) {
  const auto options = options_of(kBlocks);
  const auto drawn = make_problem<double>(options);
  const ProblemData data{.objective = {},
                         .objective_place = "objective",
                         .initial = state_tensors(drawn.state),
                         .initial_place = "start.safetensors"};
  EXPECT_TRUE(data.initial->contains("W/router"));
  const auto read = make_problem<double>(options, data);
  EXPECT_TRUE(read.state.W == drawn.state.W);
  const auto wrong = test::message_of<ShapeError>(
      [&] { make_problem<double>(options_of(kBlocks, {"particles.shape=[2,4]"}), data); });
  EXPECT_EQ(wrong,
            "particles.shape: expected 6 particles of in 3x4 + out 2x3 + router "
            "1x4 as in "
            "start.safetensors, found 6 particles of in 2x4 + out 2x2 + router 1x4")
      << wrong;
}

TEST(Blockwise, RefusesATableForABlockThatIsNotThere) {
  const auto unknown = [](const std::string& text, const std::vector<std::string>& sets) {
    return test::message_of<ConfigError>([&] { make_problem<double>(options_of(text, sets)); });
  };
  EXPECT_EQ(unknown(kBlocks, {"geometry.routr.weight=2"}),
            "geometry.routr: no such block: expected one of in, out, router");
  EXPECT_EQ(unknown(kSmall, {"geometry.router.weight=2"}),
            "geometry.router: no such block: expected particles of one block, without a name");
  EXPECT_NE(unknown(kBlocks, {"geometry.router.epsilom=2"}).find("did you mean 'epsilon'"),
            std::string::npos);
}

}  // namespace
}  // namespace muonflow::flow

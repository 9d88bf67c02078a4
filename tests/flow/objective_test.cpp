#include "muonflow/flow/objective.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <ostream>

#include "muonflow/core/error.hpp"
#include "muonflow/core/parallel.hpp"
#include "tests/flow/problems.hpp"
#include "tests/support/message_of.hpp"

namespace muonflow::flow {
namespace {

// Every objective with every risk that it has, and with options that change its features.
struct ObjectiveCase {
  std::string name;
  RiskKind risk;
  std::vector<std::string> sets{};

  std::string label() const {
    std::string text = name + "_" + std::string(enum_name(risk));
    for (const auto& set : sets) text += "_" + set.substr(set.find('=') + 1);
    return text;
  }
  friend void PrintTo(const ObjectiveCase& one, std::ostream* out) { *out << one.label(); }
};
std::vector<ObjectiveCase> objective_cases() {
  std::vector<ObjectiveCase> all;
  for (const auto& entry : objectives().all()) {
    for (const auto risk : entry.info.risks) {
      all.push_back({entry.name, risk});
      if (entry.name == "attention_heads") all.back().sets = {"objective.sequences=4"};
    }
  }
  const std::vector<std::pair<std::string, std::vector<std::string>>> kVariants{
      {"attention_heads", {"objective.tokens=5", "objective.sequences=40"}},
      {"matrix_sensing", {"objective.form=factored"}},
      {"two_layer", {"objective.out=trained", "objective.activation=gelu"}},
      {"two_layer", {"objective.activation=softplus", "objective.noise=0.5"}},
      {"moe", {"objective.gate=sigmoid", "objective.activation=sigmoid"}},
      {"moe", {"objective.gate=softplus", "objective.outputs=3"}}};
  for (const auto& [name, sets] : kVariants) all.push_back({name, RiskKind::squared, sets});
  // More inputs than one tile holds.
  all.push_back({"moe", RiskKind::cross_entropy, {"objective.samples=150"}});
  return all;
}

class EveryObjective : public ::testing::TestWithParam<ObjectiveCase> {
 protected:
  template <class T>
  Problem<T> problem(std::int64_t particles) const {
    auto config = Config::from_text("particles.shape = [3, 4]\nparticles.seed = 4");
    config.set("objective.kind=" + GetParam().name);
    config.set("objective.risk=" + std::string(enum_name(GetParam().risk)));
    config.set("particles.count=" + std::to_string(particles));
    for (const auto& set : GetParam().sets) config.set(set);
    return make_problem<T>(read_options(config.tree(), {}));
  }
};

// The force is N times the partial derivative of J_N: both the gradient and its scale.
TEST_P(EveryObjective, ForceIsNTimesTheDifferenceQuotient) {
  for (const std::int64_t particles : {1, 5, 70}) {  // one chunk, and more than one
    auto p = problem<double>(particles);
    Matrix<double> W = p.state.W, G, unused;
    double J = 0;
    ASSERT_TRUE(p.system.force(W, G, J).ok());
    const double d = 3e-4;
    for (const Index i : {Index{0}, W.rows() - 1}) {
      for (Index k = 0; k<W.cols(); k += W.cols()> 20 ? 3 : 1) {
        const double at = W(i, k);
        std::array<double, 4> values{};
        for (std::size_t j = 0; j < 4; ++j) {
          W(i, k) = at + d * std::array{-2.0, -1.0, 1.0, 2.0}[j];
          ASSERT_TRUE(p.system.force(W, unused, values[j]).ok());
        }
        W(i, k) = at;
        const double slope = (8 * (values[2] - values[1]) - (values[3] - values[0])) / (12 * d);
        // d^4/30 of a fifth derivative below 1e4, and the round-off of J over d, both times N.
        const auto n = static_cast<double>(particles);
        EXPECT_NEAR(G(i, k), n * slope, n * 1e-9) << particles << " " << i << k;
      }
    }
  }
}

// Copies of the same particles are the same measure: the same J and the same force on each.
TEST_P(EveryObjective, ForceDoesNotDependOnTheNumberOfCopies) {
  auto few = problem<double>(40);
  auto many = problem<double>(120);
  Matrix<double> W(120, few.state.W.cols()), G, G_many;
  W << few.state.W, few.state.W, few.state.W;
  double J = 0, J_many = 0;
  ASSERT_TRUE(few.system.force(few.state.W, G, J).ok());
  ASSERT_TRUE(many.system.force(W, G_many, J_many).ok());
  // Sums of 120 terms of order 1 in double.
  EXPECT_NEAR(J, J_many, 120 * 1e-15 * (1 + std::abs(J)));
  EXPECT_LT((G_many.topRows(40) - G).cwiseAbs().maxCoeff(), 120 * 1e-15 * (1 + G.norm()));
}

TEST_P(EveryObjective, FloatAgreesWithDouble) {
  auto narrow = problem<float>(33);
  auto wide = problem<double>(33);
  Matrix<float> g;
  Matrix<double> G;
  double j = 0, J = 0;
  ASSERT_TRUE(narrow.system.force(narrow.state.W, g, j).ok());
  ASSERT_TRUE(wide.system.force(wide.state.W, G, J).ok());
  // Weights rounded to float, products of six terms of order 1.
  EXPECT_NEAR(j, J, 20 * 6e-8 * (1 + std::abs(J)));
  EXPECT_LT((g.cast<double>() - G).cwiseAbs().maxCoeff(),
            50 * 6e-8 * (1 + G.cwiseAbs().maxCoeff()));
}

// Chunks and their sums are the same whatever the number of threads.
TEST_P(EveryObjective, TheSameBitsForEveryNumberOfThreads) {
  auto p = problem<float>(200);
  Matrix<float> one, more;
  double J = 0, J_more = 0;
  const int before = threads();
  set_threads(1);
  ASSERT_TRUE(p.system.force(p.state.W, one, J).ok());
  for (const int count : {2, 4}) {
    set_threads(count);
    ASSERT_TRUE(p.system.force(p.state.W, more, J_more).ok());
    EXPECT_TRUE(one == more);
    EXPECT_EQ(J, J_more);
  }
  set_threads(before);
}

TEST_P(EveryObjective, InfimumIsALowerBound) {
  auto p = problem<double>(9);
  const auto infimum = p.system.objective().infimum();
  if (!infimum) GTEST_SKIP() << GetParam().name << " does not know its infimum";
  for (int draw = 0; draw < 20; ++draw) {
    const auto state =
        draw_state<double>(p.system.layout(), static_cast<std::uint64_t>(draw), 0.3 * draw);
    double J = 0;
    Matrix<double> G;
    ASSERT_TRUE(p.system.force(state.W, G, J).ok());
    EXPECT_GE(J, *infimum);
  }
}

INSTANTIATE_TEST_SUITE_P(Registry, EveryObjective, ::testing::ValuesIn(objective_cases()),
                         [](const auto& entry) {
                           auto label = entry.param.label();
                           std::replace(label.begin(), label.end(), '.', '_');
                           return label;
                         });

TEST(Objectives, RefuseARiskTheyDoNotHave) {
  const Json table = {{"kind", "quadratic"}, {"risk", "squared"}};
  EXPECT_EQ(test::message_of<ConfigError>([&] { objectives().at("quadratic").read(table, {}); }),
            "objective.risk: objective 'quadratic' has no risk 'squared': expected one of linear");
}

TEST(Objectives, RefuseUnknownKeysWithTheNearest) {
  const Json table = {{"kind", "tanh_ridge"}, {"feature", 4}};
  const auto message =
      test::message_of<ConfigError>([&] { objectives().at("tanh_ridge").read(table, {}); });
  EXPECT_NE(message.find("did you mean 'features'"), std::string::npos) << message;
}

TEST(Objectives, RefuseDataThatDoesNotFit) {
  const auto& entry = objectives().at("tanh_ridge");
  const Json table = {{"kind", "tanh_ridge"}};
  const Layout layout(2, 3, 4);
  auto data = entry.draw(table, layout);
  EXPECT_NO_THROW(entry.make<double>(table, data, layout, "data"));
  EXPECT_THROW(entry.make<double>(table, data, Layout(2, 4, 4), "data"), ShapeError);
  auto short_y = data;
  short_y["y"] = make_tensor<double>({2}, std::vector<double>{0, 0});
  EXPECT_THROW(entry.make<double>(table, short_y, layout, "data"), ShapeError);
  auto nan = data;
  nan["y"] = make_tensor<double>({8}, std::vector<double>(8, std::nan("")));
  EXPECT_THROW(entry.make<double>(table, nan, layout, "data"), DataError);
  data.erase("A");
  EXPECT_THROW(entry.make<double>(table, data, layout, "data"), ShapeError);
}

// The forward pass by loops, from the definition.
TEST(TanhRidge, IsWhatItsEquationSays) {
  auto config = Config::from_text(kSmall);
  const auto options = read_options(config.tree(), {});
  const auto layout = Layout(16, 3, 4);
  const auto data = objectives().at("tanh_ridge").draw(*options.objective, layout);
  const auto a = data.at("A").to<double>();
  const auto y = data.at("y").to<double>();
  const auto problem = make_problem<double>(options);
  double J = 0;
  for (std::size_t k = 0; k < 5; ++k) {
    double z = 0;
    for (Index i = 0; i < 16; ++i) {
      double inner = 0;
      for (Index j = 0; j < 12; ++j)
        inner += a[k * 12 + static_cast<std::size_t>(j)] * problem.state.W(i, j);
      z += std::tanh(inner) / 16;
    }
    J += 0.5 * (z - y[k]) * (z - y[k]);
  }
  Matrix<double> G;
  double found = 0;
  ASSERT_TRUE(problem.system.force(problem.state.W, G, found).ok());
  EXPECT_NEAR(found, J, 100 * 1e-16 * (1 + J));
}

}  // namespace
}  // namespace muonflow::flow

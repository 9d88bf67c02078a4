// two_layer, moe and attention_heads against their definitions, their data, and what they refuse.
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "muonflow/core/error.hpp"
#include "tests/flow/problems.hpp"
#include "tests/support/message_of.hpp"

namespace muonflow::flow {
namespace {

Problem<double> network(const std::vector<std::string>& sets, const ProblemData& data = {}) {
  return make_problem<double>(options_of("particles.shape = [3, 4]\nparticles.count = 5", sets),
                              data);
}

Matrix<double> matrix_of(const TensorMap& data, const std::string& name) {
  const auto& tensor = data.at(name);
  const auto values = tensor.to<double>();
  const Index cols = tensor.shape.back();
  return Eigen::Map<const Matrix<double>>(values.data(), tensor.count() / cols, cols);
}

// J by loops, from the definition, for the softmax gate and the squared risk.
TEST(Moe, IsWhatItsEquationSays) {
  const auto options = options_of("particles.shape = [3, 4]\nparticles.count = 5",
                                  {"objective.kind=moe", "objective.samples=7"});
  const auto problem = make_problem<double>(options);
  const auto& layout = problem.system.layout();
  ASSERT_EQ(layout.text(), "5 particles of in 3x4 + out 2x3 + router 1x4");
  const auto data = objectives().at("moe").draw(*options.objective, layout);
  const auto X = matrix_of(data, "X"), y = matrix_of(data, "y");
  double J = 0;
  for (Index s = 0; s < 7; ++s) {
    Matrix<double> numerator = Matrix<double>::Zero(2, 1);
    double denominator = 0;
    const Matrix<double> x = X.row(s).transpose();
    for (Index i = 0; i < 5; ++i) {
      const double* w = problem.state.W.row(i).data();
      const auto U = block_of(w, layout.blocks()[0]), V = block_of(w, layout.blocks()[1]);
      const auto r = block_of(w, layout.blocks()[2]);
      const double gate = std::exp((r * x)(0, 0));
      numerator += gate * V * (U * x).array().tanh().matrix();
      denominator += gate;
    }
    J += (numerator / denominator - y.row(s).transpose()).squaredNorm() / 2 / 7;
  }
  Matrix<double> G;
  // Sums of 35 terms of order 1, and exponentials of arguments of order 10.
  EXPECT_NEAR(force_value(problem, G), J, 1e-13 * (1 + J));
}

TEST(TwoLayer, IsWhatItsEquationSays) {
  const std::vector<std::string> sets{"objective.kind=two_layer", "objective.samples=7",
                                      "objective.outputs=1"};
  const auto options = options_of("particles.shape = [3, 4]\nparticles.count = 5", sets);
  const auto problem = make_problem<double>(options);
  const auto data = objectives().at("two_layer").draw(*options.objective, problem.system.layout());
  const auto X = matrix_of(data, "X"), y = matrix_of(data, "y"), V = matrix_of(data, "V");
  double J = 0;
  for (Index s = 0; s < 7; ++s) {
    double f = 0;
    for (Index i = 0; i < 5; ++i) {
      const auto W = block_of(problem.state.W.row(i).data(), problem.system.layout().blocks()[0]);
      f += (V * (W * X.row(s).transpose()).array().tanh().matrix())(0, 0) / 5;
    }
    J += (f - y(s, 0)) * (f - y(s, 0)) / 2 / 7;
  }
  Matrix<double> G;
  EXPECT_NEAR(force_value(problem, G), J, 1e-13 * (1 + J));
}

TEST(AttentionHeads, IsWhatItsEquationSays) {
  const std::vector<std::string> sets{"objective.kind=attention_heads", "objective.sequences=3"};
  const auto options = options_of("particles.shape = [3, 4]\nparticles.count = 5", sets);
  const auto problem = make_problem<double>(options);
  const auto& layout = problem.system.layout();
  ASSERT_EQ(layout.text(), "5 particles of key 3x4 + out 2x3 + query 3x4 + value 3x4");
  const auto data = objectives().at("attention_heads").draw(*options.objective, layout);
  const auto X = matrix_of(data, "X"), y = matrix_of(data, "y");
  ASSERT_EQ(X.rows(), 12);
  double J = 0;
  for (Index s = 0; s < 3; ++s) {
    const Matrix<double> x = X.middleRows(4 * s, 4).transpose();  // [p, t]
    Matrix<double> f = Matrix<double>::Zero(2, 4);
    for (Index i = 0; i < 5; ++i) {
      const double* w = problem.state.W.row(i).data();
      const auto K = block_of(w, layout.blocks()[0]), O = block_of(w, layout.blocks()[1]);
      const auto Q = block_of(w, layout.blocks()[2]), V = block_of(w, layout.blocks()[3]);
      Matrix<double> a = ((K * x).transpose() * (Q * x) / std::sqrt(3.0)).array().exp();
      for (Index j = 0; j < 4; ++j) a.col(j) /= a.col(j).sum();
      f += O * V * x * a / 5;
    }
    J += (f.transpose() - y.middleRows(4 * s, 4)).squaredNorm() / 2 / 12;
  }
  Matrix<double> G;
  EXPECT_NEAR(force_value(problem, G), J, 1e-13 * (1 + J));
}

class EveryNetwork : public ::testing::TestWithParam<std::string> {};

// Particles that are the teacher reach the infimum, and nothing pulls at them.
TEST_P(EveryNetwork, TheTeacherIsAMinimizer) {
  for (const std::string risk : {"squared", "cross_entropy"}) {
    const std::vector<std::string> sets{"objective.kind=" + GetParam(), "objective.risk=" + risk,
                                        "objective.teachers=5"};
    auto problem = network(sets);
    const auto infimum = problem.system.objective().infimum();
    ASSERT_TRUE(infimum.has_value());
    const auto options = options_of("particles.shape = [3, 4]\nparticles.count = 5", sets);
    const auto data = objectives().at(GetParam()).draw(*options.objective, problem.system.layout());
    for (const auto& block : problem.system.layout().blocks()) {
      const auto name = block.name.empty() ? "teacher" : "teacher/" + block.name;
      const auto values = data.at(name).to<double>();
      problem.state.W.middleCols(block.offset, block.size()) =
          Eigen::Map<const Matrix<double>>(values.data(), 5, block.size());
    }
    Matrix<double> G;
    EXPECT_NEAR(force_value(problem, G), *infimum, 1e-14 * (1 + *infimum));
    EXPECT_LT(G.norm(), 1e-13);
  }
}

TEST_P(EveryNetwork, NoisyTargetsHaveNoKnownInfimum) {
  EXPECT_FALSE(network({"objective.kind=" + GetParam(), "objective.noise=0.1"})
                   .system.objective()
                   .infimum()
                   .has_value());
}

// Labels are classes: one column each.
TEST_P(EveryNetwork, TakesLabelsFromTensors) {
  if (GetParam() == "attention_heads") GTEST_SKIP() << "its inputs are sequences";
  const std::vector<std::int64_t> labels{2, 0, 1, 2};
  const std::vector<double> one_hot{0, 0, 1, 1, 0, 0, 0, 1, 0, 0, 0, 1};
  ProblemData by_labels;
  by_labels.objective = TensorMap{
      {"X", make_tensor<double>(
                {4, 4}, std::vector<double>{1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3, 4, 5, 6, 7})},
      {"labels", make_tensor<std::int64_t>({4}, labels)}};
  auto by_targets = by_labels;
  by_targets.objective->erase("labels");
  by_targets.objective->insert({"y", make_tensor<double>({4, 3}, one_hot)});
  for (const std::string risk : {"squared", "cross_entropy"}) {
    const std::vector<std::string> sets{"objective.kind=" + GetParam(), "objective.risk=" + risk};
    Matrix<double> G, G_targets;
    EXPECT_EQ(force_value(network(sets, by_labels), G),
              force_value(network(sets, by_targets), G_targets));
    EXPECT_TRUE(G == G_targets);
  }
  const auto logistic =
      network({"objective.kind=" + GetParam(), "objective.risk=logistic"}, by_labels);
  for (const double y : logistic.system.objective().risk().targets()) EXPECT_EQ(std::abs(y), 1);
}

TEST_P(EveryNetwork, RefusesDataThatDoesNotFit) {
  if (GetParam() == "attention_heads") GTEST_SKIP() << "its inputs are sequences";
  const std::vector<std::string> sets{"objective.kind=" + GetParam()};
  const std::vector<double> x(8, 1.0), y(4, 0.5);
  ProblemData data;
  data.objective_place = "data.safetensors";
  const auto refusal = [&](TensorMap tensors) {
    data.objective = std::move(tensors);
    return test::message_of<Error>([&] { network(sets, data); });
  };
  const auto X = make_tensor<double>({2, 4}, x), Y = make_tensor<double>({2, 2}, y);
  EXPECT_EQ(refusal({{"X", X}}),
            "data.safetensors: expected a tensor 'y' [n, outputs] or 'labels' [n], found neither");
  EXPECT_EQ(refusal({{"y", Y}}),
            "data.safetensors: no tensor 'X': expected X [n, 4], as the particles are");
  EXPECT_EQ(refusal({{"X", make_tensor<double>({4, 2}, x)}, {"y", Y}}),
            "data.safetensors, tensor X: expected X [n, 4], as the particles are, found [4, 2]");
  EXPECT_EQ(refusal({{"X", X}, {"y", make_tensor<double>({4, 1}, y)}}),
            "data.safetensors, tensor y: expected one for each of the 2 inputs, found [4, 1]");
  EXPECT_EQ(
      refusal(
          {{"X", X}, {"labels", make_tensor<std::int64_t>({2}, std::vector<std::int64_t>{0, -1})}}),
      "data.safetensors, tensor labels, element 1: expected a class between 0 and 4095, found -1");
}

INSTANTIATE_TEST_SUITE_P(All, EveryNetwork,
                         ::testing::Values("two_layer", "moe", "attention_heads"));

TEST(AttentionHeads, TakesSequencesFromTensors) {
  ProblemData data;
  data.objective_place = "data";
  const std::vector<double> x(24, 0.5);
  const std::vector<std::int64_t> labels{0, 1, 2, 2, 1, 0};
  data.objective = TensorMap{{"X", make_tensor<double>({2, 3, 4}, x)},
                             {"labels", make_tensor<std::int64_t>({2, 3}, labels)}};
  const std::vector<std::string> sets{"objective.kind=attention_heads",
                                      "objective.risk=cross_entropy"};
  EXPECT_EQ(network(sets, data).system.objective().features(), 18);
  (*data.objective)["X"] = make_tensor<double>({6, 4}, x);
  EXPECT_EQ(test::message_of<ShapeError>([&] { network(sets, data); }),
            "data, tensor X: expected X [sequences, tokens, 4], found [6, 4]");
}

TEST(TwoLayer, ADataSetThatWasNotLoadedIsNotReplacedByADraw) {
  EXPECT_EQ(test::message_of<ConfigError>([] {
              network({"objective.kind=two_layer", "objective.dataset=fashion_mnist"});
            }),
            "objective.dataset: data set 'fashion_mnist' has not been loaded (hand its tensors "
            "over as the objective's data)");
}

}  // namespace
}  // namespace muonflow::flow

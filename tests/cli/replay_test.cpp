// muonflow replay, from the command line: its files, its messages, its exit codes. What the rules
// compute is judged in tests/optim, tests/laws and tests/golden.
#include <gtest/gtest.h>

#include <limits>

#include "muonflow/core/safetensors.hpp"
#include "tests/cli/run_program.hpp"
#include "tests/reference/matrices.hpp"

namespace muonflow::cli {
namespace {

class ReplayCommandTest : public ProgramTest {
 protected:
  static Tensor gaussian(const Shape& shape, std::uint64_t seed) {
    const Matrix<double> a = reference::gaussian(1, element_count(shape), seed);
    return make_tensor<double>(
        shape, std::span<const double>(a.data(), static_cast<std::size_t>(a.size())));
  }
  // Weights of one shape and the gradients of `steps` steps.
  static TensorMap recorded(const Shape& shape, int steps) {
    TensorMap tensors{{"w/a", gaussian(shape, 1)}};
    for (int t = 0; t < steps; ++t) {
      tensors["g/a/" + std::to_string(t)] = gaussian(shape, static_cast<std::uint64_t>(t) + 2);
    }
    return tensors;
  }
  ProgramResult replay(const TensorMap& input, const std::string& rule, const std::string& options,
                       const std::vector<std::string>& more = {}) const {
    write_safetensors(folder / "in.safetensors", input);
    std::vector<std::string> arguments{"replay",         "--rule",   rule,
                                       "--options",      options,    "--input",
                                       "in.safetensors", "--output", "out.safetensors"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run(arguments);
  }
  bool wrote_nothing() const { return !std::filesystem::exists(folder / "out.safetensors"); }
};

TEST_F(ReplayCommandTest, WeightsOfEveryStepAndTheFinalState) {
  const auto result = replay(recorded({4, 6}, 3), "sgd", R"({"lr": 0.5, "momentum": 0.9})");
  ASSERT_EQ(result.code, 0) << result.err;
  const auto input = recorded({4, 6}, 3);
  const auto output = read_safetensors(folder / "out.safetensors").tensors;
  // SGD's first step is W - lr G.
  const auto w = input.at("w/a").as<double>(), g = input.at("g/a/0").as<double>(),
             first = output.at("w/a/0").as<double>();
  for (std::size_t i = 0; i < w.size(); ++i) EXPECT_EQ(first[i], w[i] - 0.5 * g[i]);
  EXPECT_EQ(output.count("w/a/2"), 1u);
  EXPECT_EQ(output.count("w/a/3"), 0u);
  EXPECT_EQ(output.at("s/a/momentum_buffer").shape, (Shape{4, 6}));
}

TEST_F(ReplayCommandTest, AScheduleChangesTheLearningRate) {
  ASSERT_EQ(replay(recorded({4, 6}, 2), "sgd", R"({"lr": 0.5})").code, 0);
  const auto constant = read_safetensors(folder / "out.safetensors").tensors;
  ASSERT_EQ(replay(recorded({4, 6}, 2), "sgd", R"({"lr": 0.5})", {"--lr-schedule", "linear"}).code,
            0);
  const auto linear = read_safetensors(folder / "out.safetensors").tensors;
  EXPECT_NE(constant.at("w/a/1").bytes, linear.at("w/a/1").bytes);
}

TEST_F(ReplayCommandTest, TheNumberOfThreadsChangesNoBit) {
  const auto input = recorded({24, 40}, 3);
  ASSERT_EQ(replay(input, "muon", R"({"lr": 0.1})", {"--threads", "1"}).code, 0);
  const auto one = read_safetensors(folder / "out.safetensors").tensors;
  ASSERT_EQ(replay(input, "muon", R"({"lr": 0.1})", {"--threads", "4"}).code, 0);
  const auto four = read_safetensors(folder / "out.safetensors").tensors;
  EXPECT_EQ(one.at("w/a/2").bytes, four.at("w/a/2").bytes);
  expect_refusal(replay(input, "muon", R"({"lr": 0.1})", {"--threads", "-1"}), 2, "--threads");
}

TEST_F(ReplayCommandTest, WrongRequestsExitWithTwo) {
  const auto input = recorded({4, 6}, 2);
  expect_refusal(replay(input, "moun", R"({"lr": 1})"), 2, "did you mean 'muon'");
  expect_refusal(replay(input, "muon", R"({"lr": 1, "momentun": 0.9})"), 2, "'momentum'");
  expect_refusal(replay(input, "muon", R"({"lr": 1, "momentum": 1.5})"), 2, "[0, 1)");
  expect_refusal(replay(input, "muon", R"({"momentum": 0.9})"), 2, "lr");
  expect_refusal(replay(input, "muon", "{"), 2, "--options");
  expect_refusal(
      run({"replay", "--rule", "sgd", "--options", R"({"lr": 1})", "--input", "in.safetensors"}), 2,
      "--output");
  expect_refusal(replay(recorded({6}, 1), "muon", R"({"lr": 1})"), 2, "w/a");
  EXPECT_TRUE(wrote_nothing());
}

TEST_F(ReplayCommandTest, WrongFilesExitWithOne) {
  const std::string options = R"({"lr": 1})";
  expect_refusal(run({"replay", "--rule", "sgd", "--options", options, "--input", "absent",
                      "--output", "out.safetensors"}),
                 1, "absent");

  auto gap = recorded({4, 6}, 3);
  gap.erase("g/a/1");
  expect_refusal(replay(gap, "sgd", options), 1, "g/a/1");

  auto other_shape = recorded({4, 6}, 1);
  other_shape["g/a/0"] = gaussian({6, 4}, 9);
  expect_refusal(replay(other_shape, "sgd", options), 1, "g/a/0");

  auto broken = recorded({1, 2}, 1);
  const std::vector<double> values{1, std::numeric_limits<double>::quiet_NaN()};
  broken["w/a"] = make_tensor<double>({1, 2}, values);
  expect_refusal(replay(broken, "sgd", options), 1, "w/a");

  write("in.safetensors", "short");
  expect_refusal(run({"replay", "--rule", "sgd", "--options", options, "--input", "in.safetensors",
                      "--output", "out.safetensors"}),
                 1, "in.safetensors");
  EXPECT_TRUE(wrote_nothing());
}

TEST_F(ReplayCommandTest, AuditsItsOwnStepsAndThoseOfOthers) {
  const std::string options = R"({"lr": 0.1, "weight_decay": 0.1})";
  const auto own = replay(recorded({6, 4}, 3), "muon", options, {"--audit"});
  ASSERT_EQ(own.code, 0) << own.err;
  for (const char* part :
       {"polar error", "dual gap", "scale", "a, step 2", "3 steps, ", "0 failed"}) {
    EXPECT_NE(own.out.find(part), std::string::npos) << part << " is not in " << own.out;
  }
  const std::vector<std::string> theirs{"replay",         "--rule",    "muon",
                                        "--options",      options,     "--input",
                                        "in.safetensors", "--audited", "out.safetensors"};
  EXPECT_EQ(run(theirs).code, 0);
  // A trajectory whose second step was clipped after the rule.
  auto trajectory = read_safetensors(folder / "out.safetensors").tensors;
  const auto before = trajectory.at("w/a/0").to<double>();
  auto after = trajectory.at("w/a/1").to<double>();
  for (std::size_t i = 0; i < after.size(); ++i) {
    const double kept = 0.99 * before[i];
    after[i] = kept + 0.2 * (after[i] - kept);
  }
  trajectory["w/a/1"] = make_tensor<double>({6, 4}, after);
  write_safetensors(folder / "out.safetensors", trajectory);
  const auto wrong = run(theirs);
  EXPECT_EQ(wrong.code, 1);
  EXPECT_NE(wrong.err.find("a, step 1: audit: a: scale: expected 0.122474"), std::string::npos)
      << wrong.err;
  EXPECT_NE(wrong.err.find("shrunk after the rule"), std::string::npos) << wrong.err;
  EXPECT_NE(wrong.out.find("FAILED"), std::string::npos) << wrong.out;
}

TEST_F(ReplayCommandTest, AnOutputThatCannotBeWritten) {
  const auto input = recorded({2, 2}, 1);
  write_safetensors(folder / "in.safetensors", input);
  expect_refusal(run({"replay", "--rule", "sgd", "--options", R"({"lr": 1})", "--input",
                      "in.safetensors", "--output", "no/such/folder/out.safetensors"}),
                 1, "no/such/folder");
}

}  // namespace
}  // namespace muonflow::cli

// muonflow grad, from the command line: its files, its messages, its exit codes. The numbers are
// compared with PyTorch's in tests/model.
#include <gtest/gtest.h>

#include <algorithm>

#include "muonflow/core/safetensors.hpp"
#include "muonflow/model/gpt.hpp"
#include "tests/cli/run_program.hpp"

namespace muonflow::cli {
namespace {

class GradCommandTest : public ProgramTest {
 protected:
  static TensorMap weights() {
    model::Gpt<double> gpt(
        {.n_layer = 1, .n_head = 2, .n_embd = 6, .block_size = 5, .vocab_size = 9});
    gpt.initialize(1);
    return gpt.weights();
  }
  static TensorMap batch(std::int32_t first_token = 1) {
    const std::vector<std::int32_t> tokens{first_token, 2, 3, 4, 5, 6}, targets{2, 3, 4, 5, 6, 8};
    return {{"tokens", make_tensor<std::int32_t>({2, 3}, tokens)},
            {"targets", make_tensor<std::int32_t>({2, 3}, targets)}};
  }
  ProgramResult grad(const TensorMap& weights, const TensorMap& batch, const std::string& options,
                     const std::string& model = "gpt") const {
    write_safetensors(folder / "w.safetensors", weights);
    write_safetensors(folder / "b.safetensors", batch);
    return run({"grad", "--model", model, "--options", options, "--weights", "w.safetensors",
                "--batch", "b.safetensors", "--output", "out.safetensors"});
  }
  void expect_refusal(const ProgramResult& result, int code, const std::string& part) const {
    cli::expect_refusal(result, code, part);
    EXPECT_FALSE(std::filesystem::exists(folder / "out.safetensors"));
  }
};

TEST_F(GradCommandTest, WritesLossLogitsAndEveryGradientInTheTypeOfTheWeights) {
  const auto given = weights();
  const auto result = grad(given, batch(), R"({"n_head": 2})");
  ASSERT_EQ(result.code, 0) << result.err;
  const auto output = read_safetensors(folder / "out.safetensors").tensors;
  EXPECT_EQ(output.size(), given.size() + 2);
  EXPECT_EQ(output.at("loss").shape, (Shape{1}));
  EXPECT_EQ(output.at("logits").shape, (Shape{2, 3, 9}));
  for (const auto& [name, tensor] : given) {
    EXPECT_EQ(output.at("g/" + name).shape, tensor.shape) << name;
    EXPECT_EQ(output.at("g/" + name).dtype, Dtype::f64) << name;
  }
}

TEST_F(GradCommandTest, AWrongRequestIsExitCodeTwo) {
  expect_refusal(grad(weights(), batch(), "{}"), 2, "n_head: is required");
  expect_refusal(grad(weights(), batch(), R"({"n_heads": 2})"), 2, "did you mean 'n_head'");
  expect_refusal(grad(weights(), batch(), R"({"n_head": 4})"), 2, "expected a divisor of 6");
  expect_refusal(grad(weights(), batch(), "[1"), 2, "expected a JSON object");
  expect_refusal(grad(weights(), batch(), R"({"n_head": 2})", "gtp"), 2, "did you mean 'gpt'");
}

TEST_F(GradCommandTest, FilesThatDoNotFitAreExitCodeOne) {
  const std::string options = R"({"n_head": 2})";
  auto bad = weights();
  bad.erase("transformer.ln_f.weight");
  expect_refusal(grad(bad, batch(), options), 1,
                 "w.safetensors: missing tensor 'transformer.ln_f.weight'");
  expect_refusal(grad(weights(), batch(9), options), 1,
                 "b.safetensors: tokens: token outside the vocabulary at [0, 0]");
  expect_refusal(grad(weights(), {}, options), 1, "b.safetensors: missing tensor 'tokens'");
}

}  // namespace
}  // namespace muonflow::cli

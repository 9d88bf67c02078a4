#include "muonflow/model/gpt_gradients.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "muonflow/model/gpt.hpp"
#include "tests/model/tiny_gpt.hpp"

namespace muonflow::model {
namespace {

const Json kOptions{{"n_head", 2}};

TensorMap some_weights() {
  Gpt<float> model({.n_layer = 1, .n_head = 2, .n_embd = 6, .block_size = 5, .vocab_size = 9});
  model.initialize(1);
  return model.weights();
}

TensorMap some_batch() {
  const std::vector<std::int32_t> tokens{1, 2, 3, 4, 5, 6}, targets{2, 3, 4, 5, 6, 8};
  return {{"tokens", make_tensor<std::int32_t>({2, 3}, tokens)},
          {"targets", make_tensor<std::int32_t>({2, 3}, targets)}};
}

void expect_message(const TensorMap& weights, const TensorMap& batch,
                    const std::vector<std::string>& parts) {
  const std::string message =
      message_of([&] { gpt_gradients(kOptions, weights, batch, {.weights = "W", .batch = "B"}); });
  for (const auto& part : parts) EXPECT_NE(message.find(part), std::string::npos) << message;
}

TEST(GptGradients, HoldsLossLogitsAndEveryGradient) {
  const auto weights = some_weights();
  const auto result = gpt_gradients(kOptions, weights, some_batch());
  EXPECT_EQ(result.at("loss").shape, (Shape{1}));
  EXPECT_EQ(result.at("logits").shape, (Shape{2, 3, 9}));
  for (const auto& [name, tensor] : weights) {
    EXPECT_EQ(result.at("g/" + name).shape, tensor.shape) << name;
  }
  EXPECT_EQ(result.size(), weights.size() + 2);
}

TEST(GptGradients, SixtyFourBitTokensAreTheSame) {
  auto batch = some_batch();
  const auto narrow = gpt_gradients(kOptions, some_weights(), batch);
  for (auto& [name, tensor] : batch) {
    tensor = make_tensor<std::int64_t>(tensor.shape, tensor.to<std::int64_t>());
  }
  const auto wide = gpt_gradients(kOptions, some_weights(), batch);
  EXPECT_EQ(narrow.at("logits").bytes, wide.at("logits").bytes);
}

TEST(GptGradients, SixteenBitWeightsAreComputedInFloat) {
  TensorMap halves, floats;
  for (const auto& [name, tensor] : some_weights()) {
    // The upper half of a float is a bfloat16.
    Tensor half{.dtype = Dtype::bf16, .shape = tensor.shape, .bytes = {}};
    for (std::size_t i = 0; i < tensor.bytes.size(); i += 4) {
      half.bytes.insert(half.bytes.end(), {tensor.bytes[i + 2], tensor.bytes[i + 3]});
    }
    floats.emplace(name, make_tensor<float>(half.shape, half.to<float>()));
    halves.emplace(name, std::move(half));
  }
  const auto result = gpt_gradients(kOptions, halves, some_batch());
  EXPECT_EQ(result.at("loss").dtype, Dtype::f32);
  EXPECT_EQ(result.at("logits").bytes,
            gpt_gradients(kOptions, floats, some_batch()).at("logits").bytes);
}

TEST(GptGradients, MistakesInTheBatchAreNamed) {
  const auto weights = some_weights();
  auto batch = some_batch();
  batch.erase("targets");
  expect_message(weights, batch, {"B", "missing tensor 'targets'"});
  batch = some_batch();
  batch.at("targets") = make_tensor<std::int32_t>({3, 2}, std::vector<std::int32_t>(6, 1));
  expect_message(weights, batch, {"B: targets", "expected [2, 3]", "found [3, 2]"});
  batch.at("tokens") = make_tensor<std::int32_t>({6}, std::vector<std::int32_t>(6, 1));
  expect_message(weights, batch, {"B: tokens", "[B, T]", "[6]"});
  batch.at("tokens") = make_tensor<float>({2, 3}, std::vector<float>(6, 1));
  expect_message(weights, batch, {"B: tokens", "I32 or I64", "F32"});
  batch.at("tokens") =
      make_tensor<std::int64_t>({1, 2}, std::vector<std::int64_t>{1, 5'000'000'000});
  expect_message(weights, batch, {"B: tokens", "[0, 1]", "0 to 8", "5000000000"});
  batch.at("tokens") = make_tensor<std::int32_t>({1, 6}, std::vector<std::int32_t>(6, 1));
  expect_message(weights, batch, {"B: tokens", "block_size", "at most 5", "found 6"});
}

TEST(GptGradients, MistakesInTheWeightsAreNamed) {
  auto weights = some_weights();
  weights.erase("transformer.h.0.ln_2.weight");
  expect_message(weights, some_batch(), {"W", "missing tensor 'transformer.h.0.ln_2.weight'"});
  // Finite weights whose logits overflow.
  weights = some_weights();
  weights.at("transformer.ln_f.weight") = make_tensor<float>({6}, std::vector<float>(6, 3e38f));
  std::vector<float> table(54);
  for (std::size_t i = 0; i < 54; ++i) table[i] = static_cast<float>(i * i % 7) * 1e3f;
  weights.at("transformer.wte.weight") = make_tensor<float>({9, 6}, table);
  expect_message(weights, some_batch(), {"W", "not finite"});
}

}  // namespace
}  // namespace muonflow::model

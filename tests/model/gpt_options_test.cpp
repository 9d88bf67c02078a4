#include "muonflow/model/gpt_options.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "muonflow/model/gpt.hpp"
#include "tests/model/tiny_gpt.hpp"

namespace muonflow::model {
namespace {

TensorMap some_weights(bool bias) {
  return Gpt<float>({.n_layer = 3,
                     .n_head = 2,
                     .n_embd = 6,
                     .block_size = 5,
                     .vocab_size = 9,
                     .bias = bias})
      .weights();
}

TEST(GptOptions, AreInferredFromTheWeights) {
  for (const bool bias : {true, false}) {
    const auto options = infer_gpt_options(Json{{"n_head", 2}}, some_weights(bias));
    EXPECT_EQ(options.n_layer, 3);
    EXPECT_EQ(options.n_head, 2);
    EXPECT_EQ(options.n_embd, 6);
    EXPECT_EQ(options.block_size, 5);
    EXPECT_EQ(options.vocab_size, 9);
    EXPECT_EQ(options.bias, bias);
    EXPECT_TRUE(options.tied);
    EXPECT_EQ(options.activation, nn::Activation::gelu_tanh);
  }
}

TEST(GptOptions, WhatIsGivenWins) {
  const auto options = infer_gpt_options(
      Json{{"n_head", 3}, {"vocab_size", 10}, {"activation", "gelu_erf"}, {"tied", false}},
      some_weights(true));
  EXPECT_EQ(options.vocab_size, 10);
  EXPECT_FALSE(options.tied);
  EXPECT_EQ(options.activation, nn::Activation::gelu_erf);
}

TEST(GptOptions, MistakesAreNamed) {
  const auto infer = [](const Json& given) {
    return message_of([&] { infer_gpt_options(given, some_weights(true)); });
  };
  EXPECT_NE(infer(Json{{"n_heads", 2}}).find("n_head"), std::string::npos);
  EXPECT_NE(infer(Json::object()).find("n_head: is required"), std::string::npos);
  EXPECT_NE(infer(Json{{"n_head", 4}}).find("divisor of 6"), std::string::npos);
  EXPECT_NE(infer(Json{{"n_head", 0}}).find("n_head"), std::string::npos);
  TensorMap weights = some_weights(true);
  weights.erase("transformer.wpe.weight");
  EXPECT_NE(message_of([&] {
              infer_gpt_options(Json{{"n_head", 2}}, weights);
            }).find("missing tensor 'transformer.wpe.weight'"),
            std::string::npos);
}

TEST(GptOptions, ConstructorChecksThem) {
  EXPECT_THROW(Gpt<float>({.n_head = 3, .n_embd = 128}), ConfigError);
  EXPECT_THROW(Gpt<float>({.vocab_size = 0}), ConfigError);
}

TEST(GptOptions, DescribeThemselves) {
  const auto fields = describe<GptOptions>();
  ASSERT_EQ(fields.size(), 8u);
  EXPECT_EQ(fields.front().name, "n_layer");
  EXPECT_EQ(fields.back().range, "one of gelu_tanh, gelu_erf");
}

}  // namespace
}  // namespace muonflow::model

#include "muonflow/model/gpt.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/model/tiny_gpt.hpp"
#include "tests/nn/gradient_check.hpp"

namespace muonflow::model {
namespace {

using test::random_tokens;

// A third of its depth would be no whole number of blocks, a multiplier need not be a power of 2.
GptOptions base_of_tiny() {
  auto base = tiny();
  base.n_layer = 3;
  base.n_embd = 4;
  base.n_head = 1;
  return base;
}

// Weights of order one, so that every part of the model matters to the loss.
template <class T>
void fill(Gpt<T>& model, std::uint64_t seed) {
  std::uint64_t stream = 0;
  for (auto& parameter : model.parameters()) {
    Rng rng(seed, stream++);
    const double offset = parameter.role == Role::norm && parameter.name.ends_with(".weight");
    for (std::int64_t i = 0; i < element_count(parameter.shape); ++i) {
      parameter.weights[i] = static_cast<T>(offset + 0.3 * rng.normal());
    }
  }
}

template <class T>
std::span<T> weights_of(const Parameter<T>& parameter) {
  return {parameter.weights, static_cast<std::size_t>(element_count(parameter.shape))};
}

template <class T>
std::span<T> gradient_of(const Parameter<T>& parameter) {
  return {parameter.gradient, static_cast<std::size_t>(element_count(parameter.shape))};
}

std::vector<std::string> names_of(const GptOptions& options) {
  const Gpt<float> model(options);
  std::vector<std::string> names;
  for (const auto& parameter : model.parameters()) names.push_back(parameter.name);
  return names;
}

struct GradientCase {
  const char* name;
  bool bias, tied;
  nn::Activation activation;
  Index batch, time;
  bool transferred = false;  // from a narrower and shallower base model
};

class GptGradient : public testing::TestWithParam<GradientCase> {};
INSTANTIATE_TEST_SUITE_P(
    Cases, GptGradient,
    testing::Values(GradientCase{"tied_tanh", true, true, nn::Activation::gelu_tanh, 2, 5},
                    GradientCase{"untied_erf_plain", false, false, nn::Activation::gelu_erf, 2, 5},
                    GradientCase{"untied_tanh", true, false, nn::Activation::gelu_tanh, 1, 67},
                    GradientCase{"one_token", true, true, nn::Activation::gelu_erf, 1, 1},
                    GradientCase{"tied_plain_column", false, true, nn::Activation::gelu_tanh, 3, 1},
                    GradientCase{"transferred", true, true, nn::Activation::gelu_tanh, 2, 5, true},
                    GradientCase{"transferred_untied", true, false, nn::Activation::gelu_tanh, 2, 5,
                                 true}),
    [](const auto& tested) { return std::string(tested.param.name); });

TEST_P(GptGradient, IsTheDerivativeOfTheLoss) {
  const auto& tested = GetParam();
  set_threads(1);  // thousands of tiny steps: waking threads would take most of the time
  GptOptions options = tiny();
  options.bias = tested.bias;
  options.tied = tested.tied;
  options.activation = tested.activation;
  std::optional<GptOptions> base;
  if (tested.transferred) base = base_of_tiny();
  Gpt<double> model(options, base);
  fill(model, 3);
  const auto tokens = random_tokens(tested.batch * tested.time, 11, 1);
  const auto targets = random_tokens(tested.batch * tested.time, 11, 2);
  const auto loss = [&] { return model.loss(tokens, targets, tested.batch, tested.time); };
  loss();
  model.backward();
  for (const auto& parameter : model.parameters()) {
    const auto gradient = gradient_of(parameter);
    test::expect_gradient(parameter.name, weights_of(parameter), gradient, loss,
                          std::max<std::size_t>(1, gradient.size() / 7));
  }
  set_threads(0);
}

TEST(Gpt, ParametersAreThoseOfNanoGpt) {
  GptOptions options = tiny();
  options.n_layer = 1;
  const std::vector<std::string> expected{"transformer.wte.weight",
                                          "transformer.wpe.weight",
                                          "transformer.h.0.ln_1.weight",
                                          "transformer.h.0.ln_1.bias",
                                          "transformer.h.0.attn.c_attn.weight",
                                          "transformer.h.0.attn.c_attn.bias",
                                          "transformer.h.0.attn.c_proj.weight",
                                          "transformer.h.0.attn.c_proj.bias",
                                          "transformer.h.0.ln_2.weight",
                                          "transformer.h.0.ln_2.bias",
                                          "transformer.h.0.mlp.c_fc.weight",
                                          "transformer.h.0.mlp.c_fc.bias",
                                          "transformer.h.0.mlp.c_proj.weight",
                                          "transformer.h.0.mlp.c_proj.bias",
                                          "transformer.ln_f.weight",
                                          "transformer.ln_f.bias"};
  EXPECT_EQ(names_of(options), expected);
  options.bias = false;
  options.tied = false;
  std::vector<std::string> plain;
  for (const auto& name : expected) {
    if (!name.ends_with(".bias")) plain.push_back(name);
  }
  plain.push_back("lm_head.weight");
  EXPECT_EQ(names_of(options), plain);
}

TEST(Gpt, KnowsItsBaseModel) {
  GptOptions options = tiny();
  options.tied = false;
  Gpt<double> wide(options, base_of_tiny());
  Gpt<double> base(base_of_tiny());
  EXPECT_DOUBLE_EQ(wide.branch_multiplier(), 1.5);
  EXPECT_EQ(wide.logit_multiplier(), 1) << "the head has weights of its own";
  EXPECT_EQ(Gpt<double>(tiny(), base_of_tiny()).logit_multiplier(), 0.5);
  for (const auto& parameter : wide.parameters()) {
    const bool block = parameter.name.starts_with("transformer.h.");
    EXPECT_DOUBLE_EQ(parameter.depth_ratio, block ? 2.0 / 3 : 1) << parameter.name;
    for (const auto& same : base.parameters()) {
      if (same.name == parameter.name) {
        EXPECT_EQ(parameter.base_shape, same.shape) << same.name;
      }
    }
    EXPECT_EQ(parameter.base_shape.size(), parameter.shape.size()) << parameter.name;
  }
  for (const auto& parameter : base.parameters()) EXPECT_TRUE(parameter.base_shape.empty());
}

// Of the deviations only their ratio to the base model's, which draws other numbers.
TEST(Gpt, InitialWeightsFollowTheBaseModel) {
  const GptOptions narrow{
      .n_layer = 2, .n_head = 2, .n_embd = 16, .block_size = 64, .vocab_size = 64, .tied = false};
  auto wide = narrow;
  wide.n_embd = 64;
  wide.n_head = 8;
  wide.n_layer = 8;
  Gpt<double> model(wide, narrow), base(narrow);
  model.initialize(1);
  base.initialize(1);
  const auto deviation = [](const Gpt<double>& of, const std::string& name) {
    for (const auto& parameter : of.parameters()) {
      if (parameter.name != name) continue;
      double sum = 0;
      for (const auto w : weights_of(parameter)) sum += w * w;
      return std::sqrt(sum / static_cast<double>(element_count(parameter.shape)));
    }
    return 0.0;
  };
  for (const auto& [name, scale] : {std::pair{"transformer.wte.weight", 1.0},
                                    {"transformer.h.0.attn.c_attn.weight", 0.5},
                                    {"transformer.h.1.mlp.c_proj.weight", 0.5},
                                    {"lm_head.weight", 0.25}}) {
    // 256 draws at least: 3 deviations of an estimate are 3 / sqrt(512).
    EXPECT_NEAR(deviation(model, name) / deviation(base, name), scale, 0.14 * scale) << name;
  }
}

TEST(Gpt, RolesAndSizes) {
  GptOptions options = tiny();
  options.tied = false;
  const Gpt<float> model(options);
  std::int64_t count = 0;
  for (const auto& parameter : model.parameters()) {
    count += element_count(parameter.shape);
    const auto& name = parameter.name;
    const Role expected = name.find(".ln_") != std::string::npos ? Role::norm
                          : name.ends_with(".bias")              ? Role::bias
                          : name == "lm_head.weight"             ? Role::head
                          : name.starts_with("transformer.w")    ? Role::embedding
                                                                 : Role::hidden;
    EXPECT_EQ(parameter.role, expected) << name;
  }
  // C = 8: two layers of 12 C^2 + 13 C, tables of 11 and 70 rows, the head and the last norm.
  EXPECT_EQ(count, 2 * (12 * 64 + 13 * 8) + (11 + 70) * 8 + 11 * 8 + 2 * 8);
  EXPECT_EQ(model.parameter_count(), count);
}

TEST(Gpt, InitializationIsGpt2s) {
  Gpt<float> model({.n_layer = 3, .n_head = 2, .n_embd = 64, .block_size = 32, .vocab_size = 100});
  model.initialize(5);
  for (const auto& parameter : model.parameters()) {
    const auto values = weights_of(parameter);
    if (parameter.shape.size() == 1) {
      const float expected = parameter.name.ends_with(".bias") ? 0.0f : 1.0f;
      for (const float value : values) EXPECT_EQ(value, expected) << parameter.name;
      continue;
    }
    const double deviation =
        parameter.name.ends_with("c_proj.weight") ? 0.02 / std::sqrt(6.0) : 0.02;
    double sum = 0;
    double squares = 0;
    for (const float value : values) {
      sum += static_cast<double>(value);
      squares += static_cast<double>(value) * static_cast<double>(value);
    }
    const auto n = static_cast<double>(values.size());
    // Five standard errors of the mean and of the root mean square.
    EXPECT_NEAR(sum / n, 0, 5 * deviation / std::sqrt(n)) << parameter.name;
    EXPECT_NEAR(std::sqrt(squares / n), deviation, 5 * deviation / std::sqrt(2 * n))
        << parameter.name;
  }
  const auto first = weights_of(model.parameters()[2 + 2]);
  const auto other = weights_of(model.parameters()[2 + 2 + 12]);  // the same tensor, next layer
  EXPECT_NE(first[0], other[0]);
}

TEST(Gpt, InitializationDependsOnTheSeedAlone) {
  Gpt<float> a(tiny()), b(tiny()), c(tiny());
  set_threads(1);
  a.initialize(5);
  set_threads(4);
  b.initialize(5);
  set_threads(0);
  c.initialize(6);
  EXPECT_EQ(a.weights().at("transformer.wte.weight").bytes,
            b.weights().at("transformer.wte.weight").bytes);
  EXPECT_NE(a.weights().at("transformer.wte.weight").bytes,
            c.weights().at("transformer.wte.weight").bytes);
}

TEST(Gpt, FreshLossIsNearTheUniformOne) {
  Gpt<float> model(tiny());
  model.initialize(1);
  const auto tokens = random_tokens(4 * 60, 11, 1);
  const auto targets = random_tokens(4 * 60, 11, 2);
  // Logits of standard deviation about 0.02 sqrt(8).
  EXPECT_NEAR(model.loss(tokens, targets, 4, 60), std::log(11.0), 0.05);
}

TEST(Gpt, BackwardAccumulatesAndScales) {
  Gpt<double> model(tiny());
  fill(model, 1);
  const auto tokens = random_tokens(12, 11, 1);
  const auto targets = random_tokens(12, 11, 2);
  model.loss(tokens, targets, 2, 6);
  model.backward();
  const auto gradient = gradient_of(model.parameters()[4]);
  const std::vector<double> once(gradient.begin(), gradient.end());
  model.loss(tokens, targets, 2, 6);
  model.backward(0.5);
  for (std::size_t i = 0; i < once.size(); ++i) {
    EXPECT_NEAR(gradient[i], 1.5 * once[i], 1e-12 * (1 + std::abs(once[i])));
  }
  model.zero_gradients();
  for (const auto& parameter : model.parameters()) {
    for (const double value : gradient_of(parameter)) EXPECT_EQ(value, 0);
  }
}

// Logits are linear in gain and bias of the final norm, so that <w, d loss / d w> over both is
// known from the logits alone, whoever shares the head, with a base model and without.
TEST(Gpt, TheSlopeAlongTheFinalNormIsKnownBeforeBackward) {
  for (const bool bias : {true, false}) {
    auto options = tiny();
    options.bias = bias;
    for (const auto& base : {std::optional<GptOptions>(), std::optional(base_of_tiny())}) {
      Gpt<double> model(options, base);
      fill(model, 3);
      const auto tokens = random_tokens(2 * 7, 11, 1), targets = random_tokens(2 * 7, 11, 2);
      model.loss(tokens, targets, 2, 7);
      const auto slope = model.output_slope();
      model.backward(0.25);
      EXPECT_EQ(slope.tensors.size(), bias ? 2u : 1u);
      double along = 0;
      for (const auto& parameter : model.parameters()) {
        if (std::find(slope.tensors.begin(), slope.tensors.end(), parameter.name) ==
            slope.tensors.end()) {
          continue;
        }
        for (std::int64_t i = 0; i < element_count(parameter.shape); ++i) {
          along += parameter.weights[i] * parameter.gradient[i];
        }
      }
      EXPECT_GT(std::abs(slope.mean), 1e-3);
      EXPECT_GE(slope.size, std::abs(slope.mean));
      // Sums of about a hundred terms of the size of `size`.
      EXPECT_NEAR(along, 0.25 * slope.mean, 1e-12 * slope.size);
    }
  }
}

TEST(Gpt, BackwardWithoutALossIsRefused) {
  Gpt<double> model(tiny());
  EXPECT_THROW(model.backward(), ShapeError);
  const std::vector<std::int32_t> tokens{1, 2};
  model.loss(tokens, tokens, 1, 2);
  model.backward();
  EXPECT_THROW(model.backward(), ShapeError);
  model.loss(tokens, tokens, 1, 2);
  model.next_token_logits(tokens);
  EXPECT_THROW(model.backward(), ShapeError);
}

// A size large enough that every layer and product is shared among threads.
TEST(Gpt, ThreadsChangeNoBit) {
  const GptOptions options{
      .n_layer = 2, .n_head = 4, .n_embd = 64, .block_size = 128, .vocab_size = 65};
  const auto tokens = random_tokens(8 * 100, 65, 1);
  const auto targets = random_tokens(8 * 100, 65, 2);
  Gpt<float> model(options);
  model.initialize(1);
  test::expect_same_bits([&] {
    model.zero_gradients();
    const double loss = model.loss(tokens, targets, 8, 100);
    model.backward();
    std::vector<float> all{static_cast<float>(loss)};
    for (const auto& parameter : model.parameters()) {
      const auto gradient = gradient_of(parameter);
      all.insert(all.end(), gradient.begin(), gradient.end());
    }
    return Matrix<float>(Eigen::Map<Matrix<float>>(all.data(), 1, static_cast<Index>(all.size())));
  });
}

// The same batch after a larger one: buffers that are too large must not matter.
TEST(Gpt, BuffersOfALargerBatchDoNotMatter) {
  Gpt<float> fresh(tiny()), used(tiny());
  fill(fresh, 1);
  fill(used, 1);
  const auto large = random_tokens(5 * 70, 11, 3);
  used.loss(large, large, 5, 70);
  used.backward();
  used.zero_gradients();
  const auto tokens = random_tokens(10, 11, 1);
  const auto targets = random_tokens(10, 11, 2);
  EXPECT_EQ(fresh.loss(tokens, targets, 2, 5), used.loss(tokens, targets, 2, 5));
  fresh.backward();
  used.backward();
  for (std::size_t i = 0; i < fresh.parameters().size(); ++i) {
    const auto a = gradient_of(fresh.parameters()[i]);
    const auto b = gradient_of(used.parameters()[i]);
    EXPECT_TRUE(std::equal(a.begin(), a.end(), b.begin())) << fresh.parameters()[i].name;
  }
}

TEST(Gpt, NextTokenLogitsAreTheLastRowOfTheLogits) {
  Gpt<double> model(tiny());
  fill(model, 1);
  const auto tokens = random_tokens(9, 11, 1);
  model.loss(tokens, tokens, 1, 9);
  const Matrix<double> logits = model.logits();
  const auto next = model.next_token_logits(tokens);
  ASSERT_EQ(next.size(), 11u);
  for (Index v = 0; v < 11; ++v) {
    EXPECT_NEAR(next[static_cast<std::size_t>(v)], logits(8, v), 1e-12);
  }
  const auto shorter = model.next_token_logits(std::span(tokens).first(1));
  EXPECT_NEAR(shorter[0], logits(0, 0), 1e-12);
}

TEST(Gpt, WeightsGoOutAndIn) {
  Gpt<double> model(tiny()), other(tiny());
  fill(model, 1);
  other.load_weights(model.weights());
  const auto tokens = random_tokens(9, 11, 1);
  EXPECT_EQ(model.loss(tokens, tokens, 1, 9), other.loss(tokens, tokens, 1, 9));
}

TEST(Gpt, ActivationBytesCoverTheStep) {
  const Gpt<float> model(tiny());
  EXPECT_GT(model.activation_bytes(2, 10), 0u);
  EXPECT_EQ(model.activation_bytes(4, 10), 2 * model.activation_bytes(2, 10));
  EXPECT_EQ(model.activation_bytes(2, 20), 2 * model.activation_bytes(2, 10));
}

// ---- Misuse: one line that says what and where ----

void expect_message(const std::function<void()>& action, const std::vector<std::string>& parts) {
  const std::string message = message_of(action);
  EXPECT_EQ(message.find('\n'), std::string::npos);
  for (const auto& part : parts) EXPECT_NE(message.find(part), std::string::npos) << message;
}

TEST(Gpt, RefusesTokensItCannotTake) {
  Gpt<float> model(tiny());
  const std::vector<std::int32_t> fine{1, 2, 3, 4}, bad{1, 2, 11, 4}, negative{-1, 2, 3, 4};
  expect_message([&] { model.loss(bad, fine, 2, 2); }, {"tokens", "[1, 0]", "0 to 10", "11"});
  expect_message([&] { model.loss(fine, negative, 2, 2); }, {"targets", "[0, 0]", "-1"});
  expect_message([&] { model.loss(fine, fine, 2, 3); }, {"tokens", "2 x 3", "4"});
  const auto longer = random_tokens(71, 11, 1);
  expect_message([&] { model.loss(longer, longer, 1, 71); }, {"block_size", "70", "71"});
  expect_message([&] { model.next_token_logits({}); }, {"context"});
}

TEST(Gpt, RefusesWeightsThatDoNotFitAndKeepsItsOwn) {
  Gpt<float> model(tiny());
  fill(model, 1);
  const TensorMap good = model.weights();
  const std::string name = "transformer.h.1.mlp.c_fc.weight";
  const auto load = [&](const TensorMap& tensors) {
    return [&] { model.load_weights(tensors, "w.safetensors"); };
  };

  TensorMap bad = good;
  bad.erase(name);
  expect_message(load(bad), {"w.safetensors", "missing tensor", name});
  bad = good;
  bad.emplace("transformer.h.2.ln_1.weight", good.at("transformer.ln_f.weight"));
  expect_message(load(bad), {"w.safetensors", "transformer.h.2.ln_1.weight"});
  bad = good;
  bad.at(name).shape = {8, 32};
  expect_message(load(bad), {name, "expected [32, 8]", "found [8, 32]"});
  bad = good;
  bad.at(name) = make_tensor<double>({32, 8}, std::vector<double>(256, 1.0));
  expect_message(load(bad), {name, "mixed dtypes", "F32", "F64"});
  bad = good;
  std::vector<float> values(256, 1.0f);
  values[7] = std::numeric_limits<float>::infinity();
  bad.at(name) = make_tensor<float>({32, 8}, values);
  expect_message(load(bad), {name, "not finite", "7"});
  bad = good;
  bad.emplace("lm_head.weight", make_tensor<float>({11, 8}, std::vector<float>(88, 1.0f)));
  expect_message(load(bad), {"lm_head.weight", "tied"});
  EXPECT_EQ(model.weights().at(name).bytes, good.at(name).bytes);
}

TEST(Gpt, AcceptsWhatOldCheckpointsCarry) {
  Gpt<float> model(tiny());
  fill(model, 1);
  TensorMap tensors = model.weights();
  tensors.emplace("lm_head.weight", tensors.at("transformer.wte.weight"));
  tensors.emplace("transformer.h.0.attn.bias",
                  make_tensor<float>({1, 1, 70, 70}, std::vector<float>(4900, 1.0f)));
  EXPECT_EQ(message_of([&] { model.load_weights(tensors); }), "no error");
}

TEST(Gpt, DoubleTakesFloatButNotTheReverse) {
  Gpt<float> narrow(tiny());
  Gpt<double> wide(tiny());
  fill(narrow, 1);
  wide.load_weights(narrow.weights());
  const auto name = "transformer.wte.weight";
  EXPECT_EQ(wide.weights().at(name).to<float>(), narrow.weights().at(name).to<float>());
  expect_message([&] { narrow.load_weights(wide.weights()); }, {name, "F32", "F64"});
}

}  // namespace
}  // namespace muonflow::model

// The largest attention logits that a GPT tells.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "muonflow/core/rng.hpp"
#include "muonflow/model/gpt.hpp"
#include "tests/model/tiny_gpt.hpp"
#include "tests/nn/gradient_check.hpp"

namespace muonflow::model {
namespace {

using test::random_tokens;

const Index kTime = tiny().block_size;
constexpr double kNothing = -std::numeric_limits<double>::infinity();

template <class T>
Parameter<T>& parameter(Gpt<T>& model, const std::string& name) {
  for (auto& candidate : model.parameters()) {
    if (candidate.name == name) return candidate;
  }
  throw std::invalid_argument(name);
}

// Weights of order one.
template <class T>
void fill(Gpt<T>& model) {
  std::uint64_t stream = 0;
  for (auto& p : model.parameters()) {
    Rng rng(3, stream++);
    for (std::int64_t i = 0; i < element_count(p.shape); ++i) {
      p.weights[i] = static_cast<T>(0.5 * rng.normal());
    }
  }
}

template <class T>
ConstMatrixMap<T> matrix(Gpt<T>& model, const std::string& name) {
  const auto& p = parameter(model, name);
  const auto cols = p.shape.size() > 1 ? p.shape[1] : 1;
  return {p.weights, p.shape[0], cols, Eigen::OuterStride<>(cols)};
}

// The largest logit of every head of the first layer, by the definition: embeddings, layer norm,
// projection, and every pair of a token and one before it.
template <class T>
std::vector<double> first_layer(Gpt<T>& model, std::span<const std::int32_t> tokens, Index batch) {
  const auto& options = model.options();
  const Index C = options.n_embd;
  const Index size = C / options.n_head;
  const std::string h = "transformer.h.0.";
  std::vector<double> largest(static_cast<std::size_t>(options.n_head), kNothing);
  const auto get = [&](const std::string& name) {
    return Matrix<double>(matrix(model, name).template cast<double>());
  };
  const auto wte = get("transformer.wte.weight"), wpe = get("transformer.wpe.weight");
  const auto gain = get(h + "ln_1.weight"), shift = get(h + "ln_1.bias");
  const auto W = get(h + "attn.c_attn.weight"), bias = get(h + "attn.c_attn.bias");
  for (Index b = 0; b < batch; ++b) {
    Matrix<double> qkv(kTime, 3 * C);
    for (Index t = 0; t < kTime; ++t) {
      Matrix<double> x = wte.row(tokens[static_cast<std::size_t>(b * kTime + t)]) + wpe.row(t);
      x.array() -= x.mean();
      x /= std::sqrt(x.squaredNorm() / static_cast<double>(C) + 1e-5);
      x = x.cwiseProduct(gain.transpose()) + shift.transpose();
      qkv.row(t) = x * W.transpose() + bias.transpose();
    }
    for (Index head = 0; head < options.n_head; ++head) {
      auto& peak = largest[static_cast<std::size_t>(head)];
      for (Index i = 0; i < kTime; ++i) {
        for (Index j = 0; j <= i; ++j) {
          const double logit =
              qkv.row(i).segment(head * size, size).dot(qkv.row(j).segment(C + head * size, size));
          peak = std::max(peak, logit / std::sqrt(static_cast<double>(size)));
        }
      }
    }
  }
  return largest;
}

template <class T>
struct Watched {
  Gpt<T> model{tiny()};
  std::vector<AttentionHeads> layers;
  Watched() {
    fill(model);
    layers = model.watch_attention();
    model.zero_gradients();
  }
  std::vector<std::int32_t> tokens(Index batch, std::uint64_t seed) {
    return random_tokens(batch * kTime, 11, seed);
  }
  void add(std::span<const std::int32_t> tokens) {
    const auto batch = static_cast<Index>(tokens.size()) / kTime;
    model.loss(tokens, tokens, batch, kTime);
    model.backward();
  }
  std::vector<double> logits() const {
    std::vector<double> all;
    for (const auto& layer : layers) {
      all.insert(all.end(), layer.max_logits.begin(), layer.max_logits.end());
    }
    return all;
  }
};

TEST(GptAttention, NamesItsLayers) {
  const Watched<float> watched;
  ASSERT_EQ(watched.layers.size(), 2u);
  const auto& layer = watched.layers[1];
  EXPECT_EQ(layer.tensors, (std::vector<std::string>{"transformer.h.1.attn.c_attn.weight",
                                                     "transformer.h.1.attn.c_attn.bias"}));
  EXPECT_EQ(layer.heads, 2);
  EXPECT_EQ(layer.head_size, 4);
  auto plain = tiny();
  plain.bias = false;
  EXPECT_EQ(Gpt<float>(plain).watch_attention()[0].tensors.size(), 1u);
}

template <class T>
void expect_the_definition() {
  Watched<T> watched;
  const auto tokens = watched.tokens(3, 1);
  watched.add(tokens);
  const auto expected = first_layer(watched.model, tokens, 3);
  for (std::size_t h = 0; h < expected.size(); ++h) {
    // Some twenty roundings on the way, of numbers up to the logit's size.
    EXPECT_NEAR(watched.logits()[h], expected[h],
                20 * std::numeric_limits<T>::epsilon() * std::max(1.0, std::abs(expected[h])));
  }
}

TEST(GptAttention, MaximaAreThoseOfTheDefinition) {
  expect_the_definition<double>();
  expect_the_definition<float>();
}

// Queries of the second layer four times as large: so are its logits, and those of no other.
TEST(GptAttention, EveryLayerHasItsOwn) {
  Watched<double> watched;
  const auto tokens = watched.tokens(2, 1);
  watched.add(tokens);
  const auto before = watched.logits();
  for (const auto& name : watched.layers[1].tensors) {
    auto& p = parameter(watched.model, name);
    const auto cols = p.shape.size() > 1 ? p.shape[1] : 1;
    for (std::int64_t i = 0; i < 8 * cols; ++i) p.weights[i] *= 4;
  }
  watched.model.zero_gradients();
  watched.add(tokens);
  const auto after = watched.logits();
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(after[i], (i < 2 ? 1 : 4) * before[i]) << i;
}

TEST(GptAttention, AllBatchesOfAStepCountAndNoEvaluation) {
  Watched<float> watched;
  EXPECT_EQ(watched.logits(), std::vector<double>(4, kNothing));
  const auto one = watched.tokens(2, 1), two = watched.tokens(1, 2), other = watched.tokens(3, 3);
  const auto alone = [&](std::span<const std::int32_t> tokens) {
    watched.model.zero_gradients();
    watched.add(tokens);
    return watched.logits();
  };
  const auto of_one = alone(one), of_two = alone(two), of_other = alone(other);
  watched.model.zero_gradients();
  watched.add(one);
  watched.model.loss(other, other, 3, kTime);  // as an evaluation
  watched.model.next_token_logits(two);
  watched.add(two);
  const auto both = watched.logits();
  bool evaluation_is_larger = false;
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(both[i], std::max(of_one[i], of_two[i]));
    evaluation_is_larger = evaluation_is_larger || of_other[i] > both[i];
  }
  EXPECT_TRUE(evaluation_is_larger);  // or this test would show nothing
  watched.model.zero_gradients();
  EXPECT_EQ(watched.logits(), std::vector<double>(4, kNothing));
}

TEST(GptAttention, ToWatchChangesNoBit) {
  Watched<float> watched;
  Gpt<float> plain(tiny());
  fill(plain);
  const auto tokens = watched.tokens(2, 1);
  watched.add(tokens);
  plain.zero_gradients();
  plain.loss(tokens, tokens, 2, kTime);
  plain.backward();
  for (std::size_t i = 0; i < plain.parameters().size(); ++i) {
    const auto& p = plain.parameters()[i];
    EXPECT_TRUE(std::equal(p.gradient, p.gradient + element_count(p.shape),
                           watched.model.parameters()[i].gradient))
        << p.name;
  }
}

TEST(GptAttention, ThreadsChangeNoBit) {
  test::expect_same_bits([] {
    Watched<float> watched;
    watched.add(watched.tokens(3, 1));
    const auto logits = watched.logits();
    Matrix<float> all(1, 4);
    for (Index i = 0; i < 4; ++i)
      all(0, i) = static_cast<float>(logits[static_cast<std::size_t>(i)]);
    return all;
  });
}

}  // namespace
}  // namespace muonflow::model

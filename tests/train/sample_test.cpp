#include "muonflow/train/sample.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <set>
#include <string>

#include "muonflow/core/error.hpp"

namespace muonflow::train {
namespace {

model::Gpt<float> small_model(std::int64_t vocabulary = 256) {
  model::Gpt<float> gpt(
      {.n_layer = 1, .n_head = 2, .n_embd = 16, .block_size = 8, .vocab_size = vocabulary});
  gpt.initialize(3);
  // Larger weights than at the start of training, so that the logits differ.
  for (auto& parameter : gpt.parameters()) {
    for (std::int64_t i = 0; i < element_count(parameter.shape); ++i) parameter.weights[i] *= 20;
  }
  return gpt;
}

TEST(Sample, SameSeedSameTextAndItsLength) {
  auto gpt = small_model();
  const SampleOptions options{.length = 40, .prompt = "abc", .temperature = 1.0};
  const auto text = sample(gpt, options, 1);
  EXPECT_EQ(text.size(), 40u);  // longer than the block: old bytes are dropped
  EXPECT_EQ(text, sample(gpt, options, 1));
  EXPECT_NE(text, sample(gpt, options, 2));
  auto own_seed = options;
  own_seed.seed = 1;
  EXPECT_EQ(text, sample(gpt, own_seed, 2));
}

TEST(Sample, TemperatureZeroIsTheLikeliestByteWhateverTheSeed) {
  auto gpt = small_model();
  SampleOptions options{.length = 10, .prompt = "q", .temperature = 0};
  const auto greedy = sample(gpt, options, 1);
  EXPECT_EQ(greedy, sample(gpt, options, 99));
  options.temperature = 1;
  options.top_k = 1;
  EXPECT_EQ(greedy, sample(gpt, options, 1));
}

TEST(Sample, StaysInsideASmallVocabulary) {
  auto gpt = small_model(5);
  const SampleOptions options{.length = 60, .prompt = std::string(1, '\x02'), .temperature = 5};
  const auto text = sample(gpt, options, 1);
  std::set<int> seen;
  for (const char c : text) seen.insert(static_cast<unsigned char>(c));
  EXPECT_LT(*seen.rbegin(), 5);
  EXPECT_GT(seen.size(), 1u);
}

TEST(Sample, RefusesPromptsOutsideTheVocabularyAndBrokenModels) {
  auto gpt = small_model(64);
  SampleOptions options;
  options.prompt = "z";
  EXPECT_THROW(sample(gpt, options, 1), ConfigError);
  options.prompt = "";
  EXPECT_THROW(sample(gpt, options, 1), ConfigError);
  gpt.parameters()[0].weights[0] = std::numeric_limits<float>::quiet_NaN();
  options.prompt = std::string(1, '\0');
  EXPECT_THROW(sample(gpt, options, 1), DataError);
}

TEST(Sample, PrintableKeepsTextAndReplacesTheRest) {
  const std::string mark = "\xef\xbf\xbd";
  EXPECT_EQ(printable("plain\ttext\n"), "plain\ttext\n");
  EXPECT_EQ(printable("na\xc3\xafve \xe2\x82\xac \xf0\x9f\x99\x82"),
            "na\xc3\xafve \xe2\x82\xac \xf0\x9f\x99\x82");
  EXPECT_EQ(printable(std::string_view("a\0b", 3)), "a" + mark + "b");
  EXPECT_EQ(printable("\x1b[31m"), mark + "[31m");
  EXPECT_EQ(printable("\xff"), mark);
  EXPECT_EQ(printable("\xc3"), mark);                        // cut short
  EXPECT_EQ(printable("\xc0\xaf"), mark + mark);             // overlong
  EXPECT_EQ(printable("\xed\xa0\x80"), mark + mark + mark);  // a surrogate
  EXPECT_EQ(printable(""), "");
}

}  // namespace
}  // namespace muonflow::train

#include "muonflow/train/sample.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>
#include <vector>

#include "muonflow/core/error.hpp"
#include "muonflow/core/rng.hpp"

namespace muonflow::train {
namespace {

// Far from the streams of weights (one a parameter) and of data.
constexpr std::uint64_t kSampleStream = 0x53414d504c45;

// Index drawn from softmax(logits / temperature) restricted to the `top_k` largest.
template <class T>
std::int32_t draw(std::span<const T> logits, double temperature, std::size_t top_k, Rng& rng) {
  std::vector<std::int32_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) {
    return logits[static_cast<std::size_t>(a)] > logits[static_cast<std::size_t>(b)];
  });
  if (temperature == 0.0) return order.front();
  order.resize(std::min(top_k, order.size()));
  const auto logit = [&](std::int32_t token) {
    return static_cast<double>(logits[static_cast<std::size_t>(token)]);
  };
  std::vector<double> cumulative;
  double sum = 0;
  for (const auto token : order) {
    sum += std::exp((logit(token) - logit(order.front())) / temperature);
    cumulative.push_back(sum);
  }
  const double at = rng.uniform() * sum;
  const auto found = std::upper_bound(cumulative.begin(), cumulative.end() - 1, at);
  return order[static_cast<std::size_t>(found - cumulative.begin())];
}

// Length of the UTF-8 sequence at the start of `bytes`, 0 where there is none.
std::size_t utf8_length(std::string_view bytes) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
  const unsigned char lead = at(0);
  if (lead < 0x80) return 1;
  const std::size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || bytes.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((at(i) & 0xc0) != 0x80) return 0;
  }
  // Overlong forms, surrogates and code points past U+10FFFF show in the second byte.
  const unsigned char second = at(1);
  if ((lead == 0xe0 && second < 0xa0) || (lead == 0xed && second >= 0xa0)) return 0;
  if ((lead == 0xf0 && second < 0x90) || (lead == 0xf4 && second >= 0x90)) return 0;
  return length;
}

}  // namespace

template <class T>
std::string sample(model::Gpt<T>& model, const SampleOptions& options, std::uint64_t seed) {
  std::vector<std::int32_t> context;
  for (const char c : options.prompt) context.push_back(static_cast<unsigned char>(c));
  const auto vocabulary = model.options().vocab_size;
  if (context.empty() || *std::max_element(context.begin(), context.end()) >= vocabulary) {
    throw ConfigError({.place = "sample.prompt",
                       .expected = "at least one byte, all below the vocabulary of " +
                                   std::to_string(vocabulary)});
  }
  Rng rng(static_cast<std::uint64_t>(options.seed.value_or(static_cast<std::int64_t>(seed))),
          kSampleStream);
  const auto window = static_cast<std::size_t>(model.options().block_size);
  const auto bytes = static_cast<std::size_t>(std::min<std::int64_t>(vocabulary, 256));
  const auto top_k =
      static_cast<std::size_t>(options.top_k.value_or(static_cast<std::int64_t>(bytes)));
  std::string text;
  while (static_cast<std::int64_t>(text.size()) < options.length) {
    const auto begin = context.size() > window ? context.size() - window : 0;
    const auto logits =
        model.next_token_logits(std::span<const std::int32_t>(context).subspan(begin)).first(bytes);
    for (const T logit : logits) {
      if (!std::isfinite(logit)) {
        throw DataError({.place = "sample", .what = "the model's logits are not finite"});
      }
    }
    const auto token = draw(logits, options.temperature, top_k, rng);
    context.push_back(token);
    text += static_cast<char>(static_cast<unsigned char>(token));
  }
  return text;
}

std::string printable(std::string_view bytes) {
  std::string text;
  while (!bytes.empty()) {
    const auto length = utf8_length(bytes);
    const auto first = static_cast<unsigned char>(bytes[0]);
    const bool control =
        length == 1 && (first < 0x20 || first == 0x7f) && first != '\n' && first != '\t';
    text += length == 0 || control ? "\xef\xbf\xbd" : std::string(bytes.substr(0, length));
    bytes.remove_prefix(std::max<std::size_t>(1, length));
  }
  return text;
}

template std::string sample(model::Gpt<float>&, const SampleOptions&, std::uint64_t);
template std::string sample(model::Gpt<double>&, const SampleOptions&, std::uint64_t);

}  // namespace muonflow::train

// The memory of the state is what the catalogue of the rules implies, and what is reported.
#include <map>

#include "tests/laws/law_support.hpp"

namespace muonflow::optim::laws {
namespace {

// Numbers that the state of one matrix [m, n] holds with default options.
struct StateSize {
  Index like_weights = 0;                  // tensors of the weights' shape
  Index rows = 0, cols = 0;                // vectors of a number a row, a column
  Index row_squares = 0, col_squares = 0;  // [m, m], [n, n]
  Index short_squares = 0;                 // [r, r], r = min(m, n)
  Index quarter_columns = 0;               // [n, ceil(r / 4)]

  Index operator()(Index m, Index n) const {
    const Index r = std::min(m, n);
    return like_weights * m * n + rows * m + cols * n + row_squares * m * m + col_squares * n * n +
           short_squares * r * r + quarter_columns * n * ((r + 3) / 4);
  }
};

const std::map<std::string, StateSize> kCatalogue{
    {"sgd", {}},  // without momentum
    {"normalized_sgd", {.like_weights = 1}},
    {"signum", {.like_weights = 1}},
    {"lion", {.like_weights = 1}},
    {"adamw", {.like_weights = 2}},
    {"muon", {.like_weights = 1}},
    {"regularized_muon", {.like_weights = 1}},
    {"normuon", {.like_weights = 1, .rows = 1}},
    {"adamuon", {.like_weights = 2}},
    {"dion", {.like_weights = 1, .quarter_columns = 1}},
    {"scion", {.like_weights = 1}},
    {"polargrad", {.like_weights = 1}},
    {"shampoo", {.like_weights = 2, .row_squares = 1, .col_squares = 1}},
    {"soap", {.like_weights = 2, .row_squares = 2, .col_squares = 2}},
    {"asgo", {.like_weights = 1, .short_squares = 1}},
    {"dasgo", {.like_weights = 1, .cols = 1}},
    {"freon", {.like_weights = 1}},
    {"kaon", {.like_weights = 1}},
    {"pion", {.row_squares = 2, .col_squares = 2}},
    {"ef_muon", {.like_weights = 2}},
};

class StateBytesLaw : public RuleLaw {};

template <class T>
void expect_bytes(const RuleEntry& entry) {
  for (const auto& [m, n] : {std::pair<Index, Index>{12, 20}, {33, 8}, {150, 160}}) {
    Tensors<T> tensors;
    tensors.add("a", {m, n});
    tensors.add("b", {3, m, n});
    const Optimizer<T> optimizer(tensors.parameters(), only(entry), kSeed);
    std::size_t kept = 0;  // in a file; the counts of steps are no state of a rule
    for (const auto& [name, tensor] : optimizer.state()) {
      const bool counts = name == "steps" || name.ends_with("/step") || name.starts_with("rule/");
      if (!counts) kept += static_cast<std::size_t>(tensor.count()) * sizeof(T);
    }
    EXPECT_EQ(optimizer.state_bytes(), kept) << entry.name;
    const auto known = kCatalogue.find(entry.name);
    if (known == kCatalogue.end()) continue;
    const auto numbers = static_cast<std::size_t>(4 * known->second(m, n));
    EXPECT_EQ(optimizer.state_bytes(), numbers * sizeof(T)) << entry.name << " " << m << " " << n;
  }
}

TEST_P(StateBytesLaw, AreThoseOfTheCatalogue) {
  expect_bytes<float>(entry());
  expect_bytes<double>(entry());
}

MUONFLOW_EVERY_RULE(StateBytesLaw);

TEST(StateBytes, EveryRuleOfTheCatalogueIsThere) {
  for (const auto& [name, size] : kCatalogue) EXPECT_NO_THROW((void)find_rule(name)) << name;
}

}  // namespace
}  // namespace muonflow::optim::laws

#include "muonflow/optim/rule.hpp"

#include "tests/optim/fixtures.hpp"
#include "tests/optim/toy_rules.hpp"

namespace muonflow::optim {
namespace {

static_assert(Rule<toys::ToyDelta> && Rule<toys::ToyWeights> && Rule<toys::ToySketch>);
struct NotARule {
  static constexpr RuleInfo info{.name = "nothing"};
};
static_assert(!Rule<NotARule>);

TEST(Traits, AreASet) {
  constexpr Trait some = Trait::elementwise | Trait::random;
  EXPECT_TRUE(has(some, Trait::elementwise));
  EXPECT_TRUE(has(some, Trait::random));
  EXPECT_FALSE(has(some, Trait::scale_invariant));
  EXPECT_FALSE(has(Trait::none, Trait::elementwise));
}

TEST(Enums, HaveTheNamesOfTheEcosystem) {
  EXPECT_EQ(enum_name(Scale::match_rms_adamw), "match_rms_adamw");
  EXPECT_EQ(enum_name(Scale::spectral), "spectral");
  EXPECT_EQ(enum_name(Decay::independent), "independent");
  EXPECT_EQ(enum_name(Decay::coupled), "coupled");
}

TEST(StepResult, TakesAnOutcome) {
  const StepResult result = Outcome{Status::not_converged};
  EXPECT_EQ(result.outcome.status, Status::not_converged);
  EXPECT_FALSE(result.skip);
  EXPECT_TRUE(StepResult{}.outcome.ok());
}

// A visitor that writes down what it sees.
class Names final : public StateVisitor<double> {
 public:
  using StateVisitor::StateVisitor;
  std::vector<std::string> seen;

 private:
  void visit(std::string_view name, Matrix<double>&, Index rows, Index cols,
             bool like_weights) override {
    seen.push_back(std::string(name) + " " + std::to_string(rows) + "x" + std::to_string(cols) +
                   (like_weights ? " like weights" : ""));
  }
};

TEST(StateVisitor, LearnsNamesAndShapes) {
  Names names(3, 5);
  toys::ToySketch::State<double> state;
  state.fields(names, {.rank = 4});
  EXPECT_EQ(names.seen, (std::vector<std::string>{"Q 5x4", "momentum_buffer 3x5 like weights"}));
}

}  // namespace
}  // namespace muonflow::optim

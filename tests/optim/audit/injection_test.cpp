// Steps that are wrong on purpose, each caught and named.
#include <gtest/gtest.h>

#include "tests/optim/audit/audited_run.hpp"
#include "tests/optim/audit/wrong_rules.hpp"

namespace muonflow::optim {
namespace {

using namespace wrong;

const EnrolledWrong<Muon, ClippedAfter> clipped_after;
const EnrolledWrong<Muon, SkippedPolar> skipped_polar;
const EnrolledWrong<Muon, AliasedMomentum> aliased_momentum;
const EnrolledWrong<Muon, MomentumIsGradient> momentum_is_gradient;
const EnrolledWrong<Muon, FrozenMomentum> frozen_momentum;
const EnrolledWrong<Muon, SeenTwice> seen_twice;
const EnrolledWrong<Muon, Flipped> flipped;
const EnrolledWrong<Muon, RateTwice> rate_twice;
const EnrolledWrong<Muon, TransposedScale> transposed_scale;
const EnrolledWrong<Muon, Transposed> transposed;
const EnrolledWrong<Muon, SomeRows> some_rows;
const EnrolledWrong<AdamW, OneEntry> one_entry;
const EnrolledWrong<Muon, Truncated> truncated;
const EnrolledWrong<Muon, OneStepLess> one_step_less;
const EnrolledWrong<Muon, WrongOrder> wrong_order;
const EnrolledWrong<Muon, ReversedSteps> reversed_steps;
const EnrolledWrong<Muon, NoNesterov> no_nesterov;
const EnrolledWrong<Muon, SumForAverage> sum_for_average;
const EnrolledWrong<Muon, StaleGradient> stale_gradient;
const EnrolledWrong<AdamW, NoBiasCorrection> no_bias_correction;
const EnrolledWrong<AdamW, EpsUnderRoot> eps_under_root;
const EnrolledWrong<AdamW, StepOfBefore> step_of_before;
const EnrolledWrong<Soap, UnrotatedMoment> unrotated_moment;
const EnrolledWrong<Soap, TransposedBasis> transposed_basis;
const EnrolledWrong<Soap, FrozenStatistic> frozen_statistic;
const EnrolledWrong<EfMuon, ErrorForgotten> error_forgotten;
const EnrolledWrong<Pion, Stretched> stretched;
const EnrolledWrong<Dion, LowerRank> lower_rank;

struct Injection {
  std::string rule;
  std::string quantity;  // that is named
  std::string note;      // part of what it is said to look like
  std::string options = "{}";
  int first = 3;  // from the fourth step on all that a step is made of has a past
};

const std::vector<Injection> kInjections{
    {"wrong_clipped_after", "scale", "shrunk after the rule"},
    {"wrong_skipped_polar", "polar error", "not orthogonalized"},
    {"wrong_aliased_momentum", "state momentum_buffer", "worked on in place"},
    {"wrong_momentum_is_gradient", "state momentum_buffer", "the gradient itself"},
    {"wrong_frozen_momentum", "state momentum_buffer", "did not move"},
    {"wrong_seen_twice", "state momentum_buffer", "saw the gradient twice"},
    {"wrong_flipped", "scale", "the sign is flipped"},
    {"wrong_rate_twice", "scale", "the learning rate entered twice"},
    {"wrong_transposed_scale", "scale", "of the transposed matrix"},
    {"wrong_some_rows", "polar error", "rows did not move"},
    {"wrong_one_entry", "direction", ""},
    {"wrong_truncated", "polar error", ""},
    {"wrong_one_step_less", "polar error", "as if ns_steps were 4"},
    {"wrong_order", "polar error", "coefficients were in another order", R"({"ns_steps": 2})"},
    {"wrong_reversed_steps", "polar error", "in the reverse order", R"({"polar": "you"})"},
    {"wrong_no_nesterov", "polar error", "without nesterov"},
    {"wrong_sum_for_average", "state momentum_buffer", "a sum, not an average"},
    {"wrong_stale_gradient", "state momentum_buffer", "not made of this gradient"},
    {"wrong_no_bias_correction", "scale", "without bias correction"},
    {"wrong_eps_under_root", "direction", "eps were under the root"},
    {"wrong_step_of_before", "scale", ""},
    {"wrong_unrotated_moment", "state exp_avg", ""},
    {"wrong_transposed_basis", "QL", "diagonalizes", "{}", 0},
    {"wrong_frozen_statistic", "state L", "did not move"},
    {"wrong_error_forgotten", "state error", ""},
    {"wrong_stretched", "", ""},
    {"wrong_lower_rank", "direction", ""},
};

class Injected : public testing::TestWithParam<Injection> {};

template <class T>
void expect_caught(const Injection& injection, const Shape& shape) {
  auto routing = only(injection.rule, 0.01, injection.options);
  routing.hidden.weight_decay = 0.1;
  AuditedRunOf<T> run({{shape, Role::hidden}}, routing);
  if (injection.rule == "wrong_eps_under_root") run.size = 1e-3;

  const auto failure = run.run(
      30, [](int step) { return 1.0 / (1 + 0.1 * step); }, injection.first);
  EXPECT_MENTIONS(failure, "w0: " + injection.quantity);
  EXPECT_MENTIONS(failure, injection.note);
}

TEST_P(Injected, IsCaughtAndNamed) {
  expect_caught<double>(GetParam(), {10, 6});
  expect_caught<float>(GetParam(), {10, 6});
}

INSTANTIATE_TEST_SUITE_P(Rules, Injected, testing::ValuesIn(kInjections),
                         [](const auto& one) { return one.param.rule; });

TEST(Injected, ASquareMatrixReadByColumns) {
  expect_caught<double>({"wrong_transposed", "polar error", "transposed"}, {8, 8});
  expect_caught<float>({"wrong_transposed", "polar error", "transposed"}, {8, 8});
}

}  // namespace
}  // namespace muonflow::optim

// Training runs under the audit: right steps go on, a wrong one is taken back and ends the run.
#include <gtest/gtest.h>

#include "muonflow/core/error.hpp"
#include "muonflow/optim/audit/auditor.hpp"
#include "muonflow/optim/enrolled.hpp"
#include "muonflow/optim/rules/sgd.hpp"
#include "muonflow/train/trainer.hpp"
#include "tests/train/small.hpp"

namespace muonflow::train {
namespace {

// SGD that from its third step on forgets the learning rate's sign.
struct Turncoat {
  static constexpr optim::RuleInfo info{.name = "turncoat",
                                        .takes = optim::Takes::tensors,
                                        .traits = optim::Trait::elementwise,
                                        .claims = optim::Sgd::info.claims};
  using Options = optim::Sgd::Options;
  Options options;
  template <class T>
  using State = optim::Sgd::State<T>;
  template <class T>
  optim::StepResult step(const optim::StepContext<T>& at, State<T>&, MatrixRef<T> D) const {
    D = at.t < 2 ? T(1) * at.G : T(-1) * at.G;
    return {};
  }
};
const optim::Enrolled<Turncoat> enrolled;

struct Listener final : Observer {
  std::vector<std::int64_t> audited;
  std::vector<std::string> warnings;
  std::vector<TroubleRecord> troubles;
  void on_audit(const AuditRecord& record) override {
    audited.push_back(record.step);
    EXPECT_GT(record.report->judged(), 0);
    EXPECT_GT(record.totals->checks, 0);
  }
  void on_warning(std::int64_t, std::string_view, std::string_view text) override {
    warnings.emplace_back(text);
  }
  void on_trouble(const TroubleRecord& record) override { troubles.push_back(record); }
};

const TrainOptions kTrain{.steps = 8, .batch_size = 2, .accumulation = 3, .eval_every = 0};
const optim::AuditOptions kAudit{.every = 2, .tensors = 100, .max_share = std::nullopt};

template <class T>
struct Audited {
  Small<T> small;
  optim::Auditor<T> auditor;
  Listener listener;
  Audited(const optim::RoutingOptions& routing, const optim::Schedule& schedule,
          optim::OnFailure on_failure)
      : small(kTrain, routing, schedule),
        auditor(kAudit, {.micro_batches = 3, .schedule = schedule, .steps = kTrain.steps}) {
    small.trainer.watch(auditor, on_failure);
  }
  Ending run() {
    Observer* const observers[] = {&listener};
    return small.trainer.run(observers);
  }
};

TEST(TrainerAudit, RightStepsGoOnAndKeepTheirBits) {
  const optim::Schedule schedule{.kind = optim::ScheduleKind::cosine, .warmup = 2};
  Audited<float> audited(small_routing(), schedule, optim::OnFailure::stop);
  EXPECT_EQ(audited.run(), Ending::finished);
  EXPECT_EQ(audited.listener.audited, (std::vector<std::int64_t>{1, 2, 3, 5, 7}));
  EXPECT_EQ(audited.auditor.totals().failed, 0);
  Small<float> alone(kTrain, small_routing(), schedule);
  EXPECT_EQ(alone.trainer.run(), Ending::finished);
  EXPECT_TRUE(same(audited.small.trainer.checkpoint().weights, alone.trainer.checkpoint().weights));
}

TEST(TrainerAudit, AWrongStepIsTakenBackAndEndsTheRun) {
  auto routing = small_routing("turncoat");
  Audited<double> audited(routing, {}, optim::OnFailure::stop);
  EXPECT_EQ(audited.run(), Ending::audit);
  EXPECT_EQ(audited.small.trainer.step(), 2);  // the third step is undone
  EXPECT_TRUE(audited.small.trainer.intact());
  ASSERT_EQ(audited.listener.troubles.size(), 1u);
  EXPECT_EQ(audited.listener.troubles[0].step, 3);
  EXPECT_NE(audited.listener.troubles[0].text.find("the sign is flipped"), std::string::npos)
      << audited.listener.troubles[0].text;
  // What is left is what two steps alone leave.
  auto two = kTrain;
  two.steps = 2;
  Small<double> alone(two, routing);
  EXPECT_EQ(alone.trainer.run(), Ending::finished);
  const auto left = audited.small.trainer.checkpoint(), expected = alone.trainer.checkpoint();
  EXPECT_TRUE(same(left.weights, expected.weights));
  EXPECT_TRUE(same(left.optimizer, expected.optimizer));
  EXPECT_EQ(left.loop.data, expected.loop.data);
}

// The size of each micro-batch's gradient is known from its loss.
TEST(TrainerAudit, GradientsAreTheMeanOfTheMicroBatches) {
  Small<double> small(kTrain, small_routing(), {});
  optim::Auditor<double> auditor(kAudit, {.micro_batches = 6, .steps = kTrain.steps});
  small.trainer.watch(auditor, optim::OnFailure::stop);
  EXPECT_EQ(small.trainer.run(), Ending::audit);
  ASSERT_TRUE(small.trainer.trouble().has_value());
  EXPECT_NE(small.trainer.trouble()->text.find("what a micro-batch adds to the gradient"),
            std::string::npos)
      << small.trainer.trouble()->text;
}

TEST(TrainerAudit, OrIsSaidAndGoesOn) {
  Audited<double> audited(small_routing("turncoat"), {}, optim::OnFailure::warn);
  EXPECT_EQ(audited.run(), Ending::finished);
  ASSERT_EQ(audited.listener.warnings.size(), 3u);  // steps 3, 5 and 7
  EXPECT_EQ(audited.listener.warnings[0].rfind("audit: ", 0), 0u);
}

}  // namespace
}  // namespace muonflow::train

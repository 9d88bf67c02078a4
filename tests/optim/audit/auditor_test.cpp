#include "muonflow/optim/audit/auditor.hpp"

#include <gtest/gtest.h>

#include <set>

#include "muonflow/optim/transforms/accumulation.hpp"
#include "tests/optim/audit/audited_run.hpp"

namespace muonflow::optim {
namespace {

std::vector<std::pair<Shape, Role>> several() {
  return {{{6, 4}, Role::hidden}, {{4, 6}, Role::hidden}, {{5}, Role::bias},
          {{7, 4}, Role::head},   {{4}, Role::norm},      {{4, 4}, Role::hidden}};
}

RoutingOptions mixed() {
  RoutingOptions routing;
  routing.preset = "muon+adamw";
  routing.hidden.weight_decay = 0.1;
  return routing;
}

TEST(Auditor, LooksAtTheFirstTwoStepsAndEveryKth) {
  AuditedRunOf<double> run(several(), mixed());
  AuditOptions options = every_step();
  options.every = 5;
  Auditor<double> auditor(options);
  run.optimizer->observe(&auditor);
  std::vector<std::int64_t> audited;
  for (int step = 0; step < 17; ++step) {
    run.fill_gradients(step);
    EXPECT_TRUE(run.optimizer->step().outcome.ok());
    if (auditor.fresh()) audited.push_back(auditor.audited_step());
    EXPECT_EQ(auditor.failure(), nullptr);
  }
  EXPECT_EQ(audited, (std::vector<std::int64_t>{0, 1, 5, 10, 15}));
  EXPECT_EQ(auditor.totals().audits, 5);
  EXPECT_EQ(auditor.totals().failed, 0);
  EXPECT_MENTIONS(auditor.totals().to_text(), "5 audits, ");
}

TEST(Auditor, EveryTensorHasItsTurnAndTheFirstMeetEveryRule) {
  AuditedRunOf<double> run(several(), mixed());
  AuditOptions options = every_step();
  options.tensors = 2;
  Auditor<double> auditor(options);
  run.optimizer->observe(&auditor);
  std::set<std::string> seen;
  for (int step = 0; step < 3; ++step) {
    run.fill_gradients(step);
    EXPECT_TRUE(run.optimizer->step().outcome.ok());
    std::set<std::string> rules;
    for (const auto& check : auditor.report().checks) {
      if (check.quantity != "direction") continue;
      seen.insert(check.tensor);
      rules.insert(check.rule);
    }
    if (step == 0) {
      EXPECT_EQ(rules, (std::set<std::string>{"adamw", "muon"}));
    }
  }
  EXPECT_EQ(seen.size(), 6u);
}

TEST(Auditor, ChangesNoBit) {
  AuditedRunOf<float> watched(several(), mixed()), alone(several(), mixed());
  EXPECT_EQ(watched.run(20), "");
  for (int step = 0; step < 20; ++step) {
    alone.fill_gradients(step);
    EXPECT_TRUE(alone.optimizer->step().outcome.ok());
  }
  for (std::size_t i = 0; i < watched.owned.size(); ++i) {
    EXPECT_EQ(watched.owned[i]->weights, alone.owned[i]->weights);
  }
}

TEST(Auditor, WhatHappensBetweenTwoStepsIsSeenAtTheSecond) {
  AuditedRunOf<double> run(several(), mixed());
  AuditOptions options = every_step();
  options.every = 100;
  Auditor<double> auditor(options);
  run.optimizer->observe(&auditor);
  for (int step = 0; step < 2; ++step) {
    run.fill_gradients(step);
    EXPECT_TRUE(run.optimizer->step().outcome.ok());
    EXPECT_EQ(auditor.failure(), nullptr);
  }
  for (auto& w : run.owned[0]->weights) w *= 0.99;  // decays a second time, by hand
  EXPECT_TRUE(run.optimizer->step().outcome.ok());
  ASSERT_NE(auditor.failure(), nullptr);
  EXPECT_MENTIONS(auditor.failure()->to_line(), "w0: weights and state between two steps");
}

TEST(Auditor, CalledByHandSeesWhatIsDoneAroundTheStep) {
  AuditedRunOf<double> run(several(), mixed());
  Auditor<double> auditor(every_step());
  run.fill_gradients(0);
  auditor.before_step(*run.optimizer, 1);
  const auto report = run.optimizer->step();
  std::swap(run.owned[0]->weights, run.owned[0]->weights);
  run.owned[5]->weights[0] += 0.1;
  auditor.after_step(*run.optimizer, report);
  ASSERT_NE(auditor.failure(), nullptr);
  EXPECT_EQ(auditor.failure()->tensor, "w5");
}

TEST(Auditor, AnUpdateOfTheWrongTensor) {
  AuditedRunOf<double> run({{{6, 4}, Role::hidden}, {{6, 4}, Role::hidden}}, mixed());
  Auditor<double> auditor(every_step());
  run.fill_gradients(0);
  const auto first = run.owned[0]->weights, second = run.owned[1]->weights;
  auditor.before_step(*run.optimizer, 1);
  const auto report = run.optimizer->step();
  for (std::size_t i = 0; i < first.size(); ++i) {  // each gets the other's change
    const double one = run.owned[0]->weights[i] - first[i];
    const double two = run.owned[1]->weights[i] - second[i];
    run.owned[0]->weights[i] = first[i] + two;
    run.owned[1]->weights[i] = second[i] + one;
  }
  auditor.after_step(*run.optimizer, report);
  ASSERT_NE(auditor.failure(), nullptr);
  EXPECT_EQ(auditor.failure()->tensor, "w0");
  EXPECT_GT(auditor.report().failed(), 4);
}

// Vectors are looked at in every audit, and of the others the largest and the smallest first.
TEST(Auditor, SmallTensorsAreAlwaysLookedAt) {
  AuditedRunOf<double> run({{{9, 9}, Role::hidden},
                            {{4, 4}, Role::hidden},
                            {{6, 6}, Role::hidden},
                            {{20, 9}, Role::hidden},
                            {{4}, Role::norm},
                            {{7}, Role::bias}},
                           mixed());
  AuditOptions options = every_step();
  options.tensors = 2;
  Auditor<double> auditor(options);
  run.optimizer->observe(&auditor);
  run.fill_gradients(0);
  EXPECT_TRUE(run.optimizer->step().outcome.ok());
  std::set<std::string> seen;
  for (const auto& check : auditor.report().checks) {
    if (check.quantity == "direction") seen.insert(check.tensor);
  }
  EXPECT_EQ(seen, (std::set<std::string>{"w1", "w3", "w4", "w5"}));
}

// Until every tensor has been met, time that is free is used for more of them.
TEST(Auditor, FreeSecondsMeetEveryTensorSoon) {
  for (const double seconds : {0.0, 100.0}) {
    const std::vector<std::pair<Shape, Role>> shapes(12, {{6, 6}, Role::hidden});
    AuditedRunOf<double> run(shapes, mixed());
    AuditOptions options = every_step();
    options.tensors = 1;
    options.free_seconds = seconds;
    Auditor<double> auditor(options);
    run.optimizer->observe(&auditor);
    std::set<std::string> seen;
    for (int step = 0; step < 2; ++step) {
      run.fill_gradients(step);
      EXPECT_TRUE(run.optimizer->step().outcome.ok());
      for (const auto& check : auditor.report().checks) {
        if (check.quantity == "direction") seen.insert(check.tensor);
      }
    }
    EXPECT_EQ(seen.size(), seconds > 0 ? 12u : 2u);
  }
}

TEST(Auditor, TheRoutingTableIsHeldAgainstTheConfiguration) {
  AuditedRunOf<double> run(several(), mixed());
  const_cast<RoutingTable&>(run.optimizer->routing()).rows[2].lr *= 2;
  EXPECT_MENTIONS(run.run(1), "w2: learning rate: expected 0.001");
}

// Without accumulation, too, a step is of one backward pass, and one step of the run is one of the
// optimizer.
TEST(Auditor, AStepTakenTwice) {
  AuditedRunOf<double> run(several(), mixed());
  Auditor<double> auditor(every_step());
  run.optimizer->observe(&auditor);
  auditor.at_step(0);
  auditor.before_backward(*run.optimizer);
  run.fill_gradients(0);
  auditor.after_backward(*run.optimizer);
  EXPECT_TRUE(run.optimizer->step().outcome.ok());
  EXPECT_EQ(auditor.failure(), nullptr);
  EXPECT_TRUE(run.optimizer->step().outcome.ok());
  ASSERT_NE(auditor.failure(), nullptr);
  EXPECT_MENTIONS(auditor.failure()->to_line(), "steps of the run before this one: expected 0");
  bool passes = false;
  for (const auto& check : auditor.report().checks) {
    passes = passes || (check.quantity == "micro-batches of the step" && check.found == 0 &&
                        check.verdict == Verdict::failed);
  }
  EXPECT_TRUE(passes);
}

TEST(Auditor, StepsThatTheLoopLeavesOutAreCounted) {
  AuditedRunOf<double> run(several(), mixed());
  AuditOptions options = every_step();
  options.every = 100;
  Auditor<double> auditor(options);
  run.optimizer->observe(&auditor);
  const auto step = [&](std::int64_t at, std::int64_t skipped) {
    auditor.at_step(at, skipped);
    run.fill_gradients(0);
    EXPECT_TRUE(run.optimizer->step().outcome.ok());
    return auditor.failure() == nullptr;
  };
  EXPECT_TRUE(step(0, 0));
  EXPECT_TRUE(step(1, 0));
  EXPECT_TRUE(step(4, 2));
  EXPECT_FALSE(step(6, 2));  // that is not audited
}

// What a loss says of its own gradient, without a backward pass: here L = <W, C>, of which each
// micro-batch adds a part.
std::string line_of_passes(double part, std::int64_t micro_batches, bool same = false) {
  AuditedRunOf<double> run(several(), mixed());
  Auditor<double> auditor(every_step(), AuditedRun{.micro_batches = micro_batches});
  run.optimizer->observe(&auditor);
  auto& w = *run.owned[4];
  for (std::int64_t pass = 0; pass < micro_batches; ++pass) {
    std::vector<double> c(w.weights.size());
    KnownSlope known{.tensors = {"w4"}, .distinct = true};
    for (std::size_t i = 0; i < c.size(); ++i) {
      c[i] = 1 + (same ? 0 : static_cast<double>(pass)) + 0.3 * static_cast<double>(i);
      known.slope += c[i] * w.weights[i];
      known.size += std::abs(c[i] * w.weights[i]);
    }
    auditor.before_backward(*run.optimizer, [&] { return known; });
    for (std::size_t i = 0; i < c.size(); ++i) w.gradient[i] += part * c[i];
    auditor.after_backward(*run.optimizer);
  }
  EXPECT_TRUE(run.optimizer->step().outcome.ok());
  return auditor.failure() ? auditor.failure()->to_line() : std::string();
}

TEST(Auditor, AMicroBatchAddsItsPartOfTheGradient) {
  EXPECT_EQ(line_of_passes(1, 1), "");
  EXPECT_EQ(line_of_passes(1.0 / 3, 3), "");
  EXPECT_MENTIONS(line_of_passes(1, 3), "w4: what a micro-batch adds to the gradient");
  EXPECT_MENTIONS(line_of_passes(1, 3), "not divided by the number of micro-batches");
  EXPECT_MENTIONS(line_of_passes(1.0 / 9, 3), "divided twice");
  EXPECT_MENTIONS(line_of_passes(2.0, 1), "added twice");
  EXPECT_MENTIONS(line_of_passes(-1.0, 1), "sign is flipped");
  EXPECT_MENTIONS(line_of_passes(0, 2), "nothing was added");
  EXPECT_MENTIONS(line_of_passes(0.5, 2, true), "micro-batches that differ: expected 2");
}

// Finite gradients and weights make finite weights; huge ones may overflow, which is the run's own
// trouble.
TEST(Auditor, AResultThatIsNotFinite) {
  for (const bool huge : {false, true}) {
    AuditedRunOf<float> run({{{4, 4}, Role::hidden}}, mixed());
    Auditor<float> auditor(every_step());
    if (huge) run.size = 1e30;
    run.fill_gradients(0);
    auditor.before_step(*run.optimizer, 1);
    StepReport report;
    report.outcome = {Status::non_finite_result, false};
    report.tensor = "w0";
    auditor.after_step(*run.optimizer, report);
    EXPECT_EQ(auditor.failure() == nullptr, huge);
    if (!huge) {
      EXPECT_MENTIONS(auditor.failure()->to_line(), "w0: result of the rule: expected finite");
    }
  }
}

TEST(Auditor, AStateThatIsNotTheRestoredOne) {
  for (const bool lost : {false, true}) {
    AuditedRunOf<double> run(several(), mixed()), resumed(several(), mixed());
    EXPECT_EQ(run.run(3), "");
    auto state = run.optimizer->state();
    Auditor<double> auditor(every_step());
    resumed.optimizer->observe(&auditor);
    resumed.optimizer->load_state(state, "test");
    if (lost) {
      const auto& zero = resumed.owned[0]->gradient;
      resumed.optimizer->start_from("w0", {{"momentum_buffer", make_tensor<double>({6, 4}, zero)}},
                                    "test");
    }
    auditor.restored(*resumed.optimizer, state);
    resumed.fill_gradients(3);
    EXPECT_TRUE(resumed.optimizer->step().outcome.ok());
    EXPECT_EQ(auditor.failure() == nullptr, !lost);
    if (lost) {
      EXPECT_MENTIONS(auditor.failure()->to_line(),
                      "s/w0/momentum_buffer: state that was restored");
    }
  }
}

TEST(Auditor, AGradientThatIsNotFiniteMovesNothing) {
  auto routing = mixed();
  routing.non_finite = NonFinite::tensor;
  AuditedRunOf<double> run(several(), routing);
  Auditor<double> auditor(every_step());
  for (const bool silenced : {false, true}) {
    run.fill_gradients(0);
    run.owned[0]->gradient[3] = std::nan("");
    auditor.before_step(*run.optimizer, 1);
    if (silenced) run.owned[0]->gradient[3] = 0;
    const auto report = run.optimizer->step();
    auditor.after_step(*run.optimizer, report);
    EXPECT_EQ(auditor.failure() != nullptr, silenced);
  }
  EXPECT_MENTIONS(auditor.failure()->to_line(), "w0: a gradient that is not finite");
}

// The loop's promise: gradients of so many micro-batches, one step.
struct Loop {
  AuditedRunOf<double> run{several(), mixed()};
  Auditor<double> auditor{every_step(), AuditedRun{.micro_batches = 2}};
  Loop() { run.optimizer->observe(&auditor); }
  void backward(int seed) {
    auditor.before_backward(*run.optimizer);
    Rng rng(static_cast<std::uint64_t>(seed), 9);
    for (auto& owned : run.owned) {
      for (auto& g : owned->gradient) g += 0.5 * rng.normal();
    }
    auditor.after_backward(*run.optimizer);
  }
  std::string line() const {
    return auditor.failure() ? auditor.failure()->to_line() : std::string();
  }
};

TEST(Auditor, TwoMicroBatchesAndOneStep) {
  Loop loop;
  loop.backward(1);
  loop.backward(2);
  EXPECT_TRUE(loop.run.optimizer->step().outcome.ok());
  EXPECT_EQ(loop.line(), "");
}

TEST(Auditor, AStepForEachMicroBatch) {
  Loop loop;
  loop.backward(1);
  EXPECT_TRUE(loop.run.optimizer->step().outcome.ok());
  EXPECT_MENTIONS(loop.line(), "micro-batches of the step: expected 2");
  EXPECT_MENTIONS(loop.line(), "a step before all were in");
}

TEST(Auditor, AMicroBatchThatIsForgotten) {
  Loop loop;
  loop.backward(1);
  for (auto& g : loop.run.owned[0]->gradient) g = 0;
  loop.backward(2);
  EXPECT_TRUE(loop.run.optimizer->step().outcome.ok());
  EXPECT_MENTIONS(loop.line(), "w0: gradient between micro-batches");
}

TEST(Auditor, GradientsThatAreNotCleared) {
  Loop loop;
  loop.backward(1);
  loop.backward(2);
  EXPECT_TRUE(loop.run.optimizer->step().outcome.ok());
  EXPECT_EQ(loop.line(), "");
  loop.backward(3);
  loop.backward(4);
  EXPECT_TRUE(loop.run.optimizer->step().outcome.ok());
  EXPECT_MENTIONS(loop.line(), ": gradient before the first micro-batch");
}

TEST(Auditor, AStaleGradient) {
  Loop loop;
  loop.backward(1);
  const auto stale = loop.run.owned[0]->gradient;
  loop.backward(2);
  loop.run.owned[0]->gradient = stale;
  EXPECT_TRUE(loop.run.optimizer->step().outcome.ok());
  EXPECT_MENTIONS(loop.line(), "w0: gradient since the backward pass");
}

TEST(Auditor, OverwrittenGradientsAreAccumulatedByTheAccumulator) {
  AuditedRunOf<double> run(several(), mixed());
  Auditor<double> auditor(every_step(), AuditedRun{.micro_batches = 3});
  run.optimizer->observe(&auditor);
  Accumulator<double> accumulate(*run.optimizer, 3);
  for (int k = 0; k < 9; ++k) {
    run.fill_gradients(k);
    auditor.micro_batch(*run.optimizer);
    accumulate.add();
    EXPECT_EQ(auditor.failure(), nullptr) << auditor.failure()->to_line();
  }
  EXPECT_EQ(auditor.totals().audits, 3);
}

TEST(Auditor, TheScheduleIsTheRunsOwn) {
  const Schedule schedule{.kind = ScheduleKind::cosine, .warmup = 3, .floor = 0.1};
  const auto line = [&](const std::function<double(int)>& factor) {
    AuditedRunOf<double> run(several(), mixed(), AuditedRun{.schedule = schedule, .steps = 20});
    return run.run(20, factor);
  };
  EXPECT_EQ(line([&](int step) { return schedule.factor(step, 20); }), "");
  EXPECT_MENTIONS(line([](int) { return 1.0; }), "all tensors: schedule: expected 0.333333");
  const Schedule straight{.kind = ScheduleKind::wsd, .warmup = 3, .floor = 0.1};
  EXPECT_MENTIONS(line([&](int step) { return straight.factor(step, 20); }), "step 4: all tensors");
  for (const auto kind : {ScheduleKind::constant, ScheduleKind::linear, ScheduleKind::wsd}) {
    const Schedule own{.kind = kind, .warmup = 2, .floor = 0.05};
    AuditedRunOf<double> run(several(), mixed(), AuditedRun{.schedule = own, .steps = 20});
    EXPECT_EQ(run.run(25, [&](int step) { return own.factor(step, 20); }), "");
  }
}

TEST(Auditor, AMissingGradientLeavesTheTensorAlone) {
  AuditedRunOf<double> run(several(), mixed());
  run.optimizer->parameters()[0].gradient = nullptr;
  EXPECT_EQ(run.run(3), "");
  bool judged = false;
  for (const auto& check : run.auditor->report().checks) {
    judged = judged || check.quantity == "no gradient: weights and state stay";
  }
  EXPECT_TRUE(judged);
}

TEST(Auditor, ClippingIsBeforeTheRule) {
  for (const auto kind : {ClipKind::global, ClipKind::tensor}) {
    auto routing = mixed();
    routing.clip.max_norm = 2.0;
    routing.clip.kind = kind;
    AuditedRunOf<double> clipped(several(), routing);
    EXPECT_EQ(clipped.run(10), "");
    // The same optimizer, its gradients clipped a second time by hand.
    AuditedRunOf<double> twice(several(), routing);
    twice.fill_gradients(0);
    twice.auditor->before_step(*twice.optimizer, 1);
    for (auto& g : twice.owned[0]->gradient) g *= 1e-3;
    const auto report = twice.optimizer->step();
    twice.auditor->after_step(*twice.optimizer, report);
    ASSERT_NE(twice.auditor->failure(), nullptr);
  }
}

// Audits wait once they have cost more than their share.
TEST(Auditor, KeepsToItsShare) {
  AuditedRunOf<float> run({{{64, 64}, Role::hidden}}, mixed());
  AuditOptions options = every_step();
  options.max_share = 1e-9;
  options.free_seconds = 0;
  Auditor<float> auditor(options);
  run.optimizer->observe(&auditor);
  for (int step = 0; step < 20; ++step) {
    run.fill_gradients(step);
    EXPECT_TRUE(run.optimizer->step().outcome.ok());
  }
  EXPECT_EQ(auditor.totals().audits, 2);  // the first two are always taken
  EXPECT_EQ(auditor.totals().put_off, 18);
  EXPECT_MENTIONS(auditor.totals().to_text(), "18 put off");
}

TEST(Auditor, OffIsOff) {
  AuditedRunOf<double> run(several(), mixed());
  Auditor<double> auditor(AuditOptions{});
  run.optimizer->observe(&auditor);
  run.fill_gradients(0);
  EXPECT_TRUE(run.optimizer->step().outcome.ok());
  EXPECT_EQ(auditor.totals().audits, 0);
  EXPECT_FALSE(auditor.due(*run.optimizer));
}

}  // namespace
}  // namespace muonflow::optim

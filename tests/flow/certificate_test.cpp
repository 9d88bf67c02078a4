#include "muonflow/flow/certificate.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/flow/problems.hpp"

namespace muonflow::flow {
namespace {

struct Recorded : Observer<double> {
  std::vector<CertificateSample> samples;
  Certificate certificate;

  explicit Recorded(const FlowOptions& options) {
    auto problem = make_problem<double>(options);
    auto times = options.times();
    times.statistics = true;
    Cursor cursor;
    EXPECT_TRUE(begin(problem.system, problem.state, cursor).ok());
    EXPECT_EQ(
        simulate<double>(times, problem.system, *problem.integrator, problem.state, cursor, *this)
            .ended,
        Ended::finished);
    certificate = certify(samples, {.gamma = problem.system.gamma(),
                                    .inertial = problem.system.inertial(),
                                    .step = options.integrator.step,
                                    .hessian_bound = problem.system.hessian_bound()});
  }
  void record(const System<double>& system, const State<double>&,
              const LedgerEntry& entry) override {
    samples.push_back(certificate_sample(entry, *entry.statistics, *system.objective().infimum()));
  }
};

// Constants of one quadratic mode, J = lambda w^2 / 2 and Phi = b m^2 / 2.
CertificateConstants mode(double lambda, double b) {
  return {.K = 1,
          .lambda = lambda,
          .smoothness = lambda,
          .curvature = lambda,
          .turning = lambda * b,
          .pull = b,
          .floor = b,
          .ceiling = b,
          .reach = b,
          .share = 0.5,
          .lean = b,
          .spread = 0};
}

TEST(BestWeights, OfOneModeGiveItsExactRate) {
  for (const double lambda : {0.01, 0.1, 0.2}) {  // overdamped: 4 b lambda < gamma
    const auto w = best_weights(mode(lambda, 1), 1);
    const double exact = 1 - std::sqrt(1 - 4 * lambda);
    // L must stay a hundredth of its first term (theta): the rate is a little below.
    EXPECT_LE(w.rate, exact * (1 + 1e-9));
    EXPECT_GT(w.rate, 0.95 * exact);
    EXPECT_GE(w.theta, 0.0099);
  }
  const auto fast = best_weights(mode(3, 1), 1);
  EXPECT_LE(fast.rate, 1 + 1e-9);
  EXPECT_GT(fast.rate, 0.9);
}

TEST(BestWeights, AreNeverWorseThanTheTextbooks) {
  CertificateConstants k = mode(0.1, 1);
  k.smoothness = 0.4;
  k.turning = 0.5;
  k.pull = 0.6;
  k.floor = 0.7;
  k.lean = 0.8;
  k.spread = 0.2;
  k.share = 0.8;
  EXPECT_GT(best_weights(k, 1).rate, 0);
  k.lambda = 0;
  EXPECT_EQ(best_weights(k, 1).rate, 0);
}

FlowOptions bowl(double gamma, double end, const std::string& geometry) {
  auto config = Config::from_text(R"(
[objective]
kind = "quadratic"
lambda = 0.3
[integrator]
kind = "rk4"
step = 0.05
[particles]
count = 5
shape = [2, 3]
[record]
every = 0.5
)");
  config.set("dynamics.gamma=" + std::to_string(gamma));
  config.set("integrator.end_time=" + std::to_string(end));
  config.set(geometry);
  return read_options(config.tree(), config.place_of());
}

// The heavy ball in a bowl: every constant is known, and so is the rate.
TEST(Certify, TheHeavyBallsRateIsCertifiedAlmostWhole) {
  const Recorded run(bowl(2, 20, "geometry.kind=frobenius"));
  const auto& c = run.certificate;
  ASSERT_EQ(c.unavailable, "");
  const double exact = 2 - std::sqrt(4 - 4 * 2 * 0.3);
  EXPECT_NEAR(c.local_rate, exact, 1e-6);
  EXPECT_NEAR(c.fitted->rate, exact, 0.01 * exact);
  EXPECT_NEAR(c.local_lambda, 0.3, 1e-9);
  EXPECT_NEAR(c.critical_hessian, 2 / (4 * 0.3), 1e-8);
  EXPECT_NEAR(c.tail->constants.lambda, 0.3, 1e-9);
  EXPECT_NEAR(c.tail->constants.curvature, 0.3, 1e-5);
  EXPECT_GT(c.tail->rate, 0.9 * exact);
  EXPECT_LT(c.tail->rate, exact * (1 + 1e-3));
  EXPECT_GT(c.tail->rate, 2 * c.tail->textbook_rate);
  EXPECT_EQ(c.violations, 0);
  for (const auto& r : c.records) {
    EXPECT_GT(r.lyapunov, 0);
    EXPECT_GE(r.derivative, c.tail->rate * (1 - 1e-3));
  }
}

TEST(Certify, GapStaysBelowTheCertifiedBound) {
  auto options = options_of(kSmall, {"integrator.step=0.02", "integrator.end_time=16",
                                     "record.every=0.5", "dynamics.gamma=2"});
  const Recorded run(options);
  const auto& c = run.certificate;
  ASSERT_EQ(c.unavailable, "");
  ASSERT_GT(c.whole->rate, 0);
  EXPECT_GE(c.whole->rate, c.whole->textbook_rate);
  EXPECT_GE(c.tail->rate, c.whole->rate);
  EXPECT_GT(c.fitted->rate, c.tail->rate * 0.99);
  EXPECT_EQ(c.violations, 0);
  const auto& first = run.samples.front();
  const double start =
      c.whole->kappa * first.gap + first.potential - c.whole->delta * first.force_momentum;
  for (const auto& s : run.samples) {
    const double bound = start * std::exp(-c.whole->rate * (s.time - first.time)) /
                         (c.whole->theta * c.whole->kappa);
    EXPECT_LE(s.gap, bound * (1 + 1e-9)) << s.time;
  }
  // Outside the tail the assumptions with the tail's constants fail, and the records say which.
  EXPECT_FALSE(c.records.front().assumptions);
  EXPECT_NE(c.records.front().failing, "");
  EXPECT_TRUE(c.records.back().assumptions);
}

TEST(Certify, DiscreteStepsBelowTheAdmissibleOneContract) {
  auto options = bowl(2, 20, "geometry.kind=frobenius");
  const Recorded run(options);
  const auto& d = *run.certificate.discrete;
  ASSERT_GT(d.rate, 0);
  EXPECT_GT(d.admissible_step, 0);
  EXPECT_LT(d.admissible_step, d.stable_step);
  EXPECT_FALSE(d.rate_at_step);  // 0.05 is far above it: the bound is pessimistic
  // muon itself with a step that is admissible: L falls by 1 - c h / 2 at least.
  options.integrator.kind = "muon";
  options.integrator.step = 0.9 * d.admissible_step;
  options.integrator.end_time = 40 * options.integrator.step;
  options.record.every = options.integrator.step;
  const Recorded muon(options);
  auto k = run.certificate.tail->constants;
  k.turning = std::max(k.turning, k.curvature);
  const auto w = best_weights(k, 2);
  for (std::size_t i = 2; i < muon.samples.size(); ++i) {
    const auto L = [&](const CertificateSample& s) {
      return w.kappa * s.gap + s.potential - w.delta * s.force_momentum;
    };
    EXPECT_LE(L(muon.samples[i]),
              L(muon.samples[i - 1]) * (1 - d.rate * options.integrator.step / 2));
  }
}

TEST(Certify, MomentumFreeRateIsDominanceTimesAlignment) {
  auto options = bowl(1, 20, "geometry.kind=frobenius");
  options.dynamics.kind = DynamicsKind::momentum_free;
  const Recorded run(options);
  const auto& c = run.certificate;
  ASSERT_EQ(c.unavailable, "");
  EXPECT_NEAR(c.tail->rate, 0.6, 1e-6);
  EXPECT_NEAR(c.local_rate, 0.6, 1e-6);
  EXPECT_NEAR(c.fitted->rate, 0.6, 1e-6);
  EXPECT_EQ(c.violations, 0);
}

TEST(Certify, SaysWhyThereIsNone) {
  EXPECT_NE(certify({}, {}).unavailable, "");
  const Recorded rough(bowl(2, 20, "geometry.kind=nuclear"));
  EXPECT_NE(rough.certificate.unavailable.find("not smooth"), std::string::npos);
  EXPECT_FALSE(rough.certificate.tail);
}

}  // namespace
}  // namespace muonflow::flow

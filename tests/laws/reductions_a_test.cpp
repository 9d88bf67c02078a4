// Where one rule is another: identities between rules, and between a rule and its equations, run
// through the optimizer in double. Tolerances are roundings of numbers of order 1, a few for each
// of the steps, times what a kernel amplifies (five Jordan steps: 485) where one is in between.
#include <nlohmann/json.hpp>

#include "muonflow/linalg/polar.hpp"
#include "muonflow/linalg/svd.hpp"
#include "muonflow/optim/shape_scale.hpp"
#include "tests/laws/law_support.hpp"

namespace muonflow::optim::laws {
namespace {

constexpr double kRounding = 1e-12;

struct Recipe {
  std::string rule;
  Json options = Json::object();
  double lr = 0.1;
  std::optional<Scale> adjust_lr{};  // off: the rule's own
  double weight_decay = 0;
  std::function<double(std::int64_t)> schedule = [](std::int64_t) { return 1.0; };
};

using Matrices = std::vector<Matrix<double>>;

Matrices gradients(Index rows, Index cols, int steps, double scale = 1) {
  Matrices all;
  for (int t = 0; t < steps; ++t) {
    all.push_back(random_matrix<double>(rows, cols, 500 + static_cast<std::uint64_t>(t), scale));
  }
  return all;
}

// One matrix under one rule, from weights of order 1.
class Walk {
 public:
  Walk(const Recipe& run, Index rows, Index cols)
      : W(random_matrix<double>(rows, cols, 400)), G(Matrix<double>::Zero(rows, cols)), run_(run) {
    RoutingOptions routing;
    routing.preset = run.rule;
    routing.hidden.options = OptionsTree(run.options);
    routing.hidden.lr = run.lr;
    routing.hidden.weight_decay = run.weight_decay;
    if (run.adjust_lr) routing.hidden.adjust_lr = *run.adjust_lr;
    optimizer_ = std::make_unique<Optimizer<double>>(
        std::vector<Parameter<double>>{
            {.name = "w", .shape = {rows, cols}, .weights = W.data(), .gradient = G.data()}},
        routing, kSeed);
  }
  void step(const Matrix<double>& gradient) {
    G = gradient;
    EXPECT_TRUE(optimizer_->step(run_.schedule(optimizer_->steps())).outcome.ok());
  }
  Matrix<double> state(const std::string& field) const {
    const Tensor tensor = optimizer_->state_of("w").at(field);
    const auto values = tensor.to<double>();
    return ConstMatrixMap<double>(values.data(), tensor.shape[0], tensor.shape[1],
                                  Eigen::OuterStride<>(tensor.shape[1]));
  }
  void start(const std::string& field, const Matrix<double>& value) {
    const std::vector<double> values(value.data(), value.data() + value.size());
    optimizer_->start_from(
        "w", {{field, make_tensor<double>({value.rows(), value.cols()}, values)}}, "test");
  }

  Matrix<double> W, G;

 private:
  Recipe run_;
  std::unique_ptr<Optimizer<double>> optimizer_;
};

// Weights after every step.
Matrices weights_of(const Recipe& run, const Matrices& G) {
  Walk walk(run, G[0].rows(), G[0].cols());
  Matrices all;
  for (const auto& gradient : G) {
    walk.step(gradient);
    all.push_back(walk.W);
  }
  return all;
}

// What each step took off the weights.
Matrices steps_of(const Recipe& run, const Matrices& G) {
  Matrices all = weights_of(run, G);
  Matrix<double> before = random_matrix<double>(G[0].rows(), G[0].cols(), 400);
  for (auto& W : all) {
    const Matrix<double> after = W;
    W = before - after;
    before = after;
  }
  return all;
}

void expect_same(const Matrices& a, const Matrices& b, double tolerance = kRounding) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t t = 0; t < a.size(); ++t) {
    EXPECT_LE((a[t] - b[t]).norm(), tolerance * b[t].norm()) << "step " << t;
  }
}

double nuclear(const Matrix<double>& a) { return linalg::singular_values<double>(a).sum(); }

constexpr std::array<std::pair<Index, Index>, 4> kRecipeShapes{{{9, 6}, {6, 9}, {7, 7}, {1, 8}}};

// Muon over all its options, its steps written out; the polar factor itself is the kernel's, which
// has its own tests.
TEST(MuonReduction, EveryOptionIsItsEquation) {
  linalg::Workspace<double> workspace;
  for (const auto& [m, n] : kRecipeShapes) {
    const auto G = gradients(m, n, 3, 1e-3);
    for (const auto method : EnumNames<linalg::PolarMethod>::names) {
      for (int choice = 0; choice < 8; ++choice) {
        const bool nesterov = choice & 1, sum = choice & 2, max = choice & 4;
        const Json options{
            {"momentum", 0.8}, {"nesterov", nesterov}, {"momentum_form", sum ? "sum" : "ema"},
            {"polar", method}, {"eps", 1e-2},          {"eps_mode", max ? "max" : "add"}};
        const auto adjust = static_cast<Scale>(1 + choice % 4);
        SCOPED_TRACE(options.dump() + " " + std::string(enum_name(adjust)));
        linalg::Polar polar{.eps = 1e-2};
        read_fields(Json{{"polar", method}, {"eps_mode", max ? "max" : "add"}},
                    [&](FieldVisitor& v) { polar.fields(v); });
        Matrices expected;
        Matrix<double> M = Matrix<double>::Zero(m, n);
        const double part = sum ? 1 : 0.2;
        for (const auto& g : G) {
          M = 0.8 * M + part * g;
          Matrix<double> D = nesterov ? Matrix<double>(part * g + 0.8 * M) : M;
          ASSERT_TRUE(linalg::polar<double>(D, polar, workspace).ok());
          expected.push_back(0.1 * shape_scale(adjust, m, n) * D);
        }
        expect_same(steps_of({.rule = "muon", .options = options, .adjust_lr = adjust}, G),
                    expected, 1e-11);
      }
    }
  }
}

TEST(ScionReduction, SpectralUnconstrainedIsMuonUpToScale) {
  for (const auto& [m, n] : kRecipeShapes) {
    const auto G = gradients(m, n, 5);
    expect_same(weights_of({.rule = "scion", .options = {{"radius", 3}}, .lr = 0.1}, G),
                weights_of({.rule = "muon",
                            .options = {{"momentum", 0.9}, {"nesterov", false}},
                            .lr = 0.3,
                            .adjust_lr = Scale::spectral},
                           G));
  }
}

// Staying in a ball of radius r is weight decay by 1 / r.
TEST(ScionReduction, ConstrainedIsWeightDecay) {
  for (const auto& [m, n] : kRecipeShapes) {
    const auto G = gradients(m, n, 5);
    expect_same(weights_of({.rule = "scion", .options = {{"radius", 4}, {"constrained", true}}}, G),
                weights_of({.rule = "muon",
                            .options = {{"momentum", 0.9}, {"nesterov", false}},
                            .lr = 0.4,
                            .adjust_lr = Scale::spectral,
                            .weight_decay = 0.25},
                           G));
  }
}

// ... and a further weight decay acts before it: (1 - lr) (1 - lr decay) W.
TEST(ScionReduction, FurtherDecayActsBeforeTheStep) {
  const auto G = gradients(9, 6, 1);
  const auto with = weights_of(
      {.rule = "scion", .options = {{"constrained", true}}, .lr = 0.2, .weight_decay = 0.5}, G);
  const auto without =
      weights_of({.rule = "scion", .options = {{"constrained", true}}, .lr = 0.2}, G);
  const Matrix<double> W = random_matrix<double>(9, 6, 400);
  EXPECT_LE((without[0] - with[0] - 0.8 * 0.2 * 0.5 * W).norm(), kRounding);
}

// The point of the ball that the conditional gradient steps to: in the ball, and of all its points
// the one that goes along with M most, <M, D> = dual norm of M.
TEST(ScionReduction, EachNormHasItsBall) {
  for (const auto& [m, n] : kRecipeShapes) {
    const auto G = gradients(m, n, 1);
    const auto rows = static_cast<double>(m), cols = static_cast<double>(n);
    const Matrix<double> M = 0.1 * G[0];
    const auto step = [&](const char* norm) {
      return steps_of({.rule = "scion", .options = {{"norm", norm}}, .lr = 1}, G)[0];
    };
    const Matrix<double> sign = step("sign"), row = step("row"), column = step("column");
    EXPECT_NEAR(sign.cwiseAbs().maxCoeff(), 1 / cols, kRounding);
    EXPECT_NEAR(M.cwiseProduct(sign).sum(), M.cwiseAbs().sum() / cols, kRounding);
    // Their eps 1e-8 shortens each row and column by that over its norm, here of order 0.1.
    EXPECT_NEAR(row.rowwise().norm().maxCoeff(), 1 / std::sqrt(cols), 1e-6);
    EXPECT_NEAR(M.cwiseProduct(row).sum(), M.rowwise().norm().sum() / std::sqrt(cols), 1e-6);
    EXPECT_NEAR(column.colwise().norm().maxCoeff(), std::sqrt(rows), 1e-5);
    EXPECT_NEAR(M.cwiseProduct(column).sum(), M.colwise().norm().sum() * std::sqrt(rows), 1e-5);
  }
}

// Convex combinations of points of a ball stay in it.
TEST(ScionReduction, ConstrainedWeightsStayInTheBall) {
  const double radius = 40;
  Walk walk({.rule = "scion",
             .options = {{"norm", "sign"}, {"radius", radius}, {"constrained", true}},
             .lr = 0.3},
            9, 6);
  ASSERT_LE(walk.W.cwiseAbs().maxCoeff(), radius / 6);
  for (const auto& g : gradients(9, 6, 30)) {
    walk.step(g);
    EXPECT_LE(walk.W.cwiseAbs().maxCoeff(), radius / 6 * (1 + kRounding));
  }
  EXPECT_GT(walk.W.cwiseAbs().maxCoeff(), 0.9 * radius / 6);
}

TEST(SignReductions, SignumIsLionWithEqualBetas) {
  const auto G = gradients(9, 6, 12);
  expect_same(weights_of({.rule = "signum", .options = {{"momentum", 0.8}}}, G),
              weights_of({.rule = "lion", .options = {{"betas", {0.8, 0.8}}}}, G));
}

TEST(SignReductions, NesterovSignumIsLionWithTheSquareFirst) {
  const auto G = gradients(9, 6, 12);
  expect_same(weights_of({.rule = "signum", .options = {{"momentum", 0.8}, {"nesterov", true}}}, G),
              weights_of({.rule = "lion", .options = {{"betas", {0.64, 0.8}}}}, G));
}

TEST(SignReductions, WithoutMemoryAllSignRulesAreOne) {
  const auto G = gradients(9, 6, 5);
  const auto signum = weights_of({.rule = "signum", .options = {{"momentum", 0}}}, G);
  expect_same(signum, weights_of({.rule = "lion", .options = {{"betas", {0, 0.7}}}}, G));
  expect_same(signum, weights_of({.rule = "adamw", .options = {{"betas", {0, 0}}, {"eps", 0}}}, G));
  expect_same(signum, weights_of({.rule = "scion",
                                  .options = {{"momentum", 0}, {"norm", "sign"}, {"radius", 6}}},
                                 G));
}

TEST(NormalizedSgdReduction, StepsHaveUnitLengthWhateverTheScale) {
  const Recipe recipe{.rule = "normalized_sgd", .options = {{"momentum", 0.8}, {"eps", 0}}};
  for (const auto& [m, n] : kRecipeShapes) {
    const auto steps = steps_of(recipe, gradients(m, n, 6));
    for (const auto& step : steps) EXPECT_NEAR(step.norm(), 0.1, kRounding);
    for (const double scale : {1e-3, 1e3}) {
      expect_same(steps_of(recipe, gradients(m, n, 6, scale)), steps);
    }
  }
}

// The polar factor of a vector is the vector over its norm.
TEST(NormalizedSgdReduction, IsMuonOnAVector) {
  for (const auto& [m, n] : std::array<std::pair<Index, Index>, 2>{{{1, 8}, {8, 1}}}) {
    const auto G = gradients(m, n, 6);
    expect_same(weights_of({.rule = "normalized_sgd"}, G),
                weights_of({.rule = "muon",
                            .options = {{"nesterov", false}, {"polar", "svd"}},
                            .adjust_lr = Scale::none},
                           G));
  }
}

TEST(PolarGradReduction, IsTheNuclearNormTimesMuon) {
  for (const auto& [m, n] : kRecipeShapes) {
    const auto G = gradients(m, n, 5);
    const auto found = steps_of({.rule = "polargrad"}, G);
    auto expected = steps_of({.rule = "muon",
                              .options = {{"nesterov", false}, {"polar", "svd"}},
                              .adjust_lr = Scale::none},
                             G);
    Matrix<double> M = Matrix<double>::Zero(m, n);
    for (std::size_t t = 0; t < G.size(); ++t) {
      M = 0.95 * M + 0.05 * G[t];
      expected[t] *= nuclear(M);
      // Steepest descent of half the squared nuclear norm: <M, D> = |M|_*^2.
      EXPECT_NEAR(M.cwiseProduct(found[t]).sum(), 0.1 * nuclear(M) * nuclear(M), kRounding);
    }
    expect_same(found, expected, 1e-11);
    auto scaled = found;
    for (auto& step : scaled) step *= 300;
    expect_same(steps_of({.rule = "polargrad"}, gradients(m, n, 5, 300)), scaled, 1e-11);
  }
}

// The first step owes nothing yet.
TEST(EfMuonReduction, TheFirstStepIsPolarGradOverTheRank) {
  for (const Index rank : {1, 3, 6}) {
    const Matrices G{random_matrix<double>(9, rank, 1) * random_matrix<double>(rank, 6, 2)};
    auto expected = steps_of({.rule = "polargrad", .options = {{"momentum", 0.9}}}, G);
    expected[0] /= static_cast<double>(rank);
    expect_same(steps_of({.rule = "ef_muon"}, G), expected, 1e-11);
  }
}

// W_t - E_t = W_0 - sum of lr M: what is not applied is remembered, nothing else happens. And the
// size of what is remembered is what the theory says, a contraction by 1 - 1 / rank or better.
TEST(EfMuonReduction, TheVirtualIterateIsMomentumSgd) {
  for (const auto& [m, n] : kRecipeShapes) {
    Walk walk({.rule = "ef_muon",
               .lr = 0.5,
               .schedule = [](std::int64_t t) { return 1 / std::sqrt(1.0 + double(t)); }},
              m, n);
    auto G = gradients(m, n, 40);
    G[7].setZero();
    G[11] = G[11].col(0) * G[11].row(0);
    Matrix<double> M = Matrix<double>::Zero(m, n);
    Matrix<double> E = M;
    Matrix<double> sum = walk.W;
    for (std::size_t t = 0; t < G.size(); ++t) {
      const double lr = 0.5 / std::sqrt(1.0 + static_cast<double>(t));
      walk.step(G[t]);
      M = 0.9 * M + 0.1 * G[t];
      sum -= lr * M;
      const Matrix<double> P = lr * M + E;
      E = walk.state("error");
      EXPECT_LE((walk.W - E - sum).norm(), 1e-12) << t;
      const auto rank = static_cast<double>(std::min(m, n));
      const double kept = P.squaredNorm() - nuclear(P) * nuclear(P) / rank;
      EXPECT_NEAR(E.squaredNorm(), kept, 1e-12 * P.squaredNorm()) << t;
      EXPECT_LE(E.squaredNorm(), (1 - 1 / rank + 1e-12) * P.squaredNorm()) << t;
    }
  }
}

// f(W) = c |w1 + w2| + |w1 - w2| of the diagonal: convex and Lipschitz, its minimum 0 at 0.
double ridge(const Matrix<double>& W, double c, Matrix<double>& G) {
  const double a = W(0, 0) + W(1, 1), b = W(0, 0) - W(1, 1);
  const double s = a < 0 ? -1 : 1, d = b < 0 ? -1 : 1;
  G = Matrix<double>::Zero(2, 2);
  G(0, 0) = c * s + d;
  G(1, 1) = c * s - d;
  return c * std::abs(a) + std::abs(b);
}

// arXiv:2605.08980: Muon never leaves the line w1 + w2 = 2 and stays at 2 c; error feedback
// crosses.
TEST(EfMuonReduction, CrossesTheFloorThatStopsMuon) {
  const double beta = 0.9, c = (1 - beta) / (2 * (1 + beta)), S = std::log(2.0);
  const auto run = [&](const Recipe& one, int steps) {
    Walk walk(one, 2, 2);
    walk.W << 1 + S, 0, 0, 1 - S;
    Matrix<double> G;
    double least = ridge(walk.W, c, G);
    for (int t = 0; t < steps; ++t) {
      walk.step(G);
      least = std::min(least, ridge(walk.W, c, G));
    }
    return std::pair(least, walk.W.trace());
  };
  const auto [muon, trace] =
      run({.rule = "muon",
           .options = {{"momentum", beta}, {"nesterov", false}, {"polar", "svd"}},
           .lr = 1,
           .adjust_lr = Scale::none,
           .schedule = [](std::int64_t t) { return 1 / (1.0 + double(t)); }},
          1500);
  EXPECT_GE(muon, 2 * c - 1e-9);  // 0.0526
  EXPECT_NEAR(trace, 2, 1e-9);
  const auto fed_back =
      run({.rule = "ef_muon",
           .options = {{"momentum", beta}},
           .lr = 1,
           .schedule = [](std::int64_t t) { return 1 / std::sqrt(1.0 + double(t)); }},
          4000);
  EXPECT_LT(fed_back.first, 0.01);
}

// At full rank on a constant gradient Dion is orthogonal iteration: P and Q turn to the singular
// vectors, and P Q' to the polar factor, by the largest (s_{i+1} / s_i)^2 a step.
TEST(DionReduction, ApproachesThePolarFactorAtItsPowerIterationRate) {
  const Vector<double> s{{1, 0.8, 0.5, 0.2}};
  for (const bool tall : {true, false}) {
    const Index m = tall ? 7 : 4, n = tall ? 4 : 7;
    const Matrix<double> U = linalg::qr<double>(random_matrix<double>(m, 4, 1)).q;
    const Matrix<double> V = linalg::qr<double>(random_matrix<double>(n, 4, 2)).q;
    const Matrices G(90, Matrix<double>(U * s.asDiagonal() * V.transpose()));
    const Matrix<double> polar = U * V.transpose();
    const auto steps = steps_of({.rule = "dion",
                                 .options = {{"rank_fraction", 1}, {"eps", 0}},
                                 .lr = 1,
                                 .adjust_lr = Scale::none},
                                G);
    const auto error = [&](std::size_t t) { return (steps[t] - polar).norm(); };
    EXPECT_GT(error(0), 0.1);  // its first step is no polar factor, even at full rank
    for (std::size_t t = 15; t < 35; ++t) EXPECT_NEAR(error(t + 1) / error(t), 0.64, 0.01) << t;
    EXPECT_LE(error(89), 1e-11);
  }
}

// The basis turns with the gradient: what the random start hides from the law of equivariance.
TEST(DionReduction, IsEquivariantTogetherWithItsBasis) {
  const Matrix<double> V = linalg::qr<double>(random_matrix<double>(9, 9, 1)).q;
  const Matrix<double> Q = random_matrix<double>(9, 2, 2);
  Walk plain({.rule = "dion"}, 6, 9), turned({.rule = "dion"}, 6, 9);
  plain.start("Q", Q);
  turned.start("Q", V * Q);
  turned.W = plain.W * V.transpose();
  for (const auto& g : gradients(6, 9, 6)) {
    plain.step(g);
    turned.step(g * V.transpose());
    EXPECT_LE((turned.W - plain.W * V.transpose()).norm(), kRounding * plain.W.norm());
  }
  EXPECT_LE((turned.state("Q") - V * plain.state("Q")).norm(), 1e-11);
}

// What is applied leaves the momentum but for the part mu, and all the rest stays: at mu = 1 the
// momentum is the sum of the gradients.
TEST(DionReduction, KeepsWhatItDoesNotApply) {
  Walk walk({.rule = "dion", .options = {{"mu", 1}}}, 6, 9);
  Walk fed_back({.rule = "dion", .options = {{"mu", 0}}}, 6, 9);
  Matrix<double> sum = Matrix<double>::Zero(6, 9);
  for (const auto& g : gradients(6, 9, 5)) {
    walk.step(g);
    fed_back.step(g);
    sum += g;
    EXPECT_LE((walk.state("momentum_buffer") - sum).norm(), kRounding);
  }
  // At mu = 0 nothing applied stays: the momentum has lost the two directions of this step.
  EXPECT_LE(linalg::singular_values<double>(fed_back.state("momentum_buffer"))(4), kRounding);
  const Matrix<double> Q = Walk({.rule = "dion"}, 6, 9).state("Q");  // rank ceil(6 / 4) = 2
  EXPECT_LE((Q.transpose() * Q - Matrix<double>::Identity(2, 2)).norm(), kRounding);
}

TEST(NorMuonReduction, KeepsTheNormAndEvensTheRows) {
  for (const auto& [m, n] : kRecipeShapes) {
    const auto G = gradients(m, n, 5);
    const auto found = steps_of({.rule = "normuon"}, G);
    const auto muon = steps_of({.rule = "muon"}, G);
    for (std::size_t t = 0; t < G.size(); ++t) {
      EXPECT_NEAR(found[t].norm(), muon[t].norm(), 1e-8) << t;  // eps 1e-10 over norms of order 1
    }
    // The first second moment is this step's own: all rows come out of one size.
    const Vector<double> rows = found[0].rowwise().norm();
    EXPECT_NEAR(rows.maxCoeff(), rows.minCoeff(), 1e-8);
    if (m == 1) expect_same(found, muon, 1e-8);  // one row: nothing to even
  }
}

TEST(AdaMuonReduction, EveryStepHasTheSizeOfAdam) {
  for (const auto& [m, n] : kRecipeShapes) {
    for (const bool sign : {true, false}) {
      const auto steps = steps_of({.rule = "adamuon", .options = {{"sign_input", sign}}, .lr = 1},
                                  gradients(m, n, 4));
      for (const auto& step : steps) {
        EXPECT_NEAR(step.norm() / std::sqrt(static_cast<double>(step.size())), 0.2, kRounding);
      }
    }
  }
}

// The first second moment is this step's own, so the first step is the sign of Muon's; with the
// sign at the input, sizes of the gradient's entries do not matter.
TEST(AdaMuonReduction, TheFirstStepIsASign) {
  for (const auto& [m, n] : kRecipeShapes) {
    const auto G = gradients(m, n, 1);
    const Recipe adamuon{
        .rule = "adamuon", .options = {{"sign_input", false}, {"eps", 0}}, .lr = 1};
    const auto muon = steps_of({.rule = "muon", .options = {{"nesterov", false}}}, G);
    expect_same(steps_of(adamuon, G), {Matrix<double>(0.2 * muon[0].cwiseSign())}, 1e-11);
    const Matrices signs{Matrix<double>(G[0].cwiseSign())};
    expect_same(steps_of({.rule = "adamuon"}, G), steps_of({.rule = "adamuon"}, signs));
  }
}

}  // namespace
}  // namespace muonflow::optim::laws

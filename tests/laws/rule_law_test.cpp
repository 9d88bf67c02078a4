// Laws of the rules themselves, each checked where the rule's traits declare it.
//
// The gradients of three steps are transformed; what is compared is the step of the third, so that
// the state takes part. Tolerances are c n eps |S|: n eps for the products of the transformation,
// and c = 1000 for how much a rule amplifies a relative error of its input (five Jordan
// steps: 3.4445^5 = 485; a polar map regularized at 1e-2 of gradients of order 1: about 500). |S|
// is at least eps, so that a step that is nothing but a rounding squared (kaon's of a single row,
// whose singular value its map sends to 0) counts as 0.
#include "muonflow/linalg/qr.hpp"
#include "tests/laws/law_support.hpp"

namespace muonflow::optim::laws {
namespace {

constexpr double kAmplification = 1000;
constexpr int kSteps = 3;

// What a rule takes off the weights in step kSteps, lr = 1: D, or W - D where D is the new weights.
// Steps are counted from `first`, random numbers are those of `stream`.
template <class T>
Matrix<T> step_of(const RuleEntry& entry, const Matrix<T>& W, const std::vector<Matrix<T>>& G,
                  std::int64_t first = 0, std::uint64_t stream = 7) {
  const auto kernel = entry.make()->kernel(T{});
  Rng rng(kSeed, stream);
  const auto state = kernel->start(W.rows(), W.cols(), rng);
  linalg::Workspace<T> scratch;
  Matrix<T> D(W.rows(), W.cols());
  for (std::size_t t = 0; t < G.size(); ++t) {
    const StepContext<T> at{W, G[t], 1.0, 1.0, first + static_cast<std::int64_t>(t), rng, scratch};
    const StepResult result = kernel->step(at, *state, D);
    EXPECT_TRUE(result.outcome.ok());
    if (result.skip)
      D = entry.info.result == Result::weights ? W : Matrix<T>::Zero(W.rows(), W.cols());
  }
  return entry.info.result == Result::weights ? Matrix<T>(W - D) : D;
}

template <class T>
std::vector<Matrix<T>> gradients(Index rows, Index cols, double scale = 1) {
  std::vector<Matrix<T>> all;
  for (int t = 0; t < kSteps; ++t) {
    all.push_back(random_matrix<T>(rows, cols, 50 + static_cast<std::uint64_t>(t), scale));
  }
  return all;
}

template <class T>
std::vector<Matrix<T>> mapped(std::vector<Matrix<T>> all, const auto& map) {
  for (auto& one : all) one = Matrix<T>(map(one));
  return all;
}

template <class T>
double tolerance(const Matrix<T>& step) {
  return kAmplification * static_cast<double>(std::max(step.rows(), step.cols())) *
         static_cast<double>(std::numeric_limits<T>::epsilon()) *
         static_cast<double>(std::max(std::numeric_limits<T>::epsilon(), step.norm()));
}

// A matrix of some rank is moved by every rule.
template <class T>
void expect_step(const Matrix<T>& step) {
  if (std::min(step.rows(), step.cols()) > 1) {
    EXPECT_GT(step.norm(), 0);
  }
}

constexpr std::array<std::pair<Index, Index>, 4> kShapes{{{16, 24}, {24, 16}, {12, 12}, {1, 8}}};

// With U and V orthogonal, or the identity on the side that is not turned.
template <class T>
void orthogonal_equivariance(const RuleEntry& entry, bool left, bool right) {
  for (const auto& [m, n] : kShapes) {
    SCOPED_TRACE(testing::Message() << m << " x " << n << " of " << sizeof(T) << " bytes");
    Matrix<T> U = Matrix<T>::Identity(m, m);
    Matrix<T> V = Matrix<T>::Identity(n, n);
    if (left) U = linalg::qr<T>(random_matrix<T>(m, m, 1)).q;
    if (right) V = linalg::qr<T>(random_matrix<T>(n, n, 2)).q;
    const auto turned = [&](const Matrix<T>& a) { return U * a * V.transpose(); };
    const auto W = random_matrix<T>(m, n, 3);
    const auto G = gradients<T>(m, n);
    const auto S = step_of<T>(entry, W, G);
    const auto turned_S = step_of<T>(entry, turned(W), mapped<T>(G, turned));
    expect_step<T>(S);
    EXPECT_LE((turned_S - turned(S)).norm(), tolerance(S));
  }
}

template <class T>
void transpose_equivariance(const RuleEntry& entry) {
  for (const auto& [m, n] : kShapes) {
    SCOPED_TRACE(testing::Message() << m << " x " << n << " of " << sizeof(T) << " bytes");
    const auto turned = [](const Matrix<T>& a) { return a.transpose(); };
    const auto W = random_matrix<T>(m, n, 3);
    const auto G = gradients<T>(m, n);
    const auto S = step_of<T>(entry, W, G);
    const auto turned_S = step_of<T>(entry, W.transpose(), mapped<T>(G, turned));
    expect_step<T>(S);
    EXPECT_LE((turned_S - S.transpose()).norm(), tolerance(S));
  }
}

// Gradients of order 1e6, so that the rules' eps are below the tolerance.
template <class T>
void scale_invariance(const RuleEntry& entry) {
  for (const auto& [m, n] : kShapes) {
    SCOPED_TRACE(testing::Message() << m << " x " << n << " of " << sizeof(T) << " bytes");
    const auto W = random_matrix<T>(m, n, 3);
    const auto G = gradients<T>(m, n, 1e6);
    const auto S = step_of<T>(entry, W, G);
    for (const double c : {8.0, 300.0}) {
      const auto scaled = [&](const Matrix<T>& a) { return static_cast<T>(c) * a; };
      expect_step<T>(S);
      EXPECT_LE((step_of<T>(entry, W, mapped<T>(G, scaled)) - S).norm(), tolerance(S)) << c;
    }
  }
}

template <class T>
void zero_gradient(const RuleEntry& entry) {
  for (const auto& [m, n] : kShapes) {
    const auto W = random_matrix<T>(m, n, 3);
    const std::vector<Matrix<T>> zero(1, Matrix<T>::Zero(m, n));
    const auto first = step_of<T>(entry, W, zero);
    EXPECT_TRUE(first.allFinite());
    if (has(entry.info.traits, Trait::zero_in_zero_out)) {
      EXPECT_EQ(first.cwiseAbs().maxCoeff(), T(0));
    }
    auto G = gradients<T>(m, n);
    G[1].setZero();
    EXPECT_TRUE(step_of<T>(entry, W, G).allFinite());
    G[0].setZero();
    EXPECT_TRUE(step_of<T>(entry, W, G).allFinite());
  }
}

// An entry alone takes the step that it takes in its matrix, but for the last bits: a root of
// floats in a vector register is a Newton step of an estimate.
template <class T>
void elementwise(const RuleEntry& entry) {
  const Index m = 5, n = 7;
  const auto W = random_matrix<T>(m, n, 3);
  const auto G = gradients<T>(m, n);
  const auto S = step_of<T>(entry, W, G);
  for (Index i = 0; i < m; ++i) {
    for (Index j = 0; j < n; ++j) {
      const auto one = [&](const Matrix<T>& a) { return a.block(i, j, 1, 1); };
      EXPECT_NEAR(step_of<T>(entry, one(W), mapped<T>(G, one))(0, 0), S(i, j),
                  4 * std::numeric_limits<T>::epsilon() * std::abs(S(i, j)))
          << i << ", " << j;
    }
  }
}

// Whoever counts steps takes another step when the count starts elsewhere; nobody else does.
template <class T>
void step_counter(const RuleEntry& entry) {
  for (const auto& [m, n] : kShapes) {
    const auto W = random_matrix<T>(m, n, 3);
    const auto G = gradients<T>(m, n);
    const bool same = step_of<T>(entry, W, G, 0) == step_of<T>(entry, W, G, 5);
    EXPECT_EQ(same, !has(entry.info.traits, Trait::counts_steps)) << m << " x " << n;
  }
}

// Whoever draws takes another step with other numbers and the same with the same; nobody else does.
template <class T>
void random_numbers(const RuleEntry& entry) {
  const auto W = random_matrix<T>(16, 24, 3);
  const auto G = gradients<T>(16, 24);
  const auto S = step_of<T>(entry, W, G, 0, 7);
  EXPECT_TRUE(S == step_of<T>(entry, W, G, 0, 7));
  EXPECT_EQ(S == step_of<T>(entry, W, G, 0, 8), !has(entry.info.traits, Trait::random));
}

// The first step of a fresh state goes downhill, whatever the gradient: well conditioned, of rank
// 1, with columns of sizes from 1 to 1e-4.
template <class T>
void first_step_descends(const RuleEntry& entry) {
  for (const auto& [m, n] : kShapes) {
    SCOPED_TRACE(testing::Message() << m << " x " << n << " of " << sizeof(T) << " bytes");
    const auto W = random_matrix<T>(m, n, 3);
    const Matrix<T> plain = random_matrix<T>(m, n, 4);
    const Matrix<T> thin = random_matrix<T>(m, 1, 5) * random_matrix<T>(1, n, 6);
    Matrix<T> graded = plain;
    for (Index j = 0; j < n; ++j) {
      graded.col(j) *= static_cast<T>(std::pow(1e-4, static_cast<double>(j) / double(n)));
    }
    for (const auto& G : {plain, thin, graded}) {
      EXPECT_GT(G.cwiseProduct(step_of<T>(entry, W, {G})).sum(), 0);
    }
  }
}

TEST_P(RuleLaw, OrthogonalEquivariance) {
  const Trait traits = entry().info.traits;
  const bool both = has(traits, Trait::orthogonal_equivariant);
  const bool left = both || has(traits, Trait::left_equivariant);
  const bool right = both || has(traits, Trait::right_equivariant);
  if (!left && !right) GTEST_SKIP() << "not declared";
  orthogonal_equivariance<float>(entry(), left, right);
  orthogonal_equivariance<double>(entry(), left, right);
}

TEST_P(RuleLaw, TransposeEquivariance) {
  if (!has(entry().info.traits, Trait::transpose_equivariant)) GTEST_SKIP() << "not declared";
  transpose_equivariance<float>(entry());
  transpose_equivariance<double>(entry());
}

TEST_P(RuleLaw, ScaleInvariance) {
  if (!has(entry().info.traits, Trait::scale_invariant)) GTEST_SKIP() << "not declared";
  scale_invariance<float>(entry());
  scale_invariance<double>(entry());
}

TEST_P(RuleLaw, ZeroGradientsAreHarmless) {
  zero_gradient<float>(entry());
  zero_gradient<double>(entry());
}

TEST_P(RuleLaw, AnEntryDependsOnItselfAlone) {
  if (!has(entry().info.traits, Trait::elementwise)) GTEST_SKIP() << "not declared";
  elementwise<float>(entry());
  elementwise<double>(entry());
}

TEST_P(RuleLaw, TheStepCounterMattersWhereDeclared) {
  step_counter<float>(entry());
  step_counter<double>(entry());
}

TEST_P(RuleLaw, RandomNumbersMatterWhereDeclared) {
  random_numbers<float>(entry());
  random_numbers<double>(entry());
}

TEST_P(RuleLaw, TheFirstStepDescends) {
  if (!has(entry().info.traits, Trait::descends)) GTEST_SKIP() << "not declared";
  first_step_descends<float>(entry());
  first_step_descends<double>(entry());
}

// With a learning rate that falls linearly to 0, the best of a grid of first ones takes off most of
// what can be taken off, on every problem of the zoo. A grid, since steps of a fixed size and steps
// of the gradient's own ask for different rates; half a decade apart, since a factor of 3 costs no
// rule the result.
TEST_P(RuleLaw, DescendsOnTheConvexZoo) {
  if (!has(entry().info.traits, Trait::descends)) GTEST_SKIP() << "not declared";
  constexpr std::int64_t kRunSteps = 200;
  for (const auto& problem : convex_zoo()) {
    double best = std::numeric_limits<double>::infinity();
    double start = 0;
    for (const double lr : {0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0}) {
      Tensors<double> tensors;
      tensors.add("w", {problem.rows, problem.cols});
      const MatrixMap<double> W(tensors.weights(0).data(), problem.rows, problem.cols,
                                Eigen::OuterStride<>(problem.cols));
      MatrixMap<double> G(tensors.gradient(0).data(), problem.rows, problem.cols,
                          Eigen::OuterStride<>(problem.cols));
      auto options = only(entry());
      options.hidden.lr = lr;
      Optimizer<double> optimizer(tensors.parameters(), options, kSeed);
      start = problem.value(W, G);
      for (std::int64_t t = 0; t < kRunSteps; ++t) {
        problem.value(W, G);
        ASSERT_TRUE(optimizer.step(1 - static_cast<double>(t) / kRunSteps).outcome.ok());
      }
      best = std::min(best, problem.value(W, G));
    }
    EXPECT_LE(best, 0.05 * start) << problem.name;
  }
}

// The two scalar types are one rule: float's steps are double's up to its rounding.
TEST_P(RuleLaw, FloatFollowsDouble) {
  if (has(entry().info.traits, Trait::random)) GTEST_SKIP() << "draws in its own precision";
  for (const auto& [m, n] : kShapes) {
    const auto in_float =
        step_of<float>(entry(), random_matrix<float>(m, n, 3), gradients<float>(m, n));
    const auto in_double =
        step_of<double>(entry(), random_matrix<double>(m, n, 3), gradients<double>(m, n));
    expect_step<double>(in_double);
    EXPECT_LE((in_float.cast<double>() - in_double).norm(), tolerance(in_float));
  }
}

MUONFLOW_EVERY_RULE(RuleLaw);

}  // namespace
}  // namespace muonflow::optim::laws

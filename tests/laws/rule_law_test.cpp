// Laws of the rules themselves, each checked where the rule's traits declare it.
//
// The gradients of three steps are transformed; what is compared is the step of the third, so that
// the state takes part. Tolerances are c n eps |S|: n eps for the products of the transformation,
// and c = 1000 for how much a rule amplifies a relative error of its input (five Jordan
// steps: 3.4445^5 = 485; a polar map regularized at 1e-2 of gradients of order 1: about 500).
#include "muonflow/linalg/qr.hpp"
#include "tests/laws/law_support.hpp"

namespace muonflow::optim::laws {
namespace {

constexpr double kAmplification = 1000;
constexpr int kSteps = 3;

// What a rule takes off the weights in step kSteps, lr = 1: D, or W - D where D is the new weights.
template <class T>
Matrix<T> step_of(const RuleEntry& entry, const Matrix<T>& W, const std::vector<Matrix<T>>& G) {
  const auto kernel = entry.make()->kernel(T{});
  Rng rng(kSeed, 7);
  const auto state = kernel->start(W.rows(), W.cols(), rng);
  linalg::Workspace<T> scratch;
  Matrix<T> D(W.rows(), W.cols());
  for (std::size_t t = 0; t < G.size(); ++t) {
    const StepContext<T> at{W, G[t], 1.0, 1.0, static_cast<std::int64_t>(t), rng, scratch};
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
         static_cast<double>(std::numeric_limits<T>::epsilon()) * static_cast<double>(step.norm());
}

constexpr std::array<std::pair<Index, Index>, 4> kShapes{{{16, 24}, {24, 16}, {12, 12}, {1, 8}}};

template <class T>
void orthogonal_equivariance(const RuleEntry& entry) {
  for (const auto& [m, n] : kShapes) {
    SCOPED_TRACE(testing::Message() << m << " x " << n << " of " << sizeof(T) << " bytes");
    const Matrix<T> U = linalg::qr<T>(random_matrix<T>(m, m, 1)).q;
    const Matrix<T> V = linalg::qr<T>(random_matrix<T>(n, n, 2)).q;
    const auto turned = [&](const Matrix<T>& a) { return U * a * V.transpose(); };
    const auto W = random_matrix<T>(m, n, 3);
    const auto G = gradients<T>(m, n);
    const auto S = step_of<T>(entry, W, G);
    const auto turned_S = step_of<T>(entry, turned(W), mapped<T>(G, turned));
    EXPECT_GT(S.norm(), 0);
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
    EXPECT_GT(S.norm(), 0);
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
      EXPECT_GT(S.norm(), 0);
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

TEST_P(RuleLaw, OrthogonalEquivariance) {
  if (!has(entry().info.traits, Trait::orthogonal_equivariant)) GTEST_SKIP() << "not declared";
  orthogonal_equivariance<float>(entry());
  orthogonal_equivariance<double>(entry());
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

// The two scalar types are one rule: float's steps are double's up to its rounding.
TEST_P(RuleLaw, FloatFollowsDouble) {
  if (has(entry().info.traits, Trait::random)) GTEST_SKIP() << "draws in its own precision";
  for (const auto& [m, n] : kShapes) {
    const auto in_float =
        step_of<float>(entry(), random_matrix<float>(m, n, 3), gradients<float>(m, n));
    const auto in_double =
        step_of<double>(entry(), random_matrix<double>(m, n, 3), gradients<double>(m, n));
    EXPECT_GT(in_double.norm(), 0);
    EXPECT_LE((in_float.cast<double>() - in_double).norm(), tolerance(in_float));
  }
}

MUONFLOW_EVERY_RULE(RuleLaw);

}  // namespace
}  // namespace muonflow::optim::laws

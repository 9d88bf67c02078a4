// Rules that become one another where their options say so, and what rules must keep: the powers of
// the spectrum (freon, kaon), the preconditioners (shampoo, soap, asgo, dasgo), the rotations
// (pion).
#include <algorithm>
#include <nlohmann/json.hpp>

#include "muonflow/core/file.hpp"
#include "muonflow/core/safetensors.hpp"
#include "muonflow/linalg/chaotic_map.hpp"
#include "muonflow/linalg/polar.hpp"
#include "muonflow/linalg/svd.hpp"
#include "muonflow/optim/replay.hpp"
#include "tests/laws/law_support.hpp"

namespace muonflow::optim::laws {
namespace {

template <class T>
class ReductionLaw : public testing::Test {};
using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(ReductionLaw, Scalars);

constexpr std::array<std::pair<Index, Index>, 5> kKernelShapes{
    {{16, 24}, {24, 16}, {12, 12}, {1, 8}, {5, 1}}};

// A rule at work on one matrix: D of each step, or the new weights where that is what it returns.
template <class T>
class KernelWalk {
 public:
  KernelWalk(const std::string& rule, const Json& options, Index rows, Index cols)
      : resolved_(resolve_rule(rule, options)),
        kernel_(resolved_.rule->kernel(T{})),
        state_(kernel_->start(rows, cols, rng_)) {}

  Matrix<T> step(const Matrix<T>& W, const Matrix<T>& G, double lr = 1) {
    Matrix<T> D(G.rows(), G.cols());
    const StepContext<T> at{W, G, lr, 1.0, t_++, rng_, scratch_};
    const StepResult result = kernel_->step(at, *state_, D);
    EXPECT_TRUE(result.outcome.ok());
    skipped_ = result.skip;
    return D;
  }
  Matrix<T> step(const Matrix<T>& G) { return step(Matrix<T>::Zero(G.rows(), G.cols()), G); }
  bool skipped() const { return skipped_; }
  RuleState<T>& state() { return *state_; }
  const RuleKernel<T>& kernel() const { return *kernel_; }

 private:
  Rng rng_{kSeed, 7};
  ResolvedRule resolved_;
  std::unique_ptr<RuleKernel<T>> kernel_;
  std::unique_ptr<RuleState<T>> state_;
  linalg::Workspace<T> scratch_;
  std::int64_t t_ = 0;
  bool skipped_ = false;
};

template <class T>
Matrix<T> gradient(Index rows, Index cols, std::uint64_t t) {
  return random_matrix<T>(rows, cols, 50 + t);
}

// c n eps |b|; c is what the comparison amplifies a rounding error by.
template <class T>
void expect_same(const Matrix<T>& a, const Matrix<T>& b, double c) {
  const double unit = static_cast<double>(std::max(b.rows(), b.cols())) *
                      static_cast<double>(std::numeric_limits<T>::epsilon());
  EXPECT_GT(b.norm(), T(0));
  EXPECT_LE(static_cast<double>((a - b).norm()), c * unit * static_cast<double>(b.norm()));
}

// Its condition number: what a polar factor or an inverse root makes of a relative error of a.
template <class T>
double condition(const Matrix<T>& a) {
  const Vector<T> s = linalg::singular_values<T>(a);
  return static_cast<double>(s(0)) / static_cast<double>(s(s.size() - 1));
}

// -- freon ------------------------------------------------------------------------------------

TYPED_TEST(ReductionLaw, FreonAtOneHalfIsMuonWithTheExactPolarFactor) {
  using T = TypeParam;
  for (const auto& [m, n] : kKernelShapes) {
    for (const char* normalization : {"covariant", "schatten", "none"}) {
      KernelWalk<T> freon("freon", {{"c", 0.5}, {"normalization", normalization}}, m, n);
      KernelWalk<T> muon("muon", {{"polar", "svd"}}, m, n);
      for (std::uint64_t t = 0; t < 3; ++t) {
        const auto G = gradient<T>(m, n, t);
        // The momenta are the same to the bit, and so is what both make of them up to rounding.
        expect_same<T>(freon.step(G), muon.step(G), 4);
      }
    }
  }
}

TYPED_TEST(ReductionLaw, FreonAtZeroIsNormalizedGradientDescent) {
  using T = TypeParam;
  for (const auto& [m, n] : kKernelShapes) {
    const double root = std::sqrt(static_cast<double>(std::min(m, n)));
    KernelWalk<T> covariant("freon", {{"c", 0}}, m, n);
    KernelWalk<T> schatten("freon", {{"c", 0}, {"normalization", "schatten"}}, m, n);
    KernelWalk<T> none("freon", {{"c", 0}, {"normalization", "none"}}, m, n);
    Matrix<T> M = Matrix<T>::Zero(m, n);
    for (std::uint64_t t = 0; t < 3; ++t) {
      const auto G = gradient<T>(m, n, t);
      M = static_cast<T>(0.95) * M + static_cast<T>(0.05) * G;
      const Matrix<T> Q = static_cast<T>(0.05) * G + static_cast<T>(0.95) * M;
      expect_same<T>(covariant.step(G), static_cast<T>(root) * Q / Q.norm(), 8);
      expect_same<T>(schatten.step(G), Q / Q.norm(), 8);
      expect_same<T>(none.step(G), Q, 8);
    }
  }
}

// At c = 1 the direction is the transposed pseudo-inverse times the geometric mean of the singular
// values, and what is below the floor stays out of both.
TYPED_TEST(ReductionLaw, FreonAtOneIsTheTransposedPseudoInverse) {
  using T = TypeParam;
  const Matrix<T> G = random_matrix<T>(12, 4, 1) * random_matrix<T>(4, 9, 2);  // rank 4
  KernelWalk<T> freon("freon", {{"c", 1}, {"momentum", 0}, {"floor", 1e-5}}, 12, 9);
  const Matrix<T> D = freon.step(G);
  const Vector<T> s = linalg::singular_values<T>(G);
  const double mean = std::exp(s.head(4).template cast<double>().array().log().mean());
  const double c = 10 * static_cast<double>(s(0) / s(3));  // a pseudo-inverse's own sensitivity
  expect_same<T>(G * D.transpose() * G, static_cast<T>(mean) * G, c);
  expect_same<T>(D * G.transpose() * D, static_cast<T>(mean) * D, c);
}

TEST(Freon, RefusesTheSchattenBallOfExponentZero) {
  EXPECT_THROW(resolve_rule("freon", Json{{"c", 1}, {"normalization", "schatten"}}), ConfigError);
}

// The steepest direction in the Schatten p-ball, 1/p + 1/q = 1: |D|_p = 1 and <G, D> = |G|_q.
TEST(Freon, SchattenDirectionIsSteepest) {
  const auto G = gradient<double>(10, 7, 0);
  for (const double c : {0.1, 0.25, 0.4}) {
    KernelWalk<double> freon("freon", {{"c", c}, {"momentum", 0}, {"normalization", "schatten"}},
                             10, 7);
    const auto D = freon.step(G);
    const double q = 2 * (1 - c), p = q / (q - 1);
    const auto norm = [](const Matrix<double>& a, double power) {
      const auto s = linalg::singular_values<double>(a);
      return std::pow(s.array().pow(power).sum(), 1 / power);
    };
    EXPECT_NEAR(norm(D, p), 1, 1e-13);
    EXPECT_NEAR(G.cwiseProduct(D).sum(), norm(G, q), 1e-13 * norm(G, q));
  }
}

// -- dasgo ------------------------------------------------------------------------------------

// The first step is the gradient with columns of equal length.
TYPED_TEST(ReductionLaw, DasgoFirstEqualizesColumns) {
  using T = TypeParam;
  for (const auto& [m, n] : kKernelShapes) {
    const auto G = gradient<T>(m, n, 0);
    KernelWalk<T> dasgo("dasgo", {{"eps", 0}}, m, n);
    const Matrix<T> equal = static_cast<T>(0.2 * std::sqrt(static_cast<double>(m))) * G *
                            G.colwise().norm().cwiseInverse().asDiagonal();
    expect_same<T>(dasgo.step(G), equal, 4);
  }
}

// -- asgo -------------------------------------------------------------------------------------

template <class T>
Matrix<T> exact_polar(Matrix<T> a) {
  linalg::Workspace<T> scratch;
  EXPECT_TRUE(linalg::polar<T>(a, {.method = linalg::PolarMethod::svd}, scratch).ok());
  return a;
}

// An inverse root of a Gram matrix knows the singular values of a up to eps condition^2.
template <class T>
double gram_condition(const Matrix<T>& a) {
  return 8 * condition(a) * condition(a);
}

TYPED_TEST(ReductionLaw, AsgoFirstIsThePolarFactor) {
  using T = TypeParam;
  for (const auto& [m, n] : kKernelShapes) {
    const auto G = gradient<T>(m, n, 0);
    KernelWalk<T> asgo("asgo", Json::object(), m, n);
    const double size = 0.2 * std::sqrt(static_cast<double>(std::max(m, n)));
    expect_same<T>(asgo.step(G), static_cast<T>(size) * exact_polar(G), gram_condition(G));
  }
}

// A gradient of low rank: the polar factor of its support, nothing elsewhere.
TEST(Asgo, TakesThePseudoInverseOfASingularGramMatrix) {
  const Matrix<double> G = random_matrix<double>(9, 3, 1) * random_matrix<double>(3, 14, 2);
  KernelWalk<double> asgo("asgo", Json::object(), 9, 14);
  const double size = 0.2 * std::sqrt(9.0 * 14 / 3);
  expect_same<double>(asgo.step(G), size * exact_polar(G), 1e4);
}

// -- shampoo ----------------------------------------------------------------------------------

const Json kNoMemory{{"beta1", 0}, {"beta2", 0}, {"grafting", "none"}, {"epsilon", 0}};

Json with(Json options, const Json& more) {
  options.update(more);
  return options;
}

TYPED_TEST(ReductionLaw, ShampooWithoutMemoryIsThePolarFactor) {
  using T = TypeParam;
  for (const auto& [m, n] : kKernelShapes) {
    KernelWalk<T> both("shampoo", kNoMemory, m, n);
    // One side alone takes the whole exponent, and works on the regular Gram matrix only.
    KernelWalk<T> one(
        "shampoo", with(kNoMemory, {{"k", 0.5}, {"one_sided", m <= n ? "left" : "right"}}), m, n);
    for (std::uint64_t t = 0; t < 3; ++t) {
      const auto G = gradient<T>(m, n, t);
      expect_same<T>(both.step(G), exact_polar(G), gram_condition(G));
      expect_same<T>(one.step(G), exact_polar(G), gram_condition(G));
    }
  }
}

// Freon's powers with half the exponent on each side.
TEST(Shampoo, WithoutMemoryIsFreonAtTwiceTheExponent) {
  const auto G = gradient<double>(10, 10, 0);
  for (const double k : {0.1, 0.25, 0.3, 0.5}) {
    KernelWalk<double> shampoo("shampoo", with(kNoMemory, {{"k", k}}), 10, 10);
    KernelWalk<double> freon("freon", {{"c", 2 * k}, {"momentum", 0}, {"normalization", "none"}},
                             10, 10);
    expect_same<double>(shampoo.step(G), freon.step(G), gram_condition(G));
  }
}

TYPED_TEST(ReductionLaw, ShampooWithOneGreatBlockIsShampoo) {
  using T = TypeParam;
  for (const auto& [m, n] : kKernelShapes) {
    KernelWalk<T> plain("shampoo", {{"precondition_frequency", 2}}, m, n);
    KernelWalk<T> blocked("shampoo", {{"precondition_frequency", 2}, {"block_size", 24}}, m, n);
    for (std::uint64_t t = 0; t < 4; ++t) {
      const auto G = gradient<T>(m, n, t);
      EXPECT_TRUE(plain.step(G) == blocked.step(G));
    }
  }
}

// Blocks are matrices of their own, those at the ends smaller than the others.
TYPED_TEST(ReductionLaw, ShampooInBlocksIsShampooOfEachBlock) {
  using T = TypeParam;
  const Index m = 10, n = 7, b = 4;
  const Json options{{"grafting", "none"}, {"precondition_frequency", 2}};
  KernelWalk<T> blocked("shampoo", with(options, {{"block_size", b}}), m, n);
  std::vector<std::unique_ptr<KernelWalk<T>>> parts;
  for (std::uint64_t t = 0; t < 4; ++t) {
    const auto G = gradient<T>(m, n, t);
    Matrix<T> expected(m, n);
    std::size_t part = 0;
    for (Index row = 0; row < m; row += b) {
      for (Index col = 0; col < n; col += b, ++part) {
        const Index rows = std::min(b, m - row), cols = std::min(b, n - col);
        if (t == 0)
          parts.push_back(std::make_unique<KernelWalk<T>>("shampoo", options, rows, cols));
        expected.block(row, col, rows, cols) = parts[part]->step(G.block(row, col, rows, cols));
      }
    }
    EXPECT_TRUE(blocked.step(G) == expected);
  }
}

TEST(Shampoo, GraftingGivesTheSize) {
  const auto G = gradient<double>(12, 20, 0);
  KernelWalk<double> none("shampoo", {{"grafting", "none"}}, 12, 20);
  const auto D = none.step(G);
  KernelWalk<double> rms("shampoo", {{"grafting", "rms"}}, 12, 20);
  KernelWalk<double> adam("shampoo", {{"grafting", "adam"}}, 12, 20);
  const double norm = D.norm();
  // Adam's first step is the sign.
  expect_same<double>(rms.step(G), 0.2 * std::sqrt(240.0) / (norm + 1e-8) * D, 4);
  const Matrix<double> sign = G.array() / (G.array().abs() + 1e-8);
  expect_same<double>(adam.step(G), sign.norm() / (norm + 1e-8) * D, 4);
}

// Between two computations the roots stay those of the last one.
TEST(Shampoo, RootsAreKeptBetweenTheirComputations) {
  const Json options{{"grafting", "none"}, {"beta1", 0}, {"precondition_frequency", 3}};
  KernelWalk<double> shampoo("shampoo", options, 6, 6);
  const auto first = gradient<double>(6, 6, 0);
  const auto D = shampoo.step(first);
  shampoo.step(gradient<double>(6, 6, 1));
  expect_same<double>(shampoo.step(first), D, 4);
  const auto fresh = shampoo.step(first);
  EXPECT_GT((fresh - D).norm(), 1e-3 * D.norm());
}

// -- soap -------------------------------------------------------------------------------------

// With the identity for a basis SOAP is Adam, whose first step is SOAP's second.
template <class T>
void soap_is_adam(KernelWalk<T>& soap, Index m, Index n) {
  KernelWalk<T> adam("adamw", {{"betas", {0.95, 0.95}}, {"eps", 0}}, m, n);
  const auto W = gradient<T>(m, n, 9);
  soap.step(W, gradient<T>(m, n, 0));
  EXPECT_TRUE(soap.skipped());
  for (std::uint64_t t = 1; t < 6; ++t) {
    const auto G = gradient<T>(m, n, t);
    expect_same<T>(soap.step(G), adam.step(G), 8);
    EXPECT_FALSE(soap.skipped());
  }
}

template <class T>
class Identities final : public StateVisitor<T> {
 public:
  using StateVisitor<T>::StateVisitor;

 private:
  void visit(std::string_view name, Matrix<T>& value, Index, Index, bool) override {
    if (name == "QL" || name == "QR") value.setIdentity();
  }
};

TYPED_TEST(ReductionLaw, SoapWithIdentityBasesIsAdam) {
  using T = TypeParam;
  for (const auto& [m, n] : kKernelShapes) {
    KernelWalk<T> without("soap", {{"eps", 0}, {"max_precond_dim", 0}}, m, n);
    soap_is_adam(without, m, n);
    KernelWalk<T> given("soap", {{"eps", 0}, {"precondition_frequency", 100}}, m, n);
    Identities<T> identities(m, n);
    given.kernel().visit(given.state(), identities);
    soap_is_adam(given, m, n);
  }
}

// In its basis a diagonal gradient is diagonal: all of Adam's steps are signs while it stays the
// same, so D = U V' is the polar factor.
TYPED_TEST(ReductionLaw, SoapOnAConstantGradientIsThePolarFactor) {
  using T = TypeParam;
  const auto G = gradient<T>(8, 8, 0);
  KernelWalk<T> soap("soap", {{"eps", 1e-3}, {"precondition_frequency", 2}}, 8, 8);
  soap.step(G);
  for (int t = 1; t < 5; ++t) {
    const Matrix<T> D = soap.step(G);
    const double unit = static_cast<double>(std::numeric_limits<T>::epsilon());
    // Off the diagonal Adam sees rounding, which eps keeps small; on it eps takes 1e-3 / s.
    const auto s = linalg::singular_values<T>(G);
    const double lost = 1e-3 / static_cast<double>(s(7));
    EXPECT_LE(static_cast<double>((D - exact_polar(G)).norm()),
              std::sqrt(8.0) * lost * 8 + 1e3 * 64 * unit * condition(G));
  }
}

// -- pion -------------------------------------------------------------------------------------

template <class T>
Matrix<T> turned(const char* retraction, const char* sides, double lr, int steps, Index m,
                 Index n) {
  KernelWalk<T> pion("pion", {{"retraction", retraction}, {"sides", sides}}, m, n);
  Matrix<T> W = gradient<T>(m, n, 90);
  for (int t = 0; t < steps; ++t) {
    W = pion.step(W, gradient<T>(m, n, static_cast<std::uint64_t>(t)), lr);
  }
  return W;
}

double drift(const Matrix<double>& a, const Matrix<double>& b) {
  const auto s = linalg::singular_values<double>(a);
  return (linalg::singular_values<double>(b) - s).norm() / s.norm();
}

TYPED_TEST(ReductionLaw, PionByRotationsKeepsSingularValues) {
  using T = TypeParam;
  for (const auto& [m, n] : kKernelShapes) {
    for (const char* sides : {"both", "alternating"}) {
      for (const char* retraction : {"cayley", "exp"}) {
        const auto W = gradient<T>(m, n, 90);
        const auto moved = turned<T>(retraction, sides, 0.5, 20, m, n);
        // n eps for each of 20 steps of two rotations.
        const double unit = static_cast<double>(std::max(m, n)) *
                            static_cast<double>(std::numeric_limits<T>::epsilon());
        EXPECT_LE(drift(W.template cast<double>(), moved.template cast<double>()), 40 * unit);
        EXPECT_GT(static_cast<double>((moved - W).norm()), 0.1);  // and they did turn
      }
    }
  }
}

// E' E = I + X^4 / 4 for E = I + X + X^2 / 2, so the drift of one step is of fourth order in lr.
TEST(Pion, SecondOrderTaylorDriftsWithTheFourthPower) {
  for (const char* sides : {"both", "alternating"}) {
    const auto W = gradient<double>(12, 18, 90);
    const auto of = [&](double lr) {
      return drift(W, turned<double>("taylor2", sides, lr, 1, 12, 18));
    };
    const double slope = std::log2(of(0.02) / of(0.005)) / 2;
    EXPECT_NEAR(slope, 4, 0.05) << sides;
  }
}

TEST(Pion, RetractionsAgreeToSecondOrder) {
  const auto difference = [](const char* retraction, double lr) {
    return (turned<double>(retraction, "both", lr, 1, 12, 18) -
            turned<double>("exp", "both", lr, 1, 12, 18))
        .norm();
  };
  for (const char* retraction : {"taylor2", "cayley"}) {
    const double slope =
        std::log2(difference(retraction, 0.02) / difference(retraction, 0.005)) / 2;
    EXPECT_NEAR(slope, 3, 0.05) << retraction;
  }
}

// The change of an entry is rms lr, root mean square, to first order; only the side whose turn it
// is moves: rows stay in the space of the rows of W where the in side rests.
TEST(Pion, ChangeHasTheAskedSizeAndSide) {
  const double lr = 1e-6;
  KernelWalk<double> pion("pion", {{"sides", "alternating"}}, 10, 6);
  Matrix<double> W = gradient<double>(10, 6, 90);
  for (int t = 0; t < 4; ++t) {
    const Matrix<double> next =
        pion.step(W, gradient<double>(10, 6, static_cast<std::uint64_t>(t)), lr);
    const double rms = (next - W).norm() / std::sqrt(60.0);
    EXPECT_NEAR(rms / (0.2 * lr), 1, 1e-4);
    // In: W W' stays. Out: W' W stays.
    const double left = (next * next.transpose() - W * W.transpose()).norm();
    const double right = (next.transpose() * next - W.transpose() * W).norm();
    EXPECT_LE(t % 2 == 0 ? left : right, 1e-12);
    EXPECT_GT(t % 2 == 0 ? right : left, 1e-9);
    W = next;
  }
}

// -- kaon -------------------------------------------------------------------------------------

// On singular values alone, by the scalar map; the comparison is as sensitive as the map.
TYPED_TEST(ReductionLaw, KaonMapsSingularValuesByItsScalarMap) {
  using T = TypeParam;
  const linalg::ChaoticMap map{};
  for (const auto& [m, n] : kKernelShapes) {
    const auto G = gradient<T>(m, n, 0);
    KernelWalk<T> kaon("kaon", {{"momentum", 0}, {"nesterov", false}}, m, n);
    const Matrix<T> D = kaon.step(G);
    if (std::min(m, n) == 1) {
      // A lone singular value is 1 - e after the division by the norm, e from eps and rounding;
      // the map has a double zero at 1, (2 e)^2 is left, and later steps multiply it by the gain.
      const double e = map.eps / static_cast<double>(G.norm()) +
                       8 * static_cast<double>(std::numeric_limits<T>::epsilon());
      EXPECT_LE(static_cast<double>(D.norm()), std::pow(map.gain, map.ns_steps) * 4 * e * e);
      continue;
    }
    auto f = linalg::svd<double>(G.template cast<double>());
    Vector<double> s = f.s;
    for (Index i = 0; i < s.size(); ++i) {
      s(i) = linalg::chaotic_value(f.s(i) / (f.s.norm() + map.eps), map);
    }
    const Matrix<double> expected = f.u * s.asDiagonal() * f.vt;
    EXPECT_LE(s.cwiseAbs().maxCoeff(), 1);
    expect_same<T>(D, expected.template cast<T>(), linalg::rounding_growth(map));
  }
}

// -- presets ----------------------------------------------------------------------------------

// A preset is the recorded run of its source (tests/golden) where that run is given what it set
// otherwise.
TEST(Presets, AreTheirSources) {
  const std::string folder = std::string(MUONFLOW_TEST_DATA) + "/golden/";
  const Json manifest = Json::parse(read_text_file(folder + "manifest.json"));
  struct Source {
    const char* preset;
    const char* recorded;
    Json otherwise;
  };
  const std::vector<Source> sources{
      {"asgo.official", "asgo", Json::object()},
      {"dasgo.official", "dasgo", {{"eps", 1e-10}}},
      {"freon.cifar", "freon_two_thirds", Json::object()},
      {"kaon.cifar", "kaon", Json::object()},
      {"pion.alternating", "pion_alternating", Json::object()},
      {"pion.bilateral", "pion_both", {{"rms", 1}}},
      {"shampoo.quarter", "shampoo_quarter_adam", Json::object()},
      {"shampoo.half", "shampoo_half_none", {{"grafting", "none"}}},
      {"soap.reference", "soap_square", {{"weight_decay", 0}}},
  };
  for (const auto& [preset, recorded, otherwise] : sources) {
    SCOPED_TRACE(preset);
    const auto& cases = manifest["cases"];
    const auto item = std::find_if(cases.begin(), cases.end(),
                                   [&](const Json& one) { return one["case"] == recorded; });
    ASSERT_NE(item, cases.end());
    const auto input = read_safetensors(folder + (*item)["input"].get<std::string>()).tensors;
    const Json options = with({{"lr", (*item)["options"]["lr"]}}, otherwise);
    const auto rule = (*item)["rule"].get<std::string>();
    const auto got = replay(input, {.rule = preset, .options = OptionsTree(options)});
    const auto spelt = replay(input, {.rule = rule, .options = OptionsTree((*item)["options"])});
    EXPECT_TRUE(same_bits(got, spelt));
  }
}

}  // namespace
}  // namespace muonflow::optim::laws

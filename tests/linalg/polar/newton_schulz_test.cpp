#include "muonflow/linalg/polar/newton_schulz.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "muonflow/core/error.hpp"
#include "muonflow/linalg/coefficients.hpp"
#include "muonflow/linalg/polar.hpp"
#include "tests/reference/matrices.hpp"
#include "tests/reference/spectral.hpp"

namespace muonflow::linalg {
namespace {

std::vector<OddPolynomial> steps_of(PolarMethod method, std::int64_t count) {
  const Polar options{.method = method, .ns_steps = count};
  std::vector<OddPolynomial> steps;
  for (std::int64_t t = 0; t < count; ++t) steps.push_back(options.step(t));
  return steps;
}

// What the composition makes of each singular value, in long double.
template <class T>
Matrix<double> twin(const Matrix<T>& a, double divisor, const std::vector<OddPolynomial>& steps) {
  return reference::map_singular_values(reference::jacobi_svd(a.template cast<double>()),
                                        [&](long double s) {
                                          long double x = s / static_cast<long double>(divisor);
                                          for (const auto& p : steps) {
                                            long double sum = 0;
                                            for (std::size_t k = p.terms; k-- > 0;)
                                              sum = p[k] + x * x * sum;
                                            x *= sum;
                                          }
                                          return x;
                                        });
}

TEST(NewtonSchulz, NoStepsOnlyDivide) {
  const Matrix<double> a = reference::gaussian(4, 7, 71);
  Matrix<double> x = a;
  Scratch scratch;
  ASSERT_TRUE(newton_schulz<double>(x, {.divisor = a.norm()}, scratch).ok());
  EXPECT_LE((x - a / a.norm()).norm(), 1e-15);
}

TEST(NewtonSchulz, ALinearStepIsRefused) {
  Matrix<double> x = reference::gaussian(4, 7, 71);
  const std::vector<OddPolynomial> steps{OddPolynomial{2.0}};
  Scratch scratch;
  EXPECT_THROW((void)newton_schulz<double>(x, {.steps = steps}, scratch), ConfigError);
}

// After enough classic steps a well-conditioned matrix is orthogonal to roundoff.
TEST(NewtonSchulz, ClassicConverges) {
  const auto steps = steps_of(PolarMethod::classic, 25);
  for (const auto& [m, n] : {std::pair<Index, Index>{6, 9}, {9, 6}, {80, 90}}) {
    Matrix<double> x = reference::with_spectrum(m, n, reference::geometric(std::min(m, n), 10), 72);
    Scratch scratch;
    ASSERT_TRUE(newton_schulz<double>(x, {.steps = steps, .divisor = x.norm()}, scratch).ok());
    const Index r = std::min(m, n);
    Matrix<double> gram =
        m <= n ? Matrix<double>(x * x.transpose()) : Matrix<double>(x.transpose() * x);
    gram.diagonal().array() -= 1;
    EXPECT_LE(gram.norm(), 1e-15 * 16 * static_cast<double>(r));
  }
}

// Any degree: Horner's rule in A^2 takes another path for every number of terms.
TEST(NewtonSchulz, EveryDegreeIsThePolynomial) {
  for (std::size_t terms = 2; terms <= OddPolynomial::kMaxTerms; ++terms) {
    OddPolynomial p;
    p.terms = terms;
    for (std::size_t k = 0; k < terms; ++k) {
      p.coefficients[k] = (k % 2 ? -1.0 : 1.5) / static_cast<double>(1 + k);
    }
    const std::vector<OddPolynomial> steps{p, kClassic};
    for (const auto formulation : {Formulation::direct, Formulation::gram}) {
      const Matrix<double> a = reference::gaussian(21, 34, 73);
      Matrix<double> x = a;
      Scratch scratch;
      const NewtonSchulz iteration{.steps = steps, .divisor = a.norm(), .formulation = formulation};
      ASSERT_TRUE(newton_schulz<double>(x, iteration, scratch).ok());
      EXPECT_LE(reference::distance(x, twin(a, a.norm(), steps)), 1e-14 * 34) << terms;
    }
  }
}

// The restart policy reads the data: a matrix whose singular values lie close together runs through
// without a restart, and one of condition 1e6 is as accurate as the direct formulation. What the
// policy prevents is shown by a tolerance that allows everything.
TEST(NewtonSchulz, GramRestartsWhereTheConditionDemandsIt) {
  const auto steps = steps_of(PolarMethod::polar_express, 7);
  const auto distance_of = [&](double condition, const NewtonSchulz& how, IterationReport& report) {
    const Matrix<float> a =
        reference::with_spectrum(48, 96, reference::geometric(48, condition), 74).cast<float>();
    NewtonSchulz iteration = how;
    iteration.steps = steps;
    iteration.divisor = a.norm();
    Matrix<float> x = a;
    Scratch scratch;
    EXPECT_TRUE(newton_schulz<float>(x, iteration, scratch, &report).ok());
    const Matrix<double> expected = twin(a, a.norm(), steps);
    return reference::distance(x.cast<double>(), expected) / expected.norm();
  };
  IterationReport report;
  EXPECT_LE(distance_of(1.5, {.formulation = Formulation::gram}, report), 1e-5);
  const int calm = report.restarts;
  for (const double condition : {1e1, 1e2, 1e3, 1e4, 1e5, 1e6}) {
    IterationReport gram;
    IterationReport direct;
    const double by_gram = distance_of(condition, {.formulation = Formulation::gram}, gram);
    const double directly = distance_of(condition, {.formulation = Formulation::direct}, direct);
    EXPECT_EQ(direct.restarts, 0);
    EXPECT_EQ(gram.formulation, Formulation::gram);
    // The policy allows 512 u of amplified rounding.
    EXPECT_LE(by_gram, 2 * directly + 512 * 6e-8) << condition;
    EXPECT_GE(gram.restarts, calm);
    if (condition >= 1e3) {
      EXPECT_GT(gram.restarts, calm);
      IterationReport blind;
      const double without =
          distance_of(condition, {.formulation = Formulation::gram, .tolerance = 1e30}, blind);
      EXPECT_EQ(blind.restarts, 0);
      EXPECT_GT(without, 10 * by_gram) << condition;
    }
  }
}

}  // namespace
}  // namespace muonflow::linalg

#include "muonflow/linalg/polar.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "muonflow/core/error.hpp"
#include "muonflow/core/parallel.hpp"
#include "muonflow/linalg/coefficients.hpp"
#include "tests/reference/matrices.hpp"
#include "tests/reference/spectral.hpp"

namespace muonflow::linalg {
namespace {

using reference::Strided;

template <class T>
class PolarTest : public ::testing::Test {};
using Scalars = ::testing::Types<float, double>;
TYPED_TEST_SUITE(PolarTest, Scalars);

constexpr std::array kPolynomial{PolarMethod::jordan,
                                 PolarMethod::you,
                                 PolarMethod::polar_express,
                                 PolarMethod::polar_express_paper,
                                 PolarMethod::polar_express_dion,
                                 PolarMethod::cans,
                                 PolarMethod::classic};

// The method's twin: the same polynomials on the singular values, in long double.
Matrix<double> twin(const reference::LongSvd& a, const Polar& options) {
  long double squares = 0;
  for (const long double s : a.s) squares += s * s;
  const bool baked = options.method == PolarMethod::polar_express_dion;
  const double norm = (baked ? 1.02 : 1.0) * static_cast<double>(std::sqrt(squares));
  const double divisor =
      options.eps_mode == EpsMode::add ? norm + options.eps : std::max(norm, options.eps);
  return reference::map_singular_values(a, [&](long double s) -> long double {
    long double x = s > 0 ? s / divisor : 0;
    for (std::int64_t t = 0; t < options.step_count(); ++t) {
      const OddPolynomial p = options.step(t);
      x = x * (p[0] + x * x * (p[1] + x * x * p[2]));
    }
    return x;
  });
}

// How much an error in the input of any step can have grown when the last step is done: the largest
// product of slopes along the way of a singular value in [0, 1].
double growth(const Polar& options) {
  constexpr int kPoints = 500;
  double largest = 1;
  for (int i = 0; i <= kPoints; ++i) {
    double x = static_cast<double>(i) / kPoints;
    double slope = 1;
    for (std::int64_t t = 0; t < options.step_count(); ++t) {
      const OddPolynomial p = options.step(t);
      slope = std::max(1.0, slope) * std::abs(p.derivative(x));
      x = p(x);
      largest = std::max(largest, slope);
    }
  }
  return largest;
}

// A few roundings a step, in every direction.
template <class T>
double tolerance(const Polar& options, Index r) {
  return 8 * growth(options) * static_cast<double>(std::numeric_limits<T>::epsilon()) *
         std::sqrt(static_cast<double>(r));
}

template <class T>
void expect_like_twin(const Matrix<T>& a, const reference::LongSvd& decomposed,
                      const Polar& options) {
  Strided<T> x(a, 3);
  Workspace<T> workspace;
  ASSERT_TRUE(polar<T>(x.ref(), options, workspace).ok());
  const Matrix<double> expected = twin(decomposed, options);
  EXPECT_LE(reference::distance(x.values().template cast<double>(), expected),
            tolerance<T>(options, std::min(a.rows(), a.cols())))
      << enum_name(options.method) << " " << a.rows() << "x" << a.cols();
  EXPECT_TRUE(x.gaps_untouched());
}

TYPED_TEST(PolarTest, PolynomialsAgreeWithTheirTwinsForEveryShape) {
  using T = TypeParam;
  for (const auto& [m, n] : reference::shapes()) {
    const Matrix<T> a = reference::gaussian(m, n, 41).template cast<T>();
    const auto decomposed = reference::jacobi_svd(a.template cast<double>());
    for (const PolarMethod method : kPolynomial) {
      expect_like_twin<T>(a, decomposed, {.method = method});
      expect_like_twin<T>(a, decomposed, {.method = method, .ns_steps = 8, .eps = 0.5});
      expect_like_twin<T>(a, decomposed,
                          {.method = method, .ns_steps = 3, .eps = 20, .eps_mode = EpsMode::max});
    }
  }
}

TYPED_TEST(PolarTest, PolynomialsAgreeWithTheirTwinsForHardSpectra) {
  using T = TypeParam;
  for (const auto& [m, n] : {std::pair<Index, Index>{12, 30}, {30, 12}, {20, 20}}) {
    const Index r = std::min(m, n);
    std::vector<double> deficient(static_cast<std::size_t>(r), 0.0);
    deficient[0] = 3;
    deficient[1] = 1;
    std::vector<double> one(static_cast<std::size_t>(r), 0.0);
    one[0] = 2;
    for (const auto& s : {reference::geometric(r, sizeof(T) == 4 ? 1e6 : 1e12), deficient, one}) {
      const Matrix<T> a = reference::with_spectrum(m, n, s, 42).template cast<T>();
      const auto decomposed = reference::jacobi_svd(a.template cast<double>());
      for (const PolarMethod method : kPolynomial)
        expect_like_twin<T>(a, decomposed, {.method = method});
    }
  }
}

// The formula decides what tiny inputs become: with eps = 1e-7 added to the norm they shrink, with
// eps = 0 the scale drops out.
TYPED_TEST(PolarTest, ScaleFollowsTheFormula) {
  using T = TypeParam;
  const Matrix<double> base = reference::gaussian(9, 14, 43);
  for (const double scale : {1e-30, 1e-7, 1e30}) {
    const Matrix<T> a = (scale * base).template cast<T>();
    const auto decomposed = reference::jacobi_svd(a.template cast<double>());
    for (const PolarMethod method : kPolynomial) {
      expect_like_twin<T>(a, decomposed, {.method = method});
      expect_like_twin<T>(a, decomposed, {.method = method, .eps = 0});
    }
  }
  Workspace<T> workspace;
  Matrix<T> tiny = (1e-30 * base).template cast<T>();
  ASSERT_TRUE(polar<T>(tiny, {}, workspace).ok());
  EXPECT_LT(static_cast<double>(tiny.norm()), 1e-19);  // 485 * 1e-30 * 11 / 1e-7
}

// The AOL scaling by its definition, then the table on the singular values of what it gives.
TYPED_TEST(PolarTest, TurboIsItsTableOnScaledRows) {
  using T = TypeParam;
  Workspace<T> workspace;
  for (const auto& [m, n] : {std::pair<Index, Index>{1, 9}, {12, 12}, {20, 70}, {70, 20}}) {
    for (const double scale : {1e-20, 1.0, 1e15}) {
      const Matrix<T> a = (scale * reference::gaussian(m, n, 52)).template cast<T>();
      Matrix<double> wide = a.template cast<double>();
      if (m > n) wide = wide.transpose().eval();
      const Matrix<double> gram = wide * wide.transpose();
      for (Index i = 0; i < wide.rows(); ++i) {
        wide.row(i) /= std::sqrt(gram.row(i).cwiseAbs().sum());
      }
      const Polar options{.method = PolarMethod::turbo, .eps = 0};
      EXPECT_EQ(options.step_count(), 4);
      Matrix<double> expected =
          reference::map_singular_values(reference::jacobi_svd(wide), [&](long double x) {
            for (std::int64_t t = 0; t < options.step_count(); ++t) {
              const OddPolynomial p = options.step(t);
              x = x * (p[0] + x * x * (p[1] + x * x * p[2]));
            }
            return x;
          });
      if (m > n) expected = expected.transpose().eval();
      Matrix<T> x = a;
      ASSERT_TRUE(polar<T>(x, options, workspace).ok());
      EXPECT_LE(reference::distance(x.template cast<double>(), expected),
                tolerance<T>(options, std::min(m, n)))
          << m << "x" << n << " scale " << scale;
    }
  }
}

// Turbo's rows have sizes of their own: neither eps nor the size of the whole matters, and a row
// too small for its square becomes zero instead of something longer than 1.
TYPED_TEST(PolarTest, TurboTakesTinyMatricesAndTinyRows) {
  using T = TypeParam;
  Workspace<T> workspace;
  const Matrix<T> a = reference::gaussian(9, 12, 54).template cast<T>();
  Matrix<T> expected = a;
  ASSERT_TRUE(polar<T>(expected, {.method = PolarMethod::turbo, .eps = 0}, workspace).ok());
  Matrix<T> tiny = std::ldexp(T(1), -100) * a;
  ASSERT_TRUE(polar<T>(tiny, {.method = PolarMethod::turbo}, workspace).ok());
  EXPECT_TRUE(tiny == expected);
  for (int power = 0; power >= 2 * std::numeric_limits<T>::min_exponent; power -= 5) {
    Matrix<T> x = a;
    x.row(4) *= std::ldexp(T(1), power);
    ASSERT_TRUE(polar<T>(x, {.method = PolarMethod::turbo}, workspace).ok()) << power;
    EXPECT_LT(static_cast<double>(x.row(4).norm()), 1.06) << power;
    EXPECT_NEAR(static_cast<double>(x.row(5).norm()), 1, 0.06) << power;
  }
}

TYPED_TEST(PolarTest, DenormalEntriesAreDividedByTheirTrueNorm) {
  using T = TypeParam;
  const T denormal = 100 * std::numeric_limits<T>::denorm_min();
  Workspace<T> workspace;
  Matrix<T> x = Matrix<T>::Constant(4, 4, denormal);
  ASSERT_TRUE(
      polar<T>(x, {.method = PolarMethod::classic, .ns_steps = 2, .eps = 0}, workspace).ok());
  // One singular value, 1 after the division, and the classic step fixes 1.
  EXPECT_LE((x - Matrix<T>::Constant(4, 4, T(0.25))).norm(),
            16 * std::numeric_limits<T>::epsilon());
}

TYPED_TEST(PolarTest, ZeroGivesZero) {
  using T = TypeParam;
  for (const PolarMethod method :
       {PolarMethod::jordan, PolarMethod::polar_express, PolarMethod::classic, PolarMethod::svd}) {
    for (const double eps : {0.0, 1e-7}) {
      Matrix<T> x = Matrix<T>::Zero(5, 8);
      Workspace<T> workspace;
      EXPECT_TRUE(polar<T>(x, {.method = method, .eps = eps}, workspace).ok());
      EXPECT_TRUE(x.isZero(0));
    }
  }
}

TYPED_TEST(PolarTest, NotFiniteInputIsLeftAlone) {
  using T = TypeParam;
  for (const PolarMethod method : {PolarMethod::jordan, PolarMethod::svd}) {
    for (const T bad : {std::numeric_limits<T>::quiet_NaN(), std::numeric_limits<T>::infinity()}) {
      Matrix<T> x = reference::gaussian(6, 7, 44).template cast<T>();
      x(2, 3) = bad;
      const Matrix<T> before = x;
      Workspace<T> workspace;
      const Outcome outcome = polar<T>(x, {.method = method}, workspace);
      EXPECT_EQ(outcome.status, Status::non_finite_input);
      EXPECT_FALSE(outcome.changed);
      x(2, 3) = before.coeff(0, 0);
      Matrix<T> mended = before;
      mended(2, 3) = before.coeff(0, 0);
      EXPECT_TRUE(x == mended);
    }
  }
}

TYPED_TEST(PolarTest, SvdIsThePolarFactorOnTheSupport) {
  using T = TypeParam;
  Workspace<T> workspace;
  for (const auto& [m, n] : reference::shapes()) {
    const Matrix<T> a = reference::gaussian(m, n, 45).template cast<T>();
    Strided<T> x(a, 2);
    ASSERT_TRUE(polar<T>(x.ref(), {.method = PolarMethod::svd}, workspace).ok());
    const Matrix<double> wide = a.template cast<double>();
    // The map's own condition is 1 / s_min; the float result is that of double, rounded once.
    const auto s = reference::jacobi_svd(wide).s;
    const double unit =
        sizeof(T) == 4 ? 1.2e-7 : 2.3e-16 * 100 * static_cast<double>(s[0] / s.back());
    EXPECT_LE(reference::distance(x.values().template cast<double>(), reference::polar(wide, 0)),
              unit * std::sqrt(static_cast<double>(std::min(m, n))))
        << m << "x" << n;
  }
}

TYPED_TEST(PolarTest, SvdLeavesTheNullSpaceOut) {
  using T = TypeParam;
  Workspace<T> workspace;
  for (const auto& [m, n] : {std::pair<Index, Index>{12, 30}, {30, 12}, {20, 20}}) {
    for (const Index rank : {1, 3}) {
      for (const double scale : {1e-30, 1.0, 1e30}) {
        const Matrix<T> a =
            (scale * reference::gaussian(m, rank, 46) * reference::gaussian(rank, n, 47))
                .template cast<T>();
        Matrix<T> x = a;
        ASSERT_TRUE(polar<T>(x, {.method = PolarMethod::svd}, workspace).ok());
        // rank singular values of 1: squared norm = rank.
        EXPECT_NEAR(static_cast<double>(x.squaredNorm()), static_cast<double>(rank), 1e-5);
      }
    }
  }
}

TYPED_TEST(PolarTest, SvdKeepsSmallSingularValuesThatAreReal) {
  using T = TypeParam;
  Workspace<T> workspace;
  const double condition = sizeof(T) == 4 ? 1e6 : 1e12;
  const Matrix<T> a =
      reference::with_spectrum(24, 40, reference::geometric(24, condition), 48).template cast<T>();
  Matrix<T> x = a;
  ASSERT_TRUE(polar<T>(x, {.method = PolarMethod::svd}, workspace).ok());
  EXPECT_NEAR(static_cast<double>(x.squaredNorm()), 24.0, 1e-4);
  // The smallest singular vectors are known to u_double * condition.
  const double tolerance = sizeof(T) == 4 ? 1e-6 : 100 * 2.3e-16 * condition;
  EXPECT_LE(reference::distance(x.template cast<double>(),
                                reference::polar(a.template cast<double>(), 0)),
            tolerance);
}

TYPED_TEST(PolarTest, SameBitsForEveryNumberOfThreads) {
  using T = TypeParam;
  for (const auto& [m, n] :
       {std::pair<Index, Index>{128, 128}, {130, 300}, {300, 70}, {16, 2000}}) {
    for (const PolarMethod method : {PolarMethod::jordan, PolarMethod::svd}) {
      const Matrix<T> a = reference::gaussian(m, n, 49).template cast<T>();
      Workspace<T> workspace;
      Matrix<T> one = a;
      set_threads(1);
      ASSERT_TRUE(polar<T>(one, {.method = method}, workspace).ok());
      for (const int count : {2, 4}) {
        set_threads(count);
        Matrix<T> many = a;
        ASSERT_TRUE(polar<T>(many, {.method = method}, workspace).ok());
        EXPECT_TRUE(many == one) << m << "x" << n << " threads " << count;
      }
      set_threads(0);
    }
  }
}

// Rows that lie apart and a transposed problem change nothing but the order of storage.
TYPED_TEST(PolarTest, TransposedInputGivesTheTransposedResultBitForBit) {
  using T = TypeParam;
  for (const auto& [m, n] : {std::pair<Index, Index>{5, 9}, {70, 130}}) {
    for (const PolarMethod method : kPolynomial) {
      Workspace<T> workspace;
      Matrix<T> wide = reference::gaussian(m, n, 50).template cast<T>();
      Matrix<T> tall = wide.transpose();
      ASSERT_TRUE(polar<T>(wide, {.method = method}, workspace).ok());
      ASSERT_TRUE(polar<T>(tall, {.method = method}, workspace).ok());
      // The norm sums in another order; one roundoff of the divisor is all that may differ.
      EXPECT_LE((tall.transpose() - wide).norm(),
                8 * std::numeric_limits<T>::epsilon() * std::sqrt(static_cast<T>(m)) * 100);
    }
  }
}

TYPED_TEST(PolarTest, EmptyMatrices) {
  using T = TypeParam;
  Workspace<T> workspace;
  Matrix<T> none(0, 4);
  EXPECT_TRUE(polar<T>(none, {}, workspace).ok());
  EXPECT_TRUE(polar<T>(none, {.method = PolarMethod::svd}, workspace).ok());
}

TYPED_TEST(PolarTest, AllocatesNothingOnceWarm) {
  using T = TypeParam;
  Workspace<T> workspace;
  Matrix<T> x = reference::gaussian(40, 60, 51).template cast<T>();
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(polar<T>(x, {}, workspace).ok());
  const auto capacity = workspace.capacity();
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(polar<T>(x, {}, workspace).ok());
  EXPECT_EQ(workspace.capacity(), capacity);
}

TEST(PolarOptions, KeysAreThoseOfTheCatalogue) {
  Polar options;
  read(Json::parse(R"({"polar": "polar_express", "ns_steps": 7, "eps": 0, "eps_mode": "max"})"),
       options);
  EXPECT_EQ(options.method, PolarMethod::polar_express);
  EXPECT_EQ(options.ns_steps, 7);
  EXPECT_EQ(options.eps, 0);
  EXPECT_EQ(options.eps_mode, EpsMode::max);
  EXPECT_EQ(to_json(Polar{}).dump(),
            R"({"polar":"jordan","ns_steps":"off","eps":1e-07,"eps_mode":"add"})");
  EXPECT_THROW(read(Json::parse(R"({"polar": "jordon"})"), options), ConfigError);
  EXPECT_THROW(read(Json::parse(R"({"eps": -1})"), options), ConfigError);
  EXPECT_THROW(read(Json::parse(R"({"ns_step": 3})"), options), ConfigError);
}

}  // namespace
}  // namespace muonflow::linalg

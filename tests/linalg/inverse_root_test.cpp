#include "muonflow/linalg/inverse_root.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "muonflow/core/error.hpp"
#include "muonflow/core/parallel.hpp"
#include "tests/linalg/roundoff.hpp"
#include "tests/reference/products.hpp"
#include "tests/reference/symmetric.hpp"

namespace muonflow::linalg {
namespace {

using reference::Strided;
using RootMethod = InverseRootMethod;

template <class T>
class InverseRootTest : public ::testing::Test {};
using Scalars = ::testing::Types<float, double>;
TYPED_TEST_SUITE(InverseRootTest, Scalars);

constexpr std::array kRootMethods{RootMethod::eigh, RootMethod::newton, RootMethod::rational};

// The matrix as T holds it, in double.
template <class T>
Matrix<double> as(const Matrix<double>& a) {
  return a.template cast<T>().template cast<double>();
}

template <class MatrixOrSvd>
Matrix<double> twin(const MatrixOrSvd& c, double p, double ridge) {
  return reference::map_eigenvalues(c, [&](long double x) {
    return std::pow(std::max(x, 0.0L) + ridge, -1 / static_cast<long double>(p));
  });
}

// The rounding of the result, the iterations' 1e-9 for float, and rounding in double blown up by
// the condition.
template <class T>
double root_tolerance(Index n, double condition) {
  return 4 * kUnitOf<T> + 8 * std::sqrt(static_cast<double>(n)) * kUnit * condition;
}

template <class T>
InverseRootReport expect_like_twin(const Matrix<double>& c, const InverseRoot& options,
                                   const Matrix<double>& expected, double condition) {
  Strided<T> x(c.template cast<T>(), 3);
  Workspace<T> workspace;
  InverseRootReport report;
  EXPECT_TRUE(inverse_root<T>(x.ref(), options, workspace, &report).ok());
  EXPECT_LE(reference::distance(x.values().template cast<double>(), expected),
            root_tolerance<T>(c.rows(), condition) * expected.norm())
      << enum_name(options.method) << " n " << c.rows() << " p " << options.p << " condition "
      << condition;
  EXPECT_TRUE(x.values() == x.values().transpose());
  EXPECT_TRUE(x.gaps_untouched());
  return report;
}

TYPED_TEST(InverseRootTest, EveryMethodAgreesWithTheTwin) {
  using T = TypeParam;
  for (const Index n : {1, 2, 5, 17, 70}) {
    for (const double condition : {1.0, 1e2, 1e4, 1e8}) {
      if (sizeof(T) == 4 && condition > 1e5) continue;  // T does not hold such a matrix
      const Matrix<double> c =
          as<T>(reference::with_eigenvalues(reference::geometric(n, condition), 31));
      const auto decomposed = reference::jacobi_svd(c);
      for (const double p : {2.0, 3.0, 4.0}) {
        const Matrix<double> expected = twin(decomposed, p, 0);
        for (const RootMethod method : kRootMethods) {
          const auto report =
              expect_like_twin<T>(c, {.method = method, .p = p, .cutoff = 0}, expected, condition);
          EXPECT_EQ(report.method, method);
          EXPECT_EQ(report.iterations == 0, method == RootMethod::eigh);
          EXPECT_EQ(report.rank, n);
          // Proven bounds, not estimates.
          EXPECT_LE(report.lower, (n == 1 ? 1 : 1 / condition) * (1 + 1e-2));
          EXPECT_GE(report.upper, 1 - 1e-2);
        }
      }
    }
  }
}

TYPED_TEST(InverseRootTest, AnyPowerByEigenvaluesAndWholeOnesByProducts) {
  using T = TypeParam;
  const Matrix<double> c = as<T>(reference::with_eigenvalues(reference::geometric(12, 1e3), 32));
  for (const double p : {0.5, 1.0, 1.7, 5.5, 100.0}) {
    expect_like_twin<T>(c, {.method = RootMethod::eigh, .p = p}, twin(c, p, 0),
                        1e3 / std::min(p, 1.0));
  }
  for (const double p : {1.0, 5.0, 8.0, 16.0}) {
    expect_like_twin<T>(c, {.method = RootMethod::newton, .p = p}, twin(c, p, 0), 1e3);
    if (p > 1) expect_like_twin<T>(c, {.method = RootMethod::rational, .p = p}, twin(c, p, 0), 1e3);
  }
}

// s_min / s_max = 1e-4 is an eigenvalue ratio of 1e-8: every direction is right to 1e-5, not only
// the sum of all.
TEST(InverseRootAccuracy, EveryDirectionAtARatioOfSingularValuesOf1em4) {
  const Index n = 40;
  const auto values = reference::geometric(n, 1e8);
  const Matrix<double> q = reference::orthonormal(n, n, 33);
  const Matrix<double> c = reference::with_eigenvalues(values, 33);  // the same vectors
  Workspace<double> workspace;
  for (const double p : {2.0, 4.0}) {
    for (const RootMethod method : kRootMethods) {
      Matrix<double> x = c;
      ASSERT_TRUE(inverse_root<double>(x, {.method = method, .p = p}, workspace).ok());
      const Matrix<double> turned = q.transpose() * x * q;
      for (Index i = 0; i < n; ++i) {
        EXPECT_NEAR(turned(i, i) * std::pow(values[static_cast<std::size_t>(i)], 1 / p), 1, 1e-5)
            << enum_name(method) << " " << i;
      }
    }
  }
}

TYPED_TEST(InverseRootTest, RidgeIsAddedAndOrRelativeToTheTop) {
  using T = TypeParam;
  for (const Index n : {6, 70}) {
    const double condition = sizeof(T) == 4 ? 1e4 : 1e6;
    const Matrix<double> c =
        as<T>(5 * reference::with_eigenvalues(reference::geometric(n, condition), 34));
    const auto decomposed = reference::jacobi_svd(c);
    for (const RootMethod method : kRootMethods) {
      for (const double ridge : {1e-4, 3.0}) {
        expect_like_twin<T>(c, {.method = method, .p = 4, .ridge = ridge},
                            twin(decomposed, 4, ridge), 1e6);
        expect_like_twin<T>(
            c, {.method = method, .p = 4, .ridge = ridge, .ridge_mode = RidgeMode::relative},
            twin(decomposed, 4, 5 * ridge),
            sizeof(T) == 4 ? 1e6 : 1e8);  // the top is known to 1e-9
      }
    }
  }
}

// Gradients make such matrices: fewer columns than rows. All methods follow one rule, by eigh.
TYPED_TEST(InverseRootTest, RankDeficient) {
  using T = TypeParam;
  const Index n = 20;
  const Matrix<double> g = reference::gaussian(n, 7, 35);
  const Matrix<double> c = as<T>(reference::product(g, g.transpose()));
  const auto top = static_cast<double>(reference::jacobi_svd(c).s[0]);
  const double cutoff = static_cast<double>(n) * kUnitOf<T> * top;
  const Matrix<double> pseudo = reference::map_eigenvalues(
      c, [&](long double x) { return x > cutoff ? 1 / std::sqrt(x) : 0; });
  for (const RootMethod method : kRootMethods) {
    const auto report = expect_like_twin<T>(c, {.method = method}, pseudo, 1e3);
    EXPECT_EQ(report.method, RootMethod::eigh);
    EXPECT_EQ(report.rank, 7);
    // Thirteen lost directions of twenty.
    ASSERT_TRUE(report.residual.has_value());
    EXPECT_NEAR(*report.residual, std::sqrt(13.0 / 20), 0.3);
    // With a ridge below the rounding of c: negative eigenvalues are raised to 0 first. What is
    // left of them is rounding itself, so only the large part is compared.
    Matrix<T> x = c.template cast<T>();
    Workspace<T> workspace;
    ASSERT_TRUE(inverse_root<T>(x, {.method = method, .ridge = 1e-30}, workspace).ok());
    EXPECT_TRUE(x.allFinite());
  }
  expect_like_twin<T>(c, {.cutoff = 0.9},
                      reference::map_eigenvalues(
                          c, [&](long double x) { return x > 0.9 * top ? 1 / std::sqrt(x) : 0; }),
                      1e3);
}

TYPED_TEST(InverseRootTest, ScalesComeOutAsTheirPower) {
  using T = TypeParam;
  const Matrix<double> c = reference::with_eigenvalues(reference::geometric(15, 1e3), 36);
  for (const double scale :
       {1e-30, 1e30, sizeof(T) == 4 ? 1e-35 : 1e-250, sizeof(T) == 4 ? 1e36 : 1e250}) {
    const Matrix<double> scaled = as<T>(scale * c);
    const Matrix<double> expected = twin(as<T>(scale * c) / scale, 2, 0) * std::pow(scale, -0.5);
    for (const RootMethod method : kRootMethods) {
      // Denormal floats round coarsely, but the twin has their very values.
      expect_like_twin<T>(scaled, {.method = method}, expected, 1e4);
    }
  }
  // p below 1 takes small entries out of the range of T: said, and nothing is changed.
  Matrix<T> tiny = Matrix<T>::Identity(3, 3) * std::numeric_limits<T>::min();
  const Matrix<T> before = tiny;
  Workspace<T> workspace;
  const Outcome outcome = inverse_root<T>(tiny, {.p = 0.5}, workspace);
  EXPECT_EQ(outcome.status, Status::non_finite_result);
  EXPECT_FALSE(outcome.changed);
  EXPECT_TRUE(tiny == before);
}

TYPED_TEST(InverseRootTest, ZeroAndBadInput) {
  using T = TypeParam;
  Workspace<T> workspace;
  for (const RootMethod method : kRootMethods) {
    Matrix<T> x = Matrix<T>::Zero(5, 5);
    EXPECT_TRUE(inverse_root<T>(x, {.method = method}, workspace).ok());
    EXPECT_TRUE(x.isZero(0));
    EXPECT_TRUE(inverse_root<T>(
                    x, {.method = method, .ridge = 1, .ridge_mode = RidgeMode::relative}, workspace)
                    .ok());
    EXPECT_TRUE(x.isZero(0));
    ASSERT_TRUE(inverse_root<T>(x, {.method = method, .ridge = 4}, workspace).ok());
    EXPECT_LE((x - Matrix<T>::Identity(5, 5) * T(0.5)).norm(),
              8 * std::numeric_limits<T>::epsilon());
    for (const T bad : {std::numeric_limits<T>::quiet_NaN(), std::numeric_limits<T>::infinity()}) {
      Matrix<T> y = Matrix<T>::Identity(4, 4);
      y(3, 1) = bad;
      const Outcome outcome = inverse_root<T>(y, {.method = method}, workspace);
      EXPECT_EQ(outcome.status, Status::non_finite_input);
      EXPECT_FALSE(outcome.changed);
      EXPECT_TRUE(y.topRows(3) == (Matrix<T>::Identity(4, 4).topRows(3)));
      // The upper triangle is not read.
      y = Matrix<T>::Identity(4, 4);
      y(1, 3) = bad;
      ASSERT_TRUE(inverse_root<T>(y, {.method = method}, workspace).ok());
      EXPECT_LE((y - Matrix<T>::Identity(4, 4)).norm(), 8 * std::numeric_limits<T>::epsilon());
    }
  }
  Matrix<T> none(0, 0);
  EXPECT_TRUE(inverse_root<T>(none, {}, workspace).ok());
}

TYPED_TEST(InverseRootTest, OfADiagonalMatrixIsThatOfItsEntries) {
  using T = TypeParam;
  Workspace<T> workspace;
  Matrix<T> c = Matrix<T>::Zero(6, 6);
  c.diagonal() << T(9), T(0.25), T(1), T(1e-3), T(100), T(7);
  for (const double p : {2.0, 4.0}) {
    Matrix<T> x = c;
    ASSERT_TRUE(inverse_root<T>(x, {.p = p}, workspace).ok());
    for (Index i = 0; i < 6; ++i) {
      for (Index j = 0; j < 6; ++j) {
        const double exact = i == j ? std::pow(static_cast<double>(c(i, i)), -1 / p) : 0;
        // Power, square and scale, a rounding each; nothing beside the diagonal.
        EXPECT_NEAR(static_cast<double>(x(i, j)), exact, (kUnitOf<T> + 6 * kUnit) * exact);
      }
    }
  }
}

TYPED_TEST(InverseRootTest, SquaredTimesTheMatrixIsTheIdentity) {
  using T = TypeParam;
  Workspace<T> workspace;
  for (const RootMethod method : kRootMethods) {
    const Matrix<double> c = as<T>(reference::with_eigenvalues(reference::geometric(30, 100), 37));
    Matrix<T> x = c.template cast<T>();
    InverseRootReport report;
    ASSERT_TRUE(inverse_root<T>(x, {.method = method}, workspace, &report).ok());
    const Matrix<double> wide = x.template cast<double>();
    const Matrix<double> residual =
        reference::product(reference::product(wide, wide), c) - Matrix<double>::Identity(30, 30);
    // The rounding of x to T on both sides of it and in double, times the condition.
    EXPECT_LE(residual.norm(), 30 * 100 * kUnitOf<T>);
    ASSERT_TRUE(report.residual.has_value());
    EXPECT_LE(*report.residual, 1e3 * kUnit + (sizeof(T) == 4 ? 1e-9 : 0));
  }
  Matrix<T> x = Matrix<T>::Identity(3, 3);
  InverseRootReport report;
  ASSERT_TRUE(inverse_root<T>(x, {.p = 2.5}, workspace, &report).ok());
  EXPECT_FALSE(report.residual.has_value());
}

TYPED_TEST(InverseRootTest, OrthogonalEquivariance) {
  using T = TypeParam;
  Workspace<T> workspace;
  const Matrix<double> q = reference::orthonormal(12, 12, 38);
  const Matrix<double> c = reference::with_eigenvalues(reference::geometric(12, 50), 39);
  const Matrix<double> moved = reference::product(reference::product(q, c), q.transpose());
  for (const RootMethod method : kRootMethods) {
    Matrix<T> x = c.template cast<T>();
    Matrix<T> y = moved.template cast<T>();
    ASSERT_TRUE(inverse_root<T>(x, {.method = method, .p = 4}, workspace).ok());
    ASSERT_TRUE(inverse_root<T>(y, {.method = method, .p = 4}, workspace).ok());
    const Matrix<double> back = q * x.template cast<double>() * q.transpose();
    EXPECT_LE(reference::distance(y.template cast<double>(), back),
              12 * 50 * kUnitOf<T> * back.norm());
  }
}

TYPED_TEST(InverseRootTest, SameBitsForEveryNumberOfThreads) {
  using T = TypeParam;
  Workspace<T> workspace;
  const Matrix<double> g = reference::gaussian(150, 300, 40);
  const Matrix<T> c = (g * g.transpose()).template cast<T>();
  for (const RootMethod method : kRootMethods) {
    const InverseRoot options{
        .method = method, .p = 4, .ridge = 1e-3, .ridge_mode = RidgeMode::relative};
    set_threads(1);
    Matrix<T> one = c;
    ASSERT_TRUE(inverse_root<T>(one, options, workspace).ok());
    for (const int count : {2, 4}) {
      set_threads(count);
      Matrix<T> many = c;
      ASSERT_TRUE(inverse_root<T>(many, options, workspace).ok());
      EXPECT_TRUE(many == one);
    }
    set_threads(0);
  }
}

TYPED_TEST(InverseRootTest, RefusesWhatItCannotDo) {
  using T = TypeParam;
  Workspace<T> workspace;
  Matrix<T> x = Matrix<T>::Identity(2, 2);
  EXPECT_THROW((void)inverse_root<T>(x, {.p = 0}, workspace), ConfigError);
  EXPECT_THROW((void)inverse_root<T>(x, {.ridge = -1}, workspace), ConfigError);
  EXPECT_THROW((void)inverse_root<T>(x, {.ridge = std::nan("")}, workspace), ConfigError);
  EXPECT_THROW((void)inverse_root<T>(x, {.cutoff = 1}, workspace), ConfigError);
  EXPECT_THROW((void)inverse_root<T>(x, {.method = RootMethod::newton, .p = 2.5}, workspace),
               ConfigError);
  EXPECT_THROW((void)inverse_root<T>(x, {.method = RootMethod::rational, .p = 1}, workspace),
               ConfigError);
  Matrix<T> wide(2, 3);
  EXPECT_THROW((void)inverse_root<T>(wide, {}, workspace), ShapeError);
}

TEST(InverseRootOptions, AreDescribed) {
  InverseRoot options;
  read(Json::parse(R"({"root_method": "newton", "p": 4, "ridge_mode": "relative", "cutoff": 0.1})"),
       options);
  EXPECT_EQ(options.method, RootMethod::newton);
  EXPECT_EQ(options.p, 4);
  EXPECT_EQ(options.ridge_mode, RidgeMode::relative);
  EXPECT_EQ(options.cutoff, 0.1);
  EXPECT_THROW(read(Json::parse(R"({"p": 0})"), options), ConfigError);
}

}  // namespace
}  // namespace muonflow::linalg

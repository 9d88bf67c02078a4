// What QDWH and Zolo-PD have in common: every test runs both, in float and in double.
#include "muonflow/linalg/polar/rational.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "muonflow/core/error.hpp"
#include "muonflow/core/parallel.hpp"
#include "muonflow/linalg/polar.hpp"
#include "muonflow/linalg/polar/qdwh.hpp"
#include "muonflow/linalg/polar/zolotarev.hpp"
#include "tests/reference/matrices.hpp"
#include "tests/reference/products.hpp"
#include "tests/reference/spectral.hpp"

namespace muonflow::linalg {
namespace {

using reference::Strided;

template <class T>
struct Qdwh {
  using Scalar = T;
  static Outcome run(MatrixRef<T> x, const RationalPolar& options, Workspace<T>& workspace,
                     RationalPolarReport* report = nullptr) {
    return qdwh<T>(x, options, workspace, report);
  }
};
template <class T>
struct Zolotarev {
  using Scalar = T;
  static Outcome run(MatrixRef<T> x, const RationalPolar& options, Workspace<T>& workspace,
                     RationalPolarReport* report = nullptr) {
    return zolotarev<T>(x, options, workspace, report);
  }
};

template <class Kernel>
class RationalPolarTest : public ::testing::Test {};
using Kernels = ::testing::Types<Qdwh<float>, Qdwh<double>, Zolotarev<float>, Zolotarev<double>>;
TYPED_TEST_SUITE(RationalPolarTest, Kernels);

template <class T>
double epsilon() {
  return static_cast<double>(std::numeric_limits<T>::epsilon());
}

template <class Kernel, class T = typename Kernel::Scalar>
Matrix<T> polar_of(const Matrix<T>& a, const RationalPolar& options = {},
                   RationalPolarReport* report = nullptr) {
  Strided<T> x(a, 3);
  Workspace<T> workspace;
  EXPECT_TRUE(Kernel::run(x.ref(), options, workspace, report).ok());
  EXPECT_TRUE(x.gaps_untouched());
  return x.values();
}

// || U^T U - I ||_F on the smaller side.
double orthogonality(const Matrix<double>& u) {
  const Matrix<double> t = u.transpose();
  const Matrix<double> gram =
      u.rows() >= u.cols() ? reference::product(t, u) : reference::product(u, t);
  return (gram - Matrix<double>::Identity(gram.rows(), gram.cols())).norm();
}

// || A - U sym(U^T A) ||_F / || A ||_F, or the same from the left for wide A.
double backward_error(const Matrix<double>& a, const Matrix<double>& u) {
  const Matrix<double> t = u.transpose();
  const bool tall = a.rows() >= a.cols();
  const Matrix<double> h = tall ? reference::product(t, a) : reference::product(a, t);
  const Matrix<double> symmetric = (h + h.transpose()) / 2;
  const Matrix<double> again =
      tall ? reference::product(u, symmetric) : reference::product(symmetric, u);
  return (a - again).norm() / a.norm();
}

// Backward stable: both are a few roundings for each of the r directions, whatever the condition.
// The factor itself moves by the backward error over the smallest singular values.
template <class T>
void expect_polar_decomposition(const Matrix<T>& a, const Matrix<T>& u, double condition) {
  const Matrix<double> input = a.template cast<double>();
  const Matrix<double> factor = u.template cast<double>();
  const auto r = static_cast<double>(std::min(a.rows(), a.cols()));
  const auto larger = static_cast<double>(std::max(a.rows(), a.cols()));
  EXPECT_LE(orthogonality(factor), 4 * std::sqrt(r * larger) * epsilon<T>());
  const double backward = 4 * std::sqrt(std::max(larger, 8.0)) * epsilon<T>();
  EXPECT_LE(backward_error(input, factor), backward);
  EXPECT_LE(reference::distance(factor, reference::polar(input, 0)),
            8 * backward * condition * std::sqrt(r));
}

TYPED_TEST(RationalPolarTest, AgreesWithTheSvdForEveryShape) {
  using T = typename TypeParam::Scalar;
  for (const auto& [m, n] : reference::shapes()) {
    const Matrix<T> a = reference::gaussian(m, n, 61).template cast<T>();
    const auto s = reference::jacobi_svd(a.template cast<double>()).s;
    SCOPED_TRACE(std::to_string(m) + "x" + std::to_string(n));
    expect_polar_decomposition<T>(a, polar_of<TypeParam>(a),
                                  static_cast<double>(s.front() / s.back()));
  }
}

TYPED_TEST(RationalPolarTest, IsBackwardStableForEveryCondition) {
  using T = typename TypeParam::Scalar;
  const bool narrow = sizeof(T) == sizeof(float);
  for (const auto& [m, n] : {std::pair<Index, Index>{40, 40}, {30, 70}, {44, 40}}) {
    const Index r = std::min(m, n);
    for (const double condition : {1e1, 1e2, 1e4, 1e6, 1e9, 1e12}) {
      if (narrow && condition > 1e6) continue;
      SCOPED_TRACE(std::to_string(m) + "x" + std::to_string(n) + " at " +
                   std::to_string(condition));
      std::vector<double> one_small(static_cast<std::size_t>(r), 1.0);
      one_small[static_cast<std::size_t>(r - 1)] = 1 / condition;
      std::vector<double> one_large(static_cast<std::size_t>(r), 1 / condition);
      one_large[0] = 1;
      for (const auto& s : {reference::geometric(r, condition), one_small, one_large}) {
        const Matrix<T> a = reference::with_spectrum(m, n, s, 62).template cast<T>();
        expect_polar_decomposition<T>(a, polar_of<TypeParam>(a), condition);
      }
    }
  }
}

// Rows or columns of very different size, in either order: where a careless order of pivots in the
// factorization of [W, I] would lose all but the first digits.
TYPED_TEST(RationalPolarTest, IsBackwardStableForGradedMatrices) {
  using T = typename TypeParam::Scalar;
  constexpr Index kSize = 40;
  const double grade = sizeof(T) == sizeof(float) ? 1e4 : 1e9;
  const auto d = reference::geometric(kSize, grade);
  for (const bool reversed : {false, true}) {
    Matrix<double> a = reference::gaussian(kSize, kSize, 63);
    for (Index i = 0; i < kSize; ++i) {
      a.row(i) *= d[static_cast<std::size_t>(reversed ? kSize - 1 - i : i)];
    }
    for (const Matrix<double>& graded : {a, Matrix<double>(a.transpose())}) {
      const Matrix<T> x = graded.template cast<T>();
      const Matrix<double> u = polar_of<TypeParam>(x).template cast<double>();
      EXPECT_LE(orthogonality(u), 4 * kSize * epsilon<T>());
      EXPECT_LE(backward_error(x.template cast<double>(), u), 32 * epsilon<T>());
    }
  }
}

// Past the block and panel sizes, without the slow twin.
TYPED_TEST(RationalPolarTest, LargerMatrices) {
  using T = typename TypeParam::Scalar;
  for (const auto& [m, n] : {std::pair<Index, Index>{150, 150}, {300, 130}, {129, 140}}) {
    const Matrix<T> a = reference::gaussian(m, n, 64).template cast<T>();
    const Matrix<double> u = polar_of<TypeParam>(a).template cast<double>();
    const auto larger = static_cast<double>(std::max(m, n));
    EXPECT_LE(orthogonality(u), 4 * larger * epsilon<T>());
    EXPECT_LE(backward_error(a.template cast<double>(), u), 4 * std::sqrt(larger) * epsilon<T>());
  }
}

// U V^T on the support, as PolarMethod::svd gives it.
TYPED_TEST(RationalPolarTest, RankDeficientInputGivesThePartialIsometryOfItsSupport) {
  using T = typename TypeParam::Scalar;
  for (const auto& [m, n] :
       {std::pair<Index, Index>{2, 2}, {5, 9}, {9, 5}, {24, 24}, {33, 47}, {80, 66}, {3, 192}}) {
    const Index r = std::min(m, n);
    for (const Index rank : {Index{1}, r / 2, r - 1}) {
      if (rank == 0) continue;
      std::vector<double> s(static_cast<std::size_t>(r), 0.0);
      for (Index i = 0; i < rank; ++i) {
        s[static_cast<std::size_t>(i)] =
            std::pow(10.0, -2.0 * static_cast<double>(i) / static_cast<double>(rank));
      }
      const Matrix<T> a = reference::with_spectrum(m, n, s, 65).template cast<T>();
      RationalPolarReport report;
      const Matrix<T> u = polar_of<TypeParam>(a, {}, &report);
      EXPECT_EQ(report.rank, rank) << m << "x" << n;
      // The rounding of a's entries turns the support by about u ||a||_F / s_rank.
      const double tolerance = 400 * std::sqrt(static_cast<double>(m * n)) * epsilon<T>();
      EXPECT_LE(reference::distance(u.template cast<double>(),
                                    reference::polar(a.template cast<double>(), 1e-4)),
                tolerance)
          << m << "x" << n << " rank " << rank;
      Matrix<T> by_svd = a;
      Workspace<T> workspace;
      ASSERT_TRUE(polar<T>(by_svd, {.method = PolarMethod::svd}, workspace).ok());
      EXPECT_LE(static_cast<double>((u - by_svd).norm()), tolerance) << m << "x" << n;
    }
  }
}

TYPED_TEST(RationalPolarTest, RowsAndColumnsOfZeroStayZero) {
  using T = typename TypeParam::Scalar;
  Matrix<T> a = reference::gaussian(12, 20, 66).template cast<T>();
  a.row(3).setZero();
  a.row(7) = a.row(6);
  a.col(5).setZero();
  RationalPolarReport report;
  const Matrix<T> u = polar_of<TypeParam>(a, {}, &report);
  EXPECT_EQ(report.rank, 10);
  EXPECT_LE(static_cast<double>(u.row(3).norm()), 16 * epsilon<T>());
  EXPECT_LE(static_cast<double>(u.col(5).norm()), 16 * epsilon<T>());
  EXPECT_LE(static_cast<double>((u.row(6) - u.row(7)).norm()), 64 * epsilon<T>());
}

TYPED_TEST(RationalPolarTest, ZeroGivesZeroAndNothingGivesNothing) {
  using T = typename TypeParam::Scalar;
  RationalPolarReport report;
  EXPECT_TRUE((polar_of<TypeParam>(Matrix<T>(Matrix<T>::Zero(5, 8)), {}, &report).isZero(0)));
  EXPECT_EQ(report.rank, 0);
  Matrix<T> none(0, 4);
  Workspace<T> workspace;
  EXPECT_TRUE(TypeParam::run(none, {}, workspace).ok());
}

TYPED_TEST(RationalPolarTest, NotFiniteInputIsLeftAlone) {
  using T = typename TypeParam::Scalar;
  for (const T bad : {std::numeric_limits<T>::quiet_NaN(), std::numeric_limits<T>::infinity()}) {
    Matrix<T> x = reference::gaussian(6, 7, 67).template cast<T>();
    Matrix<T> mended = x;
    x(2, 3) = bad;
    Workspace<T> workspace;
    const Outcome outcome = TypeParam::run(x, {}, workspace);
    EXPECT_EQ(outcome.status, Status::non_finite_input);
    EXPECT_FALSE(outcome.changed);
    x(2, 3) = mended(2, 3);
    EXPECT_TRUE(x == mended);
  }
}

TYPED_TEST(RationalPolarTest, TooFewStepsAreAnOutcome) {
  using T = typename TypeParam::Scalar;
  const Matrix<T> a =
      reference::with_spectrum(20, 20, reference::geometric(20, 1e4), 68).template cast<T>();
  for (const Index cols : {20, 12}) {
    Matrix<T> x = a.leftCols(cols);
    Workspace<T> workspace;
    RationalPolarReport report;
    (void)polar_of<TypeParam>(x, {}, &report);
    const std::int64_t needed = report.steps + report.products;
    (void)polar_of<TypeParam>(x, {.max_steps = needed});  // expects success itself
    const Outcome outcome = TypeParam::run(x, {.max_steps = needed - 1}, workspace);
    EXPECT_EQ(outcome.status, Status::not_converged);
    EXPECT_FALSE(outcome.changed);
    EXPECT_TRUE(x == a.leftCols(cols));
  }
}

TYPED_TEST(RationalPolarTest, ScaleDropsOut) {
  using T = typename TypeParam::Scalar;
  const Matrix<double> base = reference::gaussian(9, 14, 69);
  const Matrix<T> u = polar_of<TypeParam>(Matrix<T>(base.template cast<T>()));
  // Powers of two to the last bit, at the ends of the range too.
  const int far = sizeof(T) == sizeof(float) ? 100 : 900;
  for (const int shift : {-far, -3, 5, far}) {
    Matrix<T> scaled = base.template cast<T>();
    for (Index i = 0; i < scaled.size(); ++i) {
      scaled.data()[i] = std::ldexp(scaled.data()[i], shift);
    }
    EXPECT_TRUE(polar_of<TypeParam>(scaled) == u) << shift;
  }
  // Other factors round each entry once; the condition is about 5.
  for (const double factor : {1e-30, 3.0, 1e30}) {
    const Matrix<T> scaled = (factor * base).template cast<T>();
    EXPECT_LE(static_cast<double>((polar_of<TypeParam>(scaled) - u).norm()), 100 * epsilon<T>());
  }
  // Denormal entries have few digits left, but those are those of an integer matrix.
  Matrix<T> integers(2, 2);
  integers << 3, 1, -1, 2;
  const Matrix<T> denormal = integers * std::numeric_limits<T>::denorm_min();
  EXPECT_TRUE(polar_of<TypeParam>(denormal) == polar_of<TypeParam>(integers));
  const Matrix<T> huge = integers * (std::numeric_limits<T>::max() / 4);
  EXPECT_LE(static_cast<double>((polar_of<TypeParam>(huge) - polar_of<TypeParam>(integers)).norm()),
            16 * epsilon<T>());
}

TYPED_TEST(RationalPolarTest, IsEquivariantAndOdd) {
  using T = typename TypeParam::Scalar;
  for (const auto& [m, n] : {std::pair<Index, Index>{12, 12}, {9, 20}}) {
    const Matrix<double> a =
        reference::with_spectrum(m, n, reference::geometric(std::min(m, n), 10), 70);
    const Matrix<T> u = polar_of<TypeParam>(Matrix<T>(a.template cast<T>()));
    EXPECT_TRUE(polar_of<TypeParam>(Matrix<T>(-a.template cast<T>())) == -u);
    // Roundings of the input pass with the condition, 10.
    const double tolerance = 400 * std::sqrt(static_cast<double>(m)) * epsilon<T>();
    const Matrix<T> turned = polar_of<TypeParam>(Matrix<T>(a.transpose().template cast<T>()));
    EXPECT_LE(static_cast<double>((turned.transpose() - u).norm()), tolerance);
    const Matrix<double> left = reference::orthonormal(m, m, 71);
    const Matrix<double> right = reference::orthonormal(n, n, 72);
    const Matrix<double> rotated = reference::product(reference::product(left, a), right);
    const Matrix<double> expected =
        reference::product(reference::product(left, u.template cast<double>()), right);
    EXPECT_LE(
        reference::distance(
            polar_of<TypeParam>(Matrix<T>(rotated.template cast<T>())).template cast<double>(),
            expected),
        tolerance);
    // A polar factor is its own.
    EXPECT_LE(static_cast<double>((polar_of<TypeParam>(u) - u).norm()), tolerance);
  }
}

TYPED_TEST(RationalPolarTest, SameBitsForAnyNumberOfThreads) {
  using T = typename TypeParam::Scalar;
  for (const auto& [m, n] : {std::pair<Index, Index>{150, 150}, {130, 200}, {64, 16}}) {
    const Matrix<T> a = reference::gaussian(m, n, 73).template cast<T>();
    set_threads(1);
    const Matrix<T> one = polar_of<TypeParam>(a);
    for (const int count : {2, 4}) {
      set_threads(count);
      EXPECT_TRUE(polar_of<TypeParam>(a) == one) << m << "x" << n << " threads " << count;
    }
    set_threads(0);
  }
}

// A known bound spares the estimate; a wrong one costs steps, not digits.
TYPED_TEST(RationalPolarTest, TakesABoundThatTheCallerKnows) {
  using T = typename TypeParam::Scalar;
  for (const auto& [m, n] : {std::pair<Index, Index>{30, 30}, {20, 33}}) {
    const Matrix<T> a =
        reference::with_spectrum(m, n, reference::geometric(std::min(m, n), 1e3), 74)
            .template cast<T>();
    for (const double lower : {1e-6, 1e-3, 1e-1, 1.0}) {
      RationalPolarReport report;
      expect_polar_decomposition<T>(a, polar_of<TypeParam>(a, {.lower = lower}, &report), 1e3);
      EXPECT_LE(report.lower, lower);
      EXPECT_GE(report.lower, lower / 3);
    }
  }
}

TYPED_TEST(RationalPolarTest, ReportsAnIntervalThatHolds) {
  using T = typename TypeParam::Scalar;
  for (const double condition : {2.0, 1e3, 1e5}) {
    for (const Index n : {30, 50}) {
      const Matrix<T> a = reference::with_spectrum(30, n, reference::geometric(30, condition), 75)
                              .template cast<T>();
      RationalPolarReport report;
      (void)polar_of<TypeParam>(Matrix<T>(8 * a), {}, &report);
      EXPECT_EQ(report.rank, 30);
      EXPECT_GE(report.upper, 8 * (1 - 1e-5));
      EXPECT_LE(report.upper, 16 * (1 + 1e-5));
      // Both estimates are trusted within 2; s_min of the rounded float entries moves a little.
      EXPECT_LE(report.lower * report.upper, 8 / condition * 1.05);
      EXPECT_GE(report.lower * report.upper, 8 / condition / 2 * 0.9);
      EXPECT_GT(report.flops, 0);
    }
  }
}

TYPED_TEST(RationalPolarTest, AllocatesNothingOnceWarm) {
  using T = typename TypeParam::Scalar;
  Workspace<T> workspace;
  const Matrix<T> a = reference::gaussian(40, 60, 76).template cast<T>();
  Matrix<T> x = a;
  for (int i = 0; i < 2; ++i) {
    x = a;
    ASSERT_TRUE(TypeParam::run(x, {}, workspace).ok());
  }
  const auto capacity = workspace.capacity();
  x = a;
  ASSERT_TRUE(TypeParam::run(x, {}, workspace).ok());
  EXPECT_EQ(workspace.capacity(), capacity);
}

TEST(RationalPolarOptions, AreReadAndChecked) {
  RationalPolar options;
  read(Json::parse(R"({"lower": 1e-3, "max_steps": 9, "terms": 4})"), options);
  EXPECT_EQ(options.lower, 1e-3);
  EXPECT_EQ(options.max_steps, 9);
  EXPECT_EQ(options.terms, 4);
  EXPECT_THROW(read(Json::parse(R"({"lower": 0})"), options), ConfigError);
  EXPECT_THROW(read(Json::parse(R"({"terms": 9})"), options), ConfigError);
  Workspace<double> workspace;
  Matrix<double> x = Matrix<double>::Identity(3, 3);
  EXPECT_THROW((void)qdwh<double>(x, {.lower = -1.0}, workspace), ConfigError);
  EXPECT_THROW((void)qdwh<double>(x, {.lower = std::nan("")}, workspace), ConfigError);
  EXPECT_THROW((void)zolotarev<double>(x, {.terms = 0}, workspace), ConfigError);
}

}  // namespace
}  // namespace muonflow::linalg

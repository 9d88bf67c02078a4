#include "muonflow/linalg/detail/probe.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "muonflow/core/parallel.hpp"
#include "tests/reference/matrices.hpp"

namespace muonflow::linalg::detail {
namespace {

template <class T>
class ProbeTest : public ::testing::Test {};
using Scalars = ::testing::Types<float, double>;
TYPED_TEST_SUITE(ProbeTest, Scalars);

template <class T>
MatrixMap<T> map(Matrix<T>& a) {
  return MatrixMap<T>(a.data(), a.rows(), a.cols(), Eigen::OuterStride<>(a.cols()));
}

TYPED_TEST(ProbeTest, IsTheProductOnAnyNumberOfThreads) {
  using T = TypeParam;
  for (const auto& [m, n] : {std::pair<Index, Index>{1, 1}, {7, 300}, {130, 65}, {300, 520}}) {
    for (Index k = 1; k <= 8; ++k) {
      reference::Strided<T> a(reference::gaussian(m, n, 1).template cast<T>(), 3);
      const Matrix<double> exact = a.values().template cast<double>();
      Matrix<T> v = reference::gaussian(k, m, 2).template cast<T>();
      Matrix<T> w = reference::gaussian(k, n, 3).template cast<T>();
      Matrix<T> first_down, first_up;
      for (const int count : {1, 2, 4}) {
        set_threads(count);
        Matrix<T> down(k, n), up(k, m);
        auto to_down = map(down);
        auto to_up = map(up);
        apply_down<T>(a.ref(), map(v), to_down);
        apply_up<T>(a.ref(), map(w), to_up);
        if (count == 1) {
          first_down = down;
          first_up = up;
        }
        EXPECT_TRUE(down == first_down && up == first_up) << count;
      }
      set_threads(0);
      // Sums of m or n products of order 1.
      const double bound =
          8 * static_cast<double>(std::numeric_limits<T>::epsilon()) * static_cast<double>(m + n);
      EXPECT_LE((first_down.template cast<double>() - v.template cast<double>() * exact)
                    .cwiseAbs()
                    .maxCoeff(),
                bound);
      EXPECT_LE((first_up.template cast<double>() - w.template cast<double>() * exact.transpose())
                    .cwiseAbs()
                    .maxCoeff(),
                bound);
    }
  }
}

TYPED_TEST(ProbeTest, TheFirstPassIsItsParts) {
  using T = TypeParam;
  for (const auto& [m, n] :
       {std::pair<Index, Index>{1, 1}, {3, 2100}, {70, 65}, {130, 130}, {300, 9}}) {
    reference::Strided<T> a(reference::gaussian(m, n, 4).template cast<T>(), 3);
    const Matrix<T> b = reference::gaussian(m, n, 5).template cast<T>();
    const Index shorter = std::min(m, n), longer = std::max(m, n);
    Matrix<T> v = reference::gaussian(2, shorter, 6).template cast<T>();
    Matrix<T> av(2, longer), bv(2, longer), first_av, first_bv;
    auto to_a = map(av);
    auto to_b = map(bv);
    Scratch scratch;
    EntrySums one;
    for (const int count : {1, 2, 4}) {
      set_threads(count);
      const EntrySums sums = first_pass<T>(a.ref(), b, map(v), to_a, to_b, scratch);
      if (count == 1) {
        one = sums;
        first_av = av;
        first_bv = bv;
      }
      EXPECT_EQ(sums.squares, one.squares);
      EXPECT_EQ(sums.products, one.products);
      EXPECT_TRUE(av == first_av && bv == first_bv) << count;
    }
    set_threads(0);
    const Matrix<double> exact = a.values().template cast<double>();
    const Matrix<double> other = b.template cast<double>();
    // Sums in double, of exact products of floats.
    const double roundoff = 1e-15 * static_cast<double>(m + n);
    EXPECT_NEAR(one.squares, exact.squaredNorm(), roundoff * exact.squaredNorm());
    EXPECT_NEAR(one.products, exact.cwiseProduct(other).sum(),
                roundoff * exact.norm() * other.norm());
    const Matrix<double> vectors = v.template cast<double>();
    const auto wide = [&](const Matrix<double>& x) {
      return m > n ? Matrix<double>(vectors * x.transpose()) : Matrix<double>(vectors * x);
    };
    const double bound =
        8 * static_cast<double>(std::numeric_limits<T>::epsilon()) * static_cast<double>(shorter);
    EXPECT_LE((av.template cast<double>() - wide(exact)).cwiseAbs().maxCoeff(), bound);
    EXPECT_LE((bv.template cast<double>() - wide(other)).cwiseAbs().maxCoeff(), bound);
  }
}

}  // namespace
}  // namespace muonflow::linalg::detail

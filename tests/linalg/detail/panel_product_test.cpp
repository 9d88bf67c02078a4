#include "muonflow/linalg/detail/panel_product.hpp"

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <limits>

#include "muonflow/core/parallel.hpp"
#include "muonflow/linalg/detail/panel_packing.hpp"
#include "tests/reference/matrices.hpp"

namespace muonflow::linalg::detail {
namespace {

template <class T>
class PanelProductTest : public ::testing::Test {};
using Scalars = ::testing::Types<float, double>;
TYPED_TEST_SUITE(PanelProductTest, Scalars);

// Entry (i, k) of panels, by the definition of the layout.
template <class T>
T at(const Panels<T>& p, Index i, Index k) {
  const Index panel = i / Panels<T>::kWidth;
  return p.panel(panel)[k * p.width(panel) + i - panel * Panels<T>::kWidth];
}

template <class T>
Matrix<T> values(const Panels<T>& p) {
  Matrix<T> x(p.rows, p.depth);
  for (Index i = 0; i < p.rows; ++i) {
    for (Index k = 0; k < p.depth; ++k) x(i, k) = at(p, i, k);
  }
  return x;
}

template <class T>
bool padded_with_zeros(const Panels<T>& p) {
  for (Index i = p.rows; i < Panels<T>::padded(p.rows); ++i) {
    for (Index k = 0; k < p.depth; ++k) {
      if (at(p, i, k) != T(0)) return false;
    }
  }
  return true;
}

// Entries of a [m, k] b [k, n] differ by at most k roundings of sums of products below 1 in size.
template <class T>
double bound(Index k) {
  return 4 * static_cast<double>(k + 4) * static_cast<double>(std::numeric_limits<T>::epsilon());
}

template <class T>
Matrix<T> uniform(Index m, Index n, std::uint64_t seed) {
  return (reference::gaussian(m, n, seed) / 4).cwiseMax(-1.0).cwiseMin(1.0).template cast<T>();
}

TYPED_TEST(PanelProductTest, PackingIsTheLayout) {
  using T = TypeParam;
  for (const auto& [m, n] :
       {std::pair<Index, Index>{1, 1}, {5, 70}, {48, 24}, {49, 33}, {130, 9}}) {
    const Matrix<T> x = uniform<T>(m, n, 1);
    Scratch scratch;
    Scratch::Frame frame(scratch);
    const auto rows = take_panels<T>(frame, m, n);
    const auto columns = take_panels<T>(frame, n, m);
    pack_rows<T>(x, 2.0, rows);
    pack_columns<T>(x, 2.0, columns);
    EXPECT_TRUE(values(rows) == Matrix<T>(x / T(2)));
    EXPECT_TRUE(values(columns) == Matrix<T>(x.transpose() / T(2)));
    EXPECT_TRUE(padded_with_zeros(rows));
    EXPECT_TRUE(padded_with_zeros(columns));
  }
}

// Divisors whose reciprocal is no number of T.
TYPED_TEST(PanelProductTest, PackingDividesByTinyAndHugeNumbers) {
  using T = TypeParam;
  const double tiny = 64 * static_cast<double>(std::numeric_limits<T>::denorm_min());
  const double huge = 0.5 * static_cast<double>(std::numeric_limits<T>::max());
  for (const double divisor : {tiny, huge}) {
    const Matrix<T> x = Matrix<T>::Constant(3, 5, static_cast<T>(divisor));
    Scratch scratch;
    Scratch::Frame frame(scratch);
    const auto rows = take_panels<T>(frame, 3, 5);
    pack_rows<T>(x, divisor, rows);
    EXPECT_TRUE(values(rows) == Matrix<T>::Ones(3, 5)) << divisor;
  }
}

TYPED_TEST(PanelProductTest, SymmetricProductsWithTheirEpilogue) {
  using T = TypeParam;
  for (const auto& [m, k] :
       {std::pair<Index, Index>{1, 3}, {7, 7}, {48, 600}, {50, 20}, {129, 64}, {410, 9}}) {
    const Matrix<T> x = uniform<T>(m, k, 2);
    Matrix<T> s = uniform<T>(m, m, 3);
    s = Matrix<T>((s + s.transpose()) / T(2));
    Scratch scratch;
    Scratch::Frame frame(scratch);
    const auto rows = take_panels<T>(frame, m, k);
    const auto addend = take_panels<T>(frame, m, m);
    const auto first = take_panels<T>(frame, m, m);
    const auto second = take_panels<T>(frame, m, m);
    pack_rows<T>(x, 1.0, rows);
    pack_rows<T>(s, 1.0, addend);
    Matrix<T> plain = Matrix<T>::Constant(m, m + 2, T(9));
    PanelProduct<T> p{.a = rows, .b = rows, .symmetric = true, .addend = addend.data};
    p.outputs[0] = {.columns = first.data, .plain = plain.data(), .stride = m + 2};
    p.outputs[1] = {.alpha = T(0.5), .beta = T(-2), .gamma = T(3), .columns = second.data};
    p.output_count = 2;
    multiply(p);
    const Matrix<double> product =
        x.template cast<double>() * x.template cast<double>().transpose();
    const Matrix<double> combined =
        0.5 * product - 2 * s.template cast<double>() + 3 * Matrix<double>::Identity(m, m);
    EXPECT_LE((values(first).template cast<double>() - product).cwiseAbs().maxCoeff(), bound<T>(k));
    EXPECT_LE((values(second).template cast<double>() - combined).cwiseAbs().maxCoeff(),
              bound<T>(k));
    EXPECT_TRUE(values(first) == Matrix<T>(values(first).transpose()));
    EXPECT_TRUE(plain.leftCols(m) == values(first));
    EXPECT_TRUE((plain.rightCols(2).array() == T(9)).all());
    EXPECT_TRUE(padded_with_zeros(first));
    EXPECT_TRUE(padded_with_zeros(second));
  }
}

TYPED_TEST(PanelProductTest, GeneralProductsInEveryForm) {
  using T = TypeParam;
  for (const auto& [m, n] :
       {std::pair<Index, Index>{1, 1}, {5, 90}, {60, 60}, {100, 17}, {150, 40}, {420, 50}}) {
    const Index k = 37;
    const Matrix<T> a = uniform<T>(m, k, 4);
    const Matrix<T> b = uniform<T>(n, k, 5);
    Scratch scratch;
    Scratch::Frame frame(scratch);
    const auto left = take_panels<T>(frame, m, k);
    const auto right = take_panels<T>(frame, n, k);
    const auto rows = take_panels<T>(frame, m, n);
    const auto columns = take_panels<T>(frame, n, m);
    pack_rows<T>(a, 1.0, left);
    pack_rows<T>(b, 1.0, right);
    Matrix<T> plain(m, n);
    Matrix<T> turned(n, m);
    PanelProduct<T> p{.a = left, .b = right};
    p.outputs[0] = {.columns = columns.data, .rows = rows.data, .plain = plain.data(), .stride = n};
    p.outputs[1] = {.alpha = T(2), .plain = turned.data(), .stride = m, .turned = true};
    p.output_count = 2;
    multiply(p);
    const Matrix<double> expected =
        a.template cast<double>() * b.template cast<double>().transpose();
    EXPECT_LE((plain.template cast<double>() - expected).cwiseAbs().maxCoeff(), bound<T>(k));
    EXPECT_TRUE(values(rows) == plain);
    EXPECT_TRUE(values(columns) == Matrix<T>(plain.transpose()));
    EXPECT_TRUE(turned == Matrix<T>(T(2) * plain.transpose()));
    EXPECT_TRUE(padded_with_zeros(rows));
    EXPECT_TRUE(padded_with_zeros(columns));
  }
}

// Every vector width that this processor has computes the same sums up to rounding, and each of
// them the same bits on 1, 2 and 4 threads.
TYPED_TEST(PanelProductTest, EveryTargetAndAnyNumberOfThreads) {
  using T = TypeParam;
  for (const auto& [m, k] : {std::pair<Index, Index>{113, 530}, {401, 40}}) {
    const Matrix<T> x = uniform<T>(m, k, 6);
    const Matrix<double> expected =
        x.template cast<double>() * x.template cast<double>().transpose();
    int tried = 0;
    for (const auto target : hwy::SupportedAndGeneratedTargets()) {
      hwy::SetSupportedTargetsForTest(target);
      Matrix<T> one(m, m);
      for (const int count : {1, 2, 4}) {
        set_threads(count);
        Scratch scratch;
        Scratch::Frame frame(scratch);
        const auto rows = take_panels<T>(frame, m, k);
        pack_rows<T>(x, 1.0, rows);
        Matrix<T> plain(m, m);
        PanelProduct<T> p{.a = rows, .b = rows, .symmetric = true};
        p.outputs[0] = {
            .columns = take_panels<T>(frame, m, m).data, .plain = plain.data(), .stride = m};
        multiply(p);
        if (count == 1) one = plain;
        EXPECT_TRUE(plain == one) << hwy::TargetName(target) << " threads " << count;
      }
      EXPECT_LE((one.template cast<double>() - expected).cwiseAbs().maxCoeff(), bound<T>(k))
          << hwy::TargetName(target);
      ++tried;
    }
    hwy::SetSupportedTargetsForTest(0);
    set_threads(0);
    EXPECT_GE(tried, 1);
  }
}

}  // namespace
}  // namespace muonflow::linalg::detail

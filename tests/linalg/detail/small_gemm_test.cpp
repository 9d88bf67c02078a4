#include "muonflow/linalg/detail/small_gemm.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "tests/reference/matrices.hpp"
#include "tests/reference/products.hpp"

namespace muonflow::linalg::detail {
namespace {

template <class T>
void expect_products() {
  for (const Index m : {1, 2, 3, 4, 7, 16}) {
    for (const Index n : {1, 3, 8, 16, 17, 40}) {
      for (const Index k : {1, 5, 32}) {
        const Matrix<T> a = reference::gaussian(m, k, 1).template cast<T>();
        const Matrix<T> turned = a.transpose();
        const Matrix<T> b = reference::gaussian(k, n, 2).template cast<T>();
        const Matrix<double> expected =
            reference::product(a.template cast<double>(), b.template cast<double>());
        reference::Strided<T> plain(Matrix<T>::Constant(m, n, T(2)), 3);
        reference::Strided<T> by_column(Matrix<T>::Constant(m, n, T(2)), 1);
        small_gemm(m, n, k, T(1), a.data(), k, 1, b.data(), n, T(0), plain.ref().data(), n + 3);
        small_gemm(m, n, k, T(1), turned.data(), 1, m, b.data(), n, T(0), by_column.ref().data(),
                   n + 1);
        // k products a sum.
        EXPECT_LE(
            reference::distance(plain.values().template cast<double>(), expected),
            static_cast<double>(k) * std::numeric_limits<T>::epsilon() * (1 + expected.norm()));
        EXPECT_TRUE(plain.values() == by_column.values());
        EXPECT_TRUE(plain.gaps_untouched() && by_column.gaps_untouched());
      }
    }
  }
}

TEST(SmallGemm, EverySizeAroundTheVectorWidth) {
  expect_products<float>();
  expect_products<double>();
}

}  // namespace
}  // namespace muonflow::linalg::detail

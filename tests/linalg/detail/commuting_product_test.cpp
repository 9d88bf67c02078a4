#include "muonflow/linalg/detail/commuting_product.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "muonflow/core/parallel.hpp"
#include "tests/reference/products.hpp"
#include "tests/reference/symmetric.hpp"

namespace muonflow::linalg {
namespace {

template <class T>
class CommutingProduct : public ::testing::Test {};
using Scalars = ::testing::Types<float, double>;
TYPED_TEST_SUITE(CommutingProduct, Scalars);

TYPED_TEST(CommutingProduct, AgreesWithPlainLoopsAndIsSymmetric) {
  using T = TypeParam;
  for (const Index n : {1, 7, 48, 65, 130, 200}) {
    // Two functions of one matrix.
    const Matrix<double> a = reference::with_eigenvalues(reference::geometric(n, 10), 12)
                                 .template cast<T>()
                                 .template cast<double>();
    const Matrix<double> b = 2 * Matrix<double>::Identity(n, n) - a;
    reference::Strided<T> sa(a.template cast<T>(), 2);
    reference::Strided<T> sb(b.template cast<T>(), 1);
    reference::Strided<T> sc(Matrix<T>::Constant(n, n, std::numeric_limits<T>::quiet_NaN()), 3);
    set_threads(1);
    detail::commuting_product<T>(sa.ref(), sb.ref(), sc.ref());
    const Matrix<T> c = sc.values();
    EXPECT_LE(reference::distance(c.template cast<double>(), reference::product(a, b)),
              static_cast<double>(n + 8) * static_cast<double>(std::numeric_limits<T>::epsilon()) *
                  a.norm());
    EXPECT_TRUE(c == c.transpose());
    EXPECT_TRUE(sc.gaps_untouched());
    for (const int count : {2, 4}) {
      set_threads(count);
      detail::commuting_product<T>(sa.ref(), sb.ref(), sc.ref());
      EXPECT_TRUE(sc.values() == c);
    }
    set_threads(0);
  }
}

}  // namespace
}  // namespace muonflow::linalg

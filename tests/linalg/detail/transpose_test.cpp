#include "muonflow/linalg/detail/transpose.hpp"

#include <gtest/gtest.h>

#include "tests/reference/matrices.hpp"

namespace muonflow::linalg::detail {
namespace {

template <class T>
void expect_exact_copies() {
  auto shapes = reference::shapes();
  shapes.push_back({300, 500});
  for (const auto& [m, n] : shapes) {
    const Matrix<T> a = reference::gaussian(m, n, 3).template cast<T>();
    reference::Strided<T> from(a, 3);
    reference::Strided<T> to(Matrix<T>::Zero(n, m), 2);
    transpose<T>(m, n, from.ref().data(), from.ref().outerStride(), to.ref().data(),
                 to.ref().outerStride());
    EXPECT_TRUE(to.values() == a.transpose()) << m << "x" << n;
    EXPECT_TRUE(to.gaps_untouched());
    Matrix<T> block(n, m);
    transpose_block(m, n, a.data(), n, block.data(), m);
    EXPECT_TRUE(block == a.transpose());
  }
}

TEST(Transpose, CopiesEveryEntryOnce) {
  expect_exact_copies<float>();
  expect_exact_copies<double>();
}

}  // namespace
}  // namespace muonflow::linalg::detail

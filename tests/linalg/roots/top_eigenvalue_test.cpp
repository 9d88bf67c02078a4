#include "muonflow/linalg/roots/top_eigenvalue.hpp"

#include <gtest/gtest.h>

#include "muonflow/core/parallel.hpp"
#include "tests/reference/symmetric.hpp"

namespace muonflow::linalg {
namespace {

TEST(TopEigenvalue, OfSeveralSpectra) {
  Scratch scratch;
  for (const Index n : {1, 2, 3, 10, 100, 200}) {
    for (const double condition : {1.0, 10.0, 1e8}) {
      const Matrix<double> a =
          3 * reference::with_eigenvalues(reference::geometric(n, condition), 5);
      const double top = top_eigenvalue(a, scratch);
      EXPECT_LE(top, 3 * (1 + 1e-13)) << n;
      EXPECT_GE(top, 3 * (1 - 1e-7)) << n << " " << condition;
    }
  }
  EXPECT_EQ(top_eigenvalue(Matrix<double>::Zero(4, 4), scratch), 0);
  EXPECT_EQ(top_eigenvalue(Matrix<double>(0, 0), scratch), 0);
  const Matrix<double> diagonal = Vector<double>::LinSpaced(150, 0, 1).asDiagonal();
  EXPECT_NEAR(top_eigenvalue(diagonal, scratch), 1, 1e-6);  // no gap at all
}

TEST(TopEigenvalue, SameBitsForEveryNumberOfThreads) {
  Scratch scratch;
  const Matrix<double> a = reference::with_eigenvalues(reference::geometric(200, 1e4), 6);
  set_threads(1);
  const double one = top_eigenvalue(a, scratch);
  for (const int count : {2, 4}) {
    set_threads(count);
    EXPECT_EQ(top_eigenvalue(a, scratch), one);
  }
  set_threads(0);
}

}  // namespace
}  // namespace muonflow::linalg

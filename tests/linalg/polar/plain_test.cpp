#include "muonflow/linalg/polar/plain.hpp"

#include <gtest/gtest.h>

#include "muonflow/linalg/polar.hpp"
#include "tests/reference/matrices.hpp"

namespace muonflow::linalg {
namespace {

// The rivals of the benchmark compute what ours computes, or the comparison would be worth nothing.
TEST(PlainJordan, ComputesWhatOursComputes) {
  for (const auto& [m, n] : {std::pair<Index, Index>{40, 90}, {90, 40}, {64, 64}}) {
    const Matrix<float> a = reference::gaussian(m, n, 95).cast<float>();
    Workspace<float> workspace;
    Matrix<float> ours = a;
    ASSERT_TRUE(polar<float>(ours, {}, workspace).ok());
    for (const auto library : {ProductLibrary::onednn, ProductLibrary::openblas}) {
      Matrix<float> rival = a;
      plain_jordan(rival, 5, library, workspace);
      EXPECT_LE((rival - ours).norm(), 1e-3f * ours.norm()) << m << "x" << n;
    }
  }
}

TEST(PlainJordan, CountsItsFlops) {
  EXPECT_EQ(plain_jordan_flops(2, 3, 1), 4 * 4 * 3 + 2 * 8);
  EXPECT_EQ(plain_jordan_flops(3, 2, 5), 5 * plain_jordan_flops(2, 3, 1));
}

}  // namespace
}  // namespace muonflow::linalg

#include "muonflow/flow/spread.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "muonflow/core/rng.hpp"

namespace muonflow::flow {
namespace {

TEST(ParticleDistance, IsThatOfAllPairs) {
  Matrix<double> W(7, 6);
  Rng rng(3);
  for (Index k = 0; k < W.size(); ++k) W.data()[k] = 5 + rng.normal();
  double squares = 0, pairs = 0;
  for (Index i = 0; i < W.rows(); ++i) {
    for (Index j = 0; j < i; ++j) {
      squares += (W.row(i) - W.row(j)).squaredNorm();
      pairs += 1;
    }
  }
  // Rounding of sums of 42 terms of size 25.
  EXPECT_NEAR(particle_distance(W), std::sqrt(squares / pairs), 1e-12);
  const Matrix<float> single = W.cast<float>();
  EXPECT_NEAR(particle_distance(single), std::sqrt(squares / pairs), 1e-5);
}

TEST(ParticleDistance, OneParticleHasNoOther) {
  EXPECT_EQ(particle_distance(Matrix<double>(Matrix<double>::Constant(1, 3, 2.0))), 0);
  EXPECT_EQ(particle_distance(Matrix<double>(Matrix<double>::Constant(4, 3, 2.0))), 0);
}

}  // namespace
}  // namespace muonflow::flow

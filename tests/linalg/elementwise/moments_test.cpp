#include "muonflow/linalg/elementwise/moments.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>

#include "muonflow/core/error.hpp"
#include "tests/reference/matrices.hpp"

namespace muonflow::linalg {
namespace {

constexpr Index kRows = 3;

// Lengths about a whole number of every machine's vectors.
constexpr std::array<Index, 7> kCols{1, 2, 7, 16, 31, 64, 133};

// Of three matrices, the gradient is part of a wider one: its rows lie apart. This file is compiled
// for plain x86-64, which fuses nothing, so that entries must agree to the last bit.
template <class T>
class MomentsOf : public testing::Test {
 protected:
  void begin(Index cols, bool apart) {
    wide = reference::gaussian(kRows, cols + (apart ? 5 : 0), 1).cast<T>();
    wide(0, 0) = T(0);
    M = reference::gaussian(kRows, cols, 2).cast<T>();
    V = reference::gaussian(kRows, cols, 3).cast<T>().cwiseAbs2();
    D = Matrix<T>::Constant(kRows, cols, std::numeric_limits<T>::quiet_NaN());
    past_M = M;
    past_V = V;
  }
  ConstMatrixRef<T> g() const { return wide.leftCols(M.cols()); }

  Matrix<T> wide, M, V, D, past_M, past_V;
};
using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(MomentsOf, Scalars);

TYPED_TEST(MomentsOf, MomentumIsItsEquationEntryByEntry) {
  using T = TypeParam;
  for (const Index cols : kCols) {
    for (const bool nesterov : {false, true}) {
      this->begin(cols, nesterov);
      momentum_step<T>({.kept = 0.9, .added = 0.1, .nesterov = nesterov}, this->g(), this->M,
                       this->D);
      for (Index i = 0; i < kRows; ++i) {
        for (Index j = 0; j < cols; ++j) {
          const T past = T(0.9) * this->past_M(i, j), now = T(0.1) * this->g()(i, j);
          const T m = past + now;
          const T again = T(0.9) * m;
          const T ahead = now + again;
          ASSERT_EQ(this->M(i, j), m);
          ASSERT_EQ(this->D(i, j), nesterov ? ahead : m);
        }
      }
    }
  }
}

TYPED_TEST(MomentsOf, AdamIsItsEquationEntryByEntry) {
  using T = TypeParam;
  const AdamMoments by{.beta1 = 0.9, .beta2 = 0.99, .first = 3, .root = 1.5, .eps = 1e-3};
  for (const Index cols : kCols) {
    for (const bool apart : {false, true}) {
      this->begin(cols, apart);
      adam_step<T>(by, this->g(), this->M, this->V, this->D);
      for (Index i = 0; i < kRows; ++i) {
        for (Index j = 0; j < cols; ++j) {
          const T g = this->g()(i, j);
          const T old_m = T(0.9) * this->past_M(i, j), new_m = static_cast<T>(1 - 0.9) * g;
          const T old_v = T(0.99) * this->past_V(i, j), square = g * g;
          const T new_v = static_cast<T>(1 - 0.99) * square;
          const T m = old_m + new_m, v = old_v + new_v;
          const T root = T(1.5) * std::sqrt(v);
          const T bound = root + T(1e-3), top = T(3) * m;
          ASSERT_EQ(this->M(i, j), m);
          ASSERT_EQ(this->V(i, j), v);
          ASSERT_EQ(this->D(i, j), top / bound);
        }
      }
    }
  }
}

TYPED_TEST(MomentsOf, TheStepMayTakeTheGradientsPlace) {
  using T = TypeParam;
  this->begin(40, false);
  Matrix<T> in_place = this->g(), m = this->M, v = this->V;
  adam_step<T>({}, this->g(), this->M, this->V, this->D);
  adam_step<T>({}, in_place, m, v, in_place);
  EXPECT_EQ(in_place, this->D);
  EXPECT_EQ(v, this->V);
}

TYPED_TEST(MomentsOf, NothingOverNothingIsNoStep) {
  using T = TypeParam;
  Matrix<T> zero = Matrix<T>::Zero(2, 21), m = zero, v = zero, d = zero;
  adam_step<T>({.eps = 0}, zero, m, v, d);
  EXPECT_EQ(d, zero);
  rms_step<T>(0.9, 0, v, d);
  EXPECT_EQ(d, zero);
  EXPECT_EQ(v, zero);
}

TYPED_TEST(MomentsOf, NumbersThatAreNotFiniteGoThrough) {
  using T = TypeParam;
  this->begin(37, false);
  this->wide(1, 20) = std::numeric_limits<T>::infinity();
  this->wide(2, 36) = std::numeric_limits<T>::quiet_NaN();
  adam_step<T>({}, this->g(), this->M, this->V, this->D);
  EXPECT_FALSE(std::isfinite(this->D(1, 20)));
  EXPECT_TRUE(std::isnan(this->D(2, 36)));
  EXPECT_TRUE(std::isinf(this->V(1, 20)));
}

TYPED_TEST(MomentsOf, TwoAveragesWeighDifferently) {
  using T = TypeParam;
  for (const Index cols : kCols) {
    this->begin(cols, true);
    two_averages<T>(0.9, 0.99, this->g(), this->M, this->D);
    for (Index i = 0; i < kRows; ++i) {
      for (Index j = 0; j < cols; ++j) {
        const T g = this->g()(i, j), m = this->past_M(i, j);
        const T seen_m = T(0.9) * m, seen_g = static_cast<T>(1 - 0.9) * g;
        const T kept_m = T(0.99) * m, kept_g = static_cast<T>(1 - 0.99) * g;
        ASSERT_EQ(this->D(i, j), seen_m + seen_g);
        ASSERT_EQ(this->M(i, j), kept_m + kept_g);
      }
    }
  }
}

TYPED_TEST(MomentsOf, RmsDividesByTheRootOfTheNewMoment) {
  using T = TypeParam;
  for (const Index cols : kCols) {
    this->begin(cols, false);
    this->D = this->past_M;
    rms_step<T>(0.95, 1e-4, this->V, this->D);
    for (Index i = 0; i < kRows; ++i) {
      for (Index j = 0; j < cols; ++j) {
        const T x = this->past_M(i, j), square = x * x;
        const T kept = T(0.95) * this->past_V(i, j), added = static_cast<T>(1 - 0.95) * square;
        const T v = kept + added;
        ASSERT_EQ(this->V(i, j), v);
        const T bound = std::sqrt(v) + T(1e-4);
        ASSERT_EQ(this->D(i, j), x / bound);
      }
    }
  }
}

TEST(Moments, RefuseOtherShapes) {
  const Matrix<float> g = Matrix<float>::Ones(2, 3);
  Matrix<float> same = g, other = Matrix<float>::Ones(3, 2);
  EXPECT_THROW(momentum_step<float>({}, g, other, same), ShapeError);
  EXPECT_THROW(adam_step<float>({}, g, same, other, same), ShapeError);
  EXPECT_THROW(two_averages<float>(0.9, 0.9, g, same, other), ShapeError);
  EXPECT_THROW(rms_step<float>(0.9, 0, same, other), ShapeError);
  EXPECT_EQ(same, g);
}

}  // namespace
}  // namespace muonflow::linalg

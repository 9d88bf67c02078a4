#include "muonflow/core/matrix.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace muonflow {
namespace {

TEST(Matrix, IsRowMajor) {
  Matrix<double> a(2, 3);
  a << 1, 2, 3, 4, 5, 6;
  EXPECT_EQ(a.data()[1], 2);
  EXPECT_EQ(a.data()[3], 4);
}

TEST(Matrix, ARefBorrowsABlockWithoutCopying) {
  Matrix<float> a = Matrix<float>::Zero(4, 6);
  MatrixRef<float> block = a.block(1, 2, 2, 3);
  EXPECT_EQ(block.outerStride(), 6);
  block(1, 2) = 7;
  EXPECT_EQ(a(2, 4), 7);
  const ConstMatrixRef<float> reading = a.block(1, 2, 2, 3);
  EXPECT_EQ(reading.data(), a.data() + 1 * 6 + 2);
}

TEST(Matrix, AMapReadsRowsThatLieApart) {
  std::vector<double> storage{1, 2, 0, 3, 4, 0};
  MatrixMap<double> map(storage.data(), 2, 2, Eigen::OuterStride<>(3));
  EXPECT_EQ(map(1, 0), 3);
  map(1, 1) = 9;
  EXPECT_EQ(storage[4], 9);
  const ConstMatrixMap<double> reading(storage.data(), 2, 2, Eigen::OuterStride<>(3));
  EXPECT_EQ(reading(1, 1), 9);
}

TEST(Shape, CountsAndPrints) {
  EXPECT_EQ(element_count({}), 1);  // a scalar
  EXPECT_EQ(element_count({2, 3, 4}), 24);
  EXPECT_EQ(element_count({2, 0, 4}), 0);
  EXPECT_EQ(to_string(Shape{16, 32}), "[16, 32]");
  EXPECT_EQ(to_string(Shape{}), "[]");
}

}  // namespace
}  // namespace muonflow

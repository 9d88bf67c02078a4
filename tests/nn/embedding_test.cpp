#include "muonflow/nn/embedding.hpp"

#include <gtest/gtest.h>

#include "muonflow/core/error.hpp"
#include "tests/nn/gradient_check.hpp"

namespace muonflow::nn {
namespace {

using test::random_matrix;
using test::span_of;

TEST(Embedding, ForwardAddsTokenAndPosition) {
  const auto table = random_matrix<double>(5, 3, 1);
  const auto positions = random_matrix<double>(4, 3, 2);  // longer than the time
  const std::vector<std::int32_t> tokens{4, 0, 2, 2, 1, 4};
  Matrix<double> y(6, 3);
  embedding_forward<double>(tokens, 3, table, positions, y);
  EXPECT_EQ(y.row(0), table.row(4) + positions.row(0));
  EXPECT_EQ(y.row(2), table.row(2) + positions.row(2));
  EXPECT_EQ(y.row(3), table.row(2) + positions.row(0));
}

TEST(Embedding, BackwardIsTheGradientWithRepeatedTokens) {
  auto table = random_matrix<double>(5, 3, 1);
  auto positions = random_matrix<double>(4, 3, 2);
  const std::vector<std::int32_t> tokens{4, 0, 2, 2, 1, 4};
  const auto dy = random_matrix<double>(6, 3, 3);
  Matrix<double> y(6, 3);
  Matrix<double> dtable = Matrix<double>::Zero(5, 3), dpositions = Matrix<double>::Zero(4, 3);
  embedding_backward<double>(tokens, 3, dy, dtable, dpositions);
  const auto value = [&] {
    embedding_forward<double>(tokens, 3, table, positions, y);
    return test::inner_product(y, dy);
  };
  test::expect_gradient("tokens", span_of(table), span_of(dtable), value);
  test::expect_gradient("positions", span_of(positions), span_of(dpositions), value);
  EXPECT_EQ(dtable.row(3).norm(), 0);
  EXPECT_EQ(dpositions.row(3).norm(), 0);
}

TEST(Embedding, ThreadsChangeNoBit) {
  const auto tokens = test::random_tokens(5000, 9, 1);
  const auto dy = random_matrix<float>(5000, 50, 2);
  test::expect_same_bits([&] {
    Matrix<float> dtable = Matrix<float>::Zero(9, 50), dpositions = Matrix<float>::Zero(50, 50);
    embedding_backward<float>(tokens, 50, dy, dtable, dpositions);
    Matrix<float> all(59, 50);
    all << dtable, dpositions;
    return all;
  });
}

TEST(Embedding, RefusesShapesThatDoNotFit) {
  const std::vector<std::int32_t> tokens{0, 1, 0, 1};
  const auto table = random_matrix<double>(2, 3, 1);
  const auto positions = random_matrix<double>(2, 3, 2);
  Matrix<double> y(4, 3), wrong(4, 2);
  EXPECT_THROW(embedding_forward<double>(tokens, 4, table, positions, y), ShapeError);
  EXPECT_THROW(embedding_forward<double>(tokens, 3, table, positions, y), ShapeError);
  EXPECT_THROW(embedding_forward<double>(tokens, 2, table, positions, wrong), ShapeError);
}

}  // namespace
}  // namespace muonflow::nn

#include "muonflow/nn/cross_entropy.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "muonflow/core/error.hpp"
#include "tests/nn/gradient_check.hpp"

namespace muonflow::nn {
namespace {

using test::random_matrix;
using test::span_of;

template <class T>
double forward(const Matrix<T>& logits, const std::vector<std::int32_t>& targets, Matrix<T>& lse) {
  lse.resize(1, logits.rows());
  std::vector<double> losses(targets.size());
  return cross_entropy_forward<T>(logits, targets, span_of(lse), losses);
}

TEST(CrossEntropy, ForwardIsTheDefinition) {
  for (const Index vocabulary : {1, 3, 16, 100}) {
    const auto logits = random_matrix<double>(4, vocabulary, 1, 3.0);
    const auto targets = test::random_tokens(4, static_cast<std::int32_t>(vocabulary), 2);
    double expected = 0;
    for (Index i = 0; i < 4; ++i) {
      const double sum = logits.row(i).array().exp().sum();
      expected -= std::log(std::exp(logits(i, targets[static_cast<std::size_t>(i)])) / sum) / 4;
    }
    Matrix<double> lse;
    EXPECT_NEAR(forward(logits, targets, lse), expected, 1e-13);
    Matrix<float> lse_float;
    const Matrix<float> narrow = logits.cast<float>();
    EXPECT_NEAR(forward(narrow, targets, lse_float), expected, 1e-5);
  }
}

TEST(CrossEntropy, HugeLogitsDoNotOverflow) {
  Matrix<float> logits(1, 3), lse;
  logits << 3e4f, -3e4f, 0.0f;
  EXPECT_EQ(forward(logits, {0}, lse), 0.0);
  EXPECT_EQ(forward(logits, {2}, lse), 3e4);
}

TEST(CrossEntropy, NotANumberIsReported) {
  Matrix<float> logits = Matrix<float>::Zero(2, 5), lse;
  logits(1, 3) = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(std::isnan(forward(logits, {0, 0}, lse)));
}

TEST(CrossEntropy, BackwardIsTheGradient) {
  auto logits = random_matrix<double>(5, 19, 1);
  const auto targets = test::random_tokens(5, 19, 2);
  Matrix<double> lse;
  forward(logits, targets, lse);
  Matrix<double> gradient = logits;
  cross_entropy_backward<double>(gradient, targets, span_of(lse), 1.0);
  Matrix<double> scratch;
  test::expect_gradient("logits", span_of(logits), span_of(gradient),
                        [&] { return forward(logits, targets, scratch); });
  Matrix<double> scaled = logits;
  cross_entropy_backward<double>(scaled, targets, span_of(lse), -3.0);
  EXPECT_LE((scaled + 3 * gradient).cwiseAbs().maxCoeff(), 1e-15);
}

TEST(CrossEntropy, ThreadsChangeNoBit) {
  const auto logits = random_matrix<float>(600, 65, 1);
  const auto targets = test::random_tokens(600, 65, 2);
  test::expect_same_bits([&] {
    Matrix<float> lse;
    const double loss = forward(logits, targets, lse);
    Matrix<float> all = logits;
    cross_entropy_backward<float>(all, targets, span_of(lse), 1.0f);
    all(0, 0) += static_cast<float>(loss);
    return all;
  });
}

TEST(CrossEntropy, RefusesShapesThatDoNotFit) {
  Matrix<double> logits(3, 4), lse(1, 3);
  std::vector<double> losses(3);
  const std::vector<std::int32_t> targets{0, 1};
  EXPECT_THROW(cross_entropy_forward<double>(logits, targets, span_of(lse), losses), ShapeError);
}

}  // namespace
}  // namespace muonflow::nn

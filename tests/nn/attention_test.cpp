#include "muonflow/nn/attention.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "muonflow/core/error.hpp"
#include "tests/nn/gradient_check.hpp"

namespace muonflow::nn {
namespace {

using test::random_matrix;
using test::span_of;

// The definition with the whole matrix of scores, in double.
Matrix<double> reference(const AttentionShape& shape, const Matrix<double>& qkv) {
  const Index width = qkv.cols() / 3;
  const Index size = width / shape.heads;
  Matrix<double> y(qkv.rows(), width);
  for (Index b = 0; b < shape.batch; ++b) {
    for (Index h = 0; h < shape.heads; ++h) {
      const auto part = [&](Index which) {
        return qkv.block(b * shape.time, which * width + h * size, shape.time, size);
      };
      Matrix<double> p = part(0) * part(1).transpose() / std::sqrt(static_cast<double>(size));
      for (Index i = 0; i < shape.time; ++i) {
        const double top = p.row(i).head(i + 1).maxCoeff();
        p.row(i).head(i + 1) = (p.row(i).head(i + 1).array() - top).exp();
        p.row(i).head(i + 1) /= p.row(i).head(i + 1).sum();
        p.row(i).tail(shape.time - i - 1).setZero();
      }
      y.block(b * shape.time, h * size, shape.time, size) = p * part(2);
    }
  }
  return y;
}

// The largest score of each head that the mask lets through.
std::vector<double> reference_peaks(const AttentionShape& shape, const Matrix<double>& qkv) {
  const Index width = qkv.cols() / 3;
  const Index size = width / shape.heads;
  std::vector<double> peaks;
  for (Index b = 0; b < shape.batch; ++b) {
    for (Index h = 0; h < shape.heads; ++h) {
      double peak = -std::numeric_limits<double>::infinity();
      for (Index i = 0; i < shape.time; ++i) {
        for (Index j = 0; j <= i; ++j) {
          const auto q = qkv.row(b * shape.time + i).segment(h * size, size);
          const auto k = qkv.row(b * shape.time + j).segment(width + h * size, size);
          peak = std::max(peak, q.dot(k) / std::sqrt(static_cast<double>(size)));
        }
      }
      peaks.push_back(peak);
    }
  }
  return peaks;
}

template <class T>
struct AttentionLayer {
  AttentionLayer(const AttentionShape& shape_, Index width, double scale = 1)
      : shape(shape_),
        qkv(random_matrix<T>(shape.batch * shape.time, 3 * width, 1, scale)),
        y(shape.batch * shape.time, width),
        lse(1, shape.batch * shape.time * shape.heads) {}

  void forward() { attention_forward<T>(shape, qkv, y, span_of(lse)); }

  std::vector<T> peaks() {
    std::vector<T> found(static_cast<std::size_t>(shape.batch * shape.heads), T(-1e30));
    attention_forward<T>(shape, qkv, y, span_of(lse), found);
    return found;
  }

  Matrix<T> backward(const Matrix<T>& dy) {
    Matrix<T> dqkv =
        Matrix<T>::Constant(qkv.rows(), qkv.cols(), std::numeric_limits<T>::quiet_NaN());
    attention_backward<T>(shape, qkv, y, span_of(lse), dy, dqkv);
    return dqkv;
  }

  AttentionShape shape;
  Matrix<T> qkv, y, lse;
};

// Times around the block of 64 and the padding of 8 and 16; head sizes around the vector lengths.
struct Case {
  AttentionShape shape;
  Index width;
};
const std::vector<Case> kCases{
    {{1, 1, 1}, 1},   {{2, 1, 2}, 4},   {{1, 7, 1}, 3},   {{1, 8, 2}, 16},   {{2, 17, 3}, 15},
    {{1, 63, 1}, 17}, {{1, 64, 2}, 32}, {{1, 65, 1}, 16}, {{2, 130, 2}, 66}, {{1, 200, 3}, 24}};

TEST(Attention, ForwardIsTheDefinition) {
  for (const auto& [shape, width] : kCases) {
    AttentionLayer<double> layer(shape, width);
    layer.forward();
    EXPECT_LE((layer.y - reference(shape, layer.qkv)).cwiseAbs().maxCoeff(), 1e-13)
        << "time " << shape.time << " width " << width;
  }
}

TEST(Attention, FloatAgreesWithDouble) {
  for (const auto& [shape, width] : kCases) {
    AttentionLayer<float> layer(shape, width);
    layer.forward();
    const Matrix<double> qkv = layer.qkv.cast<double>();
    const double error = (layer.y.cast<double>() - reference(shape, qkv)).cwiseAbs().maxCoeff();
    // Averages of values of order one; scores of order sqrt(width) carry their rounding into exp.
    EXPECT_LE(error, 50.0 * std::numeric_limits<float>::epsilon())
        << "time " << shape.time << " width " << width;
  }
}

template <class T>
void expect_peaks(const Case& tested, double negative) {
  const auto& [shape, width] = tested;
  AttentionLayer<T> layer(shape, width);
  // With keys that point away from all queries every score is below zero, and below the zeros of
  // the padding.
  if (negative != 0) {
    layer.qkv.leftCols(width).setConstant(static_cast<T>(negative));
    layer.qkv.middleCols(width, width) = -layer.qkv.middleCols(width, width).cwiseAbs();
  }
  layer.forward();
  const Matrix<T> y = layer.y;
  const auto found = layer.peaks();
  const auto expected = reference_peaks(shape, layer.qkv.template cast<double>());
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    // A sum of width products of order one, divided by its root.
    const double tolerance = 4 * std::sqrt(static_cast<double>(width)) *
                             std::numeric_limits<T>::epsilon() *
                             std::max(1.0, std::abs(expected[i]));
    EXPECT_NEAR(found[i], expected[i], tolerance) << "time " << shape.time << " head " << i;
  }
  EXPECT_EQ(layer.y, y);  // to ask changes no bit of the answer
}

TEST(Attention, PeaksAreTheLargestScores) {
  for (const auto& tested : kCases) {
    expect_peaks<double>(tested, 0);
    expect_peaks<float>(tested, 0);
    expect_peaks<double>(tested, 1);
    expect_peaks<float>(tested, 1);
  }
}

// What a query may not see is no score of it.
TEST(Attention, PeaksLeaveTheFutureOut) {
  AttentionLayer<double> layer({1, 90, 2}, 16);
  const auto before = layer.peaks();
  layer.qkv.row(89).segment(16, 16).setConstant(1e6);  // a key that the last query alone sees
  layer.qkv.row(89).head(16).setZero();                // and does not care for
  const auto after = layer.peaks();
  for (std::size_t h = 0; h < 2; ++h) {
    EXPECT_LE(after[h], std::max(before[h], 0.0));
  }
}

TEST(Attention, PeaksHaveTheSameBitsForAnyThreads) {
  AttentionLayer<float> layer({3, 100, 3}, 48);
  test::expect_same_bits([&] {
    const auto peaks = layer.peaks();
    return Matrix<float>(ConstMatrixMap<float>(peaks.data(), 1, 9, Eigen::OuterStride<>(9)));
  });
}

TEST(Attention, LargeScoresDoNotOverflow) {
  AttentionLayer<float> layer({1, 100, 2}, 16, 30.0);
  layer.forward();
  EXPECT_TRUE(layer.y.allFinite());
  EXPECT_TRUE(layer.backward(random_matrix<float>(100, 16, 2)).allFinite());
}

TEST(Attention, BackwardIsTheGradient) {
  set_threads(1);  // thousands of tiny passes: waking threads would take most of the time
  for (const auto& [shape, width] : kCases) {
    AttentionLayer<double> layer(shape, width);
    const auto dy = random_matrix<double>(layer.y.rows(), width, 2);
    layer.forward();
    auto dqkv = layer.backward(dy);
    const auto stride = static_cast<std::size_t>(std::max<Index>(1, dqkv.size() / 60));
    test::expect_gradient(
        "qkv, time " + std::to_string(shape.time), span_of(layer.qkv), span_of(dqkv),
        [&] {
          layer.forward();
          return test::inner_product(layer.y, dy);
        },
        stride);
  }
  set_threads(0);
}

TEST(Attention, FloatBackwardAgreesWithDouble) {
  AttentionLayer<float> layer({2, 130, 2}, 66);
  AttentionLayer<double> wide({2, 130, 2}, 66);
  wide.qkv = layer.qkv.cast<double>();
  const auto dy = random_matrix<float>(260, 66, 2);
  layer.forward();
  wide.forward();
  const Matrix<double> expected = wide.backward(dy.cast<double>());
  const double error = (layer.backward(dy).cast<double>() - expected).norm();
  EXPECT_LE(error, 1e-6 * expected.norm());
}

TEST(Attention, FutureTokensHaveNoInfluence) {
  AttentionLayer<float> layer({1, 90, 2}, 16);
  layer.forward();
  const Matrix<float> before = layer.y;
  layer.qkv.bottomRows(20).setConstant(5.0f);
  layer.forward();
  EXPECT_EQ(layer.y.topRows(70), before.topRows(70));
  EXPECT_NE(layer.y.bottomRows(20), before.bottomRows(20));
}

TEST(Attention, NotANumberIsReported) {
  AttentionLayer<float> layer({1, 70, 1}, 8);
  layer.qkv(3, 1) = std::numeric_limits<float>::quiet_NaN();
  layer.forward();
  EXPECT_FALSE(layer.y.allFinite());
}

TEST(Attention, ThreadsChangeNoBit) {
  AttentionLayer<float> layer({3, 100, 3}, 48);
  const auto dy = random_matrix<float>(300, 48, 2);
  test::expect_same_bits([&] {
    layer.forward();
    Matrix<float> all(300, 48 * 4);
    all << layer.y, layer.backward(dy);
    return all;
  });
}

TEST(Attention, RefusesShapesThatDoNotFit) {
  AttentionLayer<double> layer({1, 4, 3}, 8);  // 3 heads do not divide 8
  EXPECT_THROW(layer.forward(), ShapeError);
  AttentionLayer<double> longer({1, 4, 2}, 8);
  longer.shape.time = 5;
  EXPECT_THROW(longer.forward(), ShapeError);
  AttentionLayer<double> layer_of_two({1, 4, 2}, 8);
  std::vector<double> one(1);
  EXPECT_THROW(attention_forward<double>(layer_of_two.shape, layer_of_two.qkv, layer_of_two.y,
                                         span_of(layer_of_two.lse), one),
               ShapeError);
}

}  // namespace
}  // namespace muonflow::nn

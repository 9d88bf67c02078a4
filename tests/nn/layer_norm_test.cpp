#include "muonflow/nn/layer_norm.hpp"

#include <gtest/gtest.h>

#include "muonflow/core/error.hpp"
#include "tests/nn/gradient_check.hpp"

namespace muonflow::nn {
namespace {

using test::random_matrix;
using test::span_of;

template <class T>
struct NormLayer {
  explicit NormLayer(Index rows, Index cols)
      : x(random_matrix<T>(rows, cols, 1)),
        gain(random_matrix<T>(1, cols, 2)),
        bias(random_matrix<T>(1, cols, 3)),
        y(rows, cols),
        mean(1, rows),
        reciprocal(1, rows) {}

  void forward(bool with_bias = true) {
    layer_norm_forward<T>(x, span_of(gain),
                          with_bias ? std::span<const T>(span_of(bias)) : std::span<const T>{}, y,
                          span_of(mean), span_of(reciprocal));
  }

  Matrix<T> x, gain, bias, y, mean, reciprocal;
};

// The definition, in double.
Matrix<double> reference(const Matrix<double>& x, const Matrix<double>& gain,
                         const Matrix<double>& bias) {
  Matrix<double> y(x.rows(), x.cols());
  for (Index i = 0; i < x.rows(); ++i) {
    const double mean = x.row(i).mean();
    const double variance = (x.row(i).array() - mean).square().mean();
    y.row(i) = (x.row(i).array() - mean) / std::sqrt(variance + 1e-5) * gain.row(0).array() +
               bias.row(0).array();
  }
  return y;
}

TEST(LayerNorm, ForwardIsTheDefinition) {
  for (const Index cols : {1, 5, 16, 33, 100}) {
    NormLayer<double> wide(3, cols);
    wide.forward();
    EXPECT_LE((wide.y - reference(wide.x, wide.gain, wide.bias)).cwiseAbs().maxCoeff(), 1e-13);
    NormLayer<float> layer(3, cols);
    layer.forward();
    const auto exact =
        reference(layer.x.cast<double>(), layer.gain.cast<double>(), layer.bias.cast<double>());
    // A few roundings of values up to about ten.
    EXPECT_LE((layer.y.cast<double>() - exact).cwiseAbs().maxCoeff(),
              40.0 * std::numeric_limits<float>::epsilon());
  }
}

TEST(LayerNorm, LargeOffsetCostsNoAccuracy) {
  NormLayer<float> layer(2, 64);
  layer.x.array() += 1000.0f;
  layer.forward(false);
  const auto exact =
      reference(layer.x.cast<double>(), layer.gain.cast<double>(), Matrix<double>::Zero(1, 64));
  // The mean of numbers near 1000 is known to half a unit of 1000, 3e-5.
  EXPECT_LE((layer.y.cast<double>() - exact).cwiseAbs().maxCoeff(), 5e-4);
}

TEST(LayerNorm, BackwardIsTheGradientAddedToWhatIsThere) {
  for (const Index rows : {1, 4, 70}) {
    NormLayer<double> layer(rows, 19);
    const auto dy = random_matrix<double>(rows, 19, 4);
    const auto residual = random_matrix<double>(rows, 19, 5);
    layer.forward();
    Matrix<double> dx = residual, dgain = Matrix<double>::Zero(1, 19),
                   dbias = Matrix<double>::Zero(1, 19);
    layer_norm_backward<double>(layer.x, span_of(layer.gain), span_of(layer.mean),
                                span_of(layer.reciprocal), dy, dx, span_of(dgain), span_of(dbias));
    dx -= residual;
    const auto value = [&] {
      layer.forward();
      return test::inner_product(layer.y, dy);
    };
    test::expect_gradient("x", span_of(layer.x), span_of(dx), value, 7);
    test::expect_gradient("gain", span_of(layer.gain), span_of(dgain), value);
    test::expect_gradient("bias", span_of(layer.bias), span_of(dbias), value);
  }
}

TEST(LayerNorm, BackwardWithoutBiasIsTheSame) {
  NormLayer<double> layer(5, 8);
  const auto dy = random_matrix<double>(5, 8, 4);
  layer.forward();
  const auto run = [&](bool with_bias) {
    Matrix<double> dx = Matrix<double>::Zero(5, 8), dgain = Matrix<double>::Zero(1, 8),
                   dbias = Matrix<double>::Zero(1, 8);
    layer_norm_backward<double>(layer.x, span_of(layer.gain), span_of(layer.mean),
                                span_of(layer.reciprocal), dy, dx, span_of(dgain),
                                with_bias ? span_of(dbias) : std::span<double>{});
    Matrix<double> all(6, 8);
    all << dx, dgain;
    return all;
  };
  EXPECT_EQ(run(true), run(false));
}

TEST(LayerNorm, ThreadsChangeNoBit) {
  NormLayer<float> layer(1000, 70);
  const auto dy = random_matrix<float>(1000, 70, 4);
  test::expect_same_bits([&] {
    layer.forward();
    Matrix<float> dx = Matrix<float>::Zero(1000, 70), dgain = Matrix<float>::Zero(1, 70),
                  dbias = Matrix<float>::Zero(1, 70);
    layer_norm_backward<float>(layer.x, span_of(layer.gain), span_of(layer.mean),
                               span_of(layer.reciprocal), dy, dx, span_of(dgain), span_of(dbias));
    Matrix<float> all(2002, 70);
    all << layer.y, dx, dgain, dbias;
    return all;
  });
}

TEST(LayerNorm, RefusesShapesThatDoNotFit) {
  NormLayer<double> layer(4, 6);
  layer.gain.resize(1, 5);
  EXPECT_THROW(layer.forward(), ShapeError);
}

}  // namespace
}  // namespace muonflow::nn

#include "muonflow/nn/linear.hpp"

#include <gtest/gtest.h>

#include "muonflow/core/error.hpp"
#include "tests/nn/gradient_check.hpp"

namespace muonflow::nn {
namespace {

using test::random_matrix;
using test::span_of;

TEST(Linear, ForwardIsProductPlusBiasPlusResidual) {
  const auto x = random_matrix<double>(5, 7, 1);
  const auto w = random_matrix<double>(3, 7, 2);
  auto b = random_matrix<double>(1, 3, 3);
  const auto r = random_matrix<double>(5, 3, 4);
  Matrix<double> y(5, 3);
  const Matrix<double> product = x * w.transpose();
  // Sums of 7 products of order one.
  const double bound = 7 * 10 * std::numeric_limits<double>::epsilon();
  linear_forward<double>(x, w, {}, y);
  EXPECT_LE((y - product).cwiseAbs().maxCoeff(), bound);
  linear_forward<double>(x, w, span_of(b), y);
  EXPECT_LE((y - (product.rowwise() + b.row(0))).cwiseAbs().maxCoeff(), bound);
  linear_forward<double>(x, w, span_of(b), r, y);
  EXPECT_LE((y - (product.rowwise() + b.row(0)) - r).cwiseAbs().maxCoeff(), bound);
  linear_forward<double>(x, w, {}, r, y);
  EXPECT_LE((y - product - r).cwiseAbs().maxCoeff(), bound);
  y = r;  // the residual may be y itself
  linear_forward<double>(x, w, {}, y, y);
  EXPECT_LE((y - product - r).cwiseAbs().maxCoeff(), bound);
}

TEST(Linear, ForwardOverwritesNaN) {
  const auto x = random_matrix<float>(2, 3, 1);
  const auto w = random_matrix<float>(4, 3, 2);
  Matrix<float> y = Matrix<float>::Constant(2, 4, std::numeric_limits<float>::quiet_NaN());
  linear_forward<float>(x, w, {}, y);
  EXPECT_TRUE(y.allFinite());
}

TEST(Linear, BackwardIsTheGradientAndAccumulates) {
  for (const Index rows : {1, 6}) {
    auto x = random_matrix<double>(rows, 5, 1);
    auto w = random_matrix<double>(4, 5, 2);
    auto b = random_matrix<double>(1, 4, 3);
    const auto dy = random_matrix<double>(rows, 4, 4);
    Matrix<double> none, y(rows, 4), dx(rows, 5), dw = Matrix<double>::Zero(4, 5);
    Matrix<double> db = Matrix<double>::Zero(1, 4);
    const auto value = [&] {
      linear_forward<double>(x, w, span_of(b), y);
      return test::inner_product(y, dy);
    };
    linear_backward<double>(x, w, dy, dx, dw, span_of(db));
    test::expect_gradient("x", span_of(x), span_of(dx), value);
    test::expect_gradient("weight", span_of(w), span_of(dw), value);
    test::expect_gradient("bias", span_of(b), span_of(db), value);

    const Matrix<double> dw_once = dw;
    const Matrix<double> db_once = db;
    linear_backward<double>(x, w, dy, none, dw, span_of(db));  // no dx wanted
    EXPECT_LE((dw - 2 * dw_once).norm(), 1e-14 * dw_once.norm());
    EXPECT_LE((db - 2 * db_once).norm(), 1e-14 * db_once.norm());
  }
}

TEST(Linear, BiasGradientSumsManyRowsAccurately) {
  // 100,000 rows of 0.1f: naive float summation would be off by about 1e-3 relative.
  const Matrix<float> dy = Matrix<float>::Constant(100000, 3, 0.1f);
  const Matrix<float> x = Matrix<float>::Zero(100000, 1);
  const Matrix<float> w = Matrix<float>::Zero(3, 1);
  Matrix<float> none, dw = Matrix<float>::Zero(3, 1), db = Matrix<float>::Zero(1, 3);
  linear_backward<float>(x, w, dy, none, dw, span_of(db));
  const double exact = 100000.0 * static_cast<double>(0.1f);
  // Runs of 64 in float, then double, then one rounding: 64 half units at the very most.
  EXPECT_NEAR(static_cast<double>(db(0, 0)), exact,
              exact * 32 * std::numeric_limits<float>::epsilon());
}

TEST(Linear, ThreadsChangeNoBit) {
  const auto x = random_matrix<float>(700, 72, 1);
  const auto w = random_matrix<float>(200, 72, 2);
  auto b = random_matrix<float>(1, 200, 3);
  const auto dy = random_matrix<float>(700, 200, 4);
  test::expect_same_bits([&] {
    Matrix<float> y(700, 200);
    linear_forward<float>(x, w, span_of(b), y);
    return y;
  });
  test::expect_same_bits([&] {
    Matrix<float> dx(700, 72), dw = Matrix<float>::Zero(200, 72), db = Matrix<float>::Zero(1, 200);
    linear_backward<float>(x, w, dy, dx, dw, span_of(db));
    Matrix<float> all(900 + 200, 72);
    all << dx, dw, db.transpose().replicate(1, 72);
    return all;
  });
}

TEST(Linear, RefusesShapesThatDoNotFit) {
  const auto x = random_matrix<double>(5, 7, 1);
  const auto w = random_matrix<double>(3, 6, 2);
  Matrix<double> y(5, 3);
  EXPECT_THROW(linear_forward<double>(x, w, {}, y), ShapeError);
}

}  // namespace
}  // namespace muonflow::nn

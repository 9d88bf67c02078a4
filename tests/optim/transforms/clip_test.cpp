#include "muonflow/optim/transforms/clip.hpp"

#include <cmath>
#include <limits>

#include "tests/optim/fixtures.hpp"

namespace muonflow::optim {
namespace {

TEST(Clip, GlobalNormIsOverAllGradients) {
  Owned<> a("a", {2}, Role::bias, 1, 0);
  Owned<> b("b", {1, 2}, Role::hidden, 1, 0);
  a.gradient = {3, 0};
  b.gradient = {0, 4};
  std::vector<Parameter<double>> all{a.parameter, b.parameter};
  all[0].gradient = a.gradient.data();
  all[1].gradient = b.gradient.data();
  EXPECT_DOUBLE_EQ(clip_gradients<double>(all, 10), 5);
  EXPECT_EQ(a.gradient[0], 3);
  EXPECT_DOUBLE_EQ(clip_gradients<double>(all, 1), 5);
  EXPECT_DOUBLE_EQ(a.gradient[0], 0.6);
  EXPECT_DOUBLE_EQ(b.gradient[1], 0.8);
}

TEST(Clip, EachByItsOwnNorm) {
  Owned<> a("a", {2}, Role::bias, 1, 0);
  Owned<> b("b", {2}, Role::bias, 1, 0);
  a.gradient[0] = 3;
  b.gradient[1] = 0.5;
  std::vector<Parameter<double>> all{a.parameter, b.parameter};
  EXPECT_DOUBLE_EQ(clip_each_gradient<double>(all, 1), 3);
  EXPECT_DOUBLE_EQ(a.gradient[0], 1);
  EXPECT_EQ(b.gradient[1], 0.5);
}

TEST(Clip, LeavesOutMissingGradientsAndPadding) {
  Owned<float> a("a", {4, 3});
  a.gradient.assign(4 * 3, 100);
  // Columns 0 and 1 of three: rows lie apart, the last column is padding.
  Parameter<float> view = a.parameter;
  view.shape = {4, 2};
  view.gradient = a.gradient.data();
  view.gradient_stride = 3;
  Parameter<float> missing = a.parameter;
  missing.gradient = nullptr;
  std::vector<Parameter<float>> all{missing, view};
  EXPECT_NEAR(clip_gradients<float>(all, 1), 100 * std::sqrt(8.0), 1e-4);
  EXPECT_NEAR(a.gradient[0], 1 / std::sqrt(8.0), 1e-6);
  EXPECT_EQ(a.gradient[2], 100);
}

TEST(Clip, DoesNotScaleByANormThatIsNotFinite) {
  Owned<> a("a", {2}, Role::bias, 1, 7);
  a.gradient[1] = std::numeric_limits<double>::quiet_NaN();
  std::vector<Parameter<double>> all{a.parameter};
  EXPECT_TRUE(std::isnan(clip_gradients<double>(all, 1)));
  EXPECT_TRUE(std::isnan(clip_each_gradient<double>(all, 1)));
  EXPECT_EQ(a.gradient[0], 7);
}

// Huge and tiny gradients: squares that would overflow or vanish.
TEST(Clip, NormsOfExtremeGradients) {
  Owned<float> a("a", {3}, Role::bias, 1, 1e30f);
  std::vector<Parameter<float>> all{a.parameter};
  EXPECT_NEAR(clip_gradients<float>(all, 1) / (1e30 * std::sqrt(3.0)), 1, 1e-6);
  EXPECT_NEAR(a.gradient[0], 1 / std::sqrt(3.0), 1e-6);
}

}  // namespace
}  // namespace muonflow::optim

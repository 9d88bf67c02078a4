#include "muonflow/geometry/potential.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>

#include "muonflow/geometry/geometries.hpp"
#include "tests/reference/matrices.hpp"

namespace muonflow::geometry {
namespace {

// 37 matrices of 5x3 in rows of 20 numbers, between other numbers; two groups of 16 and a rest.
template <class T>
struct Rows {
  static constexpr Index kCount = 37, kBefore = 2, kSize = 15;
  Matrix<T> all = reference::gaussian(kCount, 20, 5).cast<T>();
  std::vector<double> values = std::vector<double>(kCount, -1);
  std::vector<double> pairings = std::vector<double>(kCount, -1);
  linalg::Workspace<T> workspace;

  Batch<T> batch() {
    return {.data = all.data() + kBefore, .count = kCount, .rows = 5, .cols = 3, .stride = 20};
  }
};

template <class T>
void expect_one_by_one(const std::string& name) {
  const auto phi = make_potential<T>(name, Json::object());
  Rows<T> rows;
  Matrix<T> expected = rows.all;
  ASSERT_TRUE(
      phi->values_and_gradients(rows.batch(), rows.values, rows.pairings, rows.workspace).ok());
  // Roundings times the condition of the map: singular values of order 3 over the default epsilon
  // of 1e-2; float maps are exact to 3e-6.
  const double tolerance = std::is_same_v<T, double> ? 1e-12 : 2e-5;
  for (Index i = 0; i < rows.kCount; ++i) {
    Rows<T> one;
    one.all = expected;
    const auto found = phi->value_and_gradient(one.batch()[i], one.workspace);
    ASSERT_TRUE(found.outcome.ok());
    EXPECT_NEAR(rows.values[static_cast<std::size_t>(i)], found.value, tolerance * found.value);
    EXPECT_NEAR(rows.pairings[static_cast<std::size_t>(i)], found.pairing,
                tolerance * found.pairing);
    EXPECT_LE((rows.all.row(i) - one.all.row(i)).norm(),
              tolerance * static_cast<double>(one.all.row(i).norm()))
        << name << ", matrix " << i;
  }
  EXPECT_TRUE(rows.all.leftCols(2) == expected.leftCols(2)) << "numbers between the matrices";
  EXPECT_TRUE(rows.all.rightCols(3) == expected.rightCols(3)) << "numbers between the matrices";
}

TEST(Potential, ABatchIsItsMatricesOneByOne) {
  for (const auto& name : geometries().names()) {
    expect_one_by_one<double>(name);
    expect_one_by_one<float>(name);
  }
}

TEST(Potential, NeighboursInABatchChangeNoBit) {
  const auto phi = make_potential<float>("smoothed_nuclear", Json::object());
  Rows<float> together, apart;
  ASSERT_TRUE(phi->values_and_gradients(together.batch(), together.values, together.pairings,
                                        together.workspace)
                  .ok());
  for (Index i = 0; i < Rows<float>::kCount; ++i) {
    auto one = apart.batch();
    one.data += i * one.stride;
    one.count = 1;
    const auto at = static_cast<std::size_t>(i);
    ASSERT_TRUE(phi->values_and_gradients(one, std::span(apart.values).subspan(at, 1),
                                          std::span(apart.pairings).subspan(at, 1), apart.workspace)
                    .ok());
  }
  EXPECT_TRUE(together.all == apart.all);
  EXPECT_EQ(together.values, apart.values);
  EXPECT_EQ(together.pairings, apart.pairings);
}

TEST(Potential, ABatchWithATroubledMatrixSaysSo) {
  for (const auto& name : geometries().names()) {
    const auto phi = make_potential<double>(name, Json::object());
    Rows<double> rows;
    rows.all(20, 7) = std::numeric_limits<double>::infinity();
    EXPECT_FALSE(
        phi->values_and_gradients(rows.batch(), rows.values, rows.pairings, rows.workspace).ok())
        << name;
  }
}

}  // namespace
}  // namespace muonflow::geometry

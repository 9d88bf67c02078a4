#include "muonflow/linalg/batched/singular_values_of.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "muonflow/core/error.hpp"
#include "muonflow/core/rng.hpp"
#include "muonflow/linalg/svd.hpp"

namespace muonflow::linalg {
namespace {

template <class T>
std::vector<T> normal_entries(Index count) {
  Rng rng(3, 0);
  std::vector<T> x(static_cast<std::size_t>(count));
  for (T& v : x) v = static_cast<T>(rng.normal());
  return x;
}

template <class T>
void expect_values_of_svd(Index rows, Index cols) {
  constexpr Index kCount = 21, kGap = 3;  // a whole block and some more, in longer rows of memory
  const Index stride = rows * cols + kGap;
  const auto x = normal_entries<T>(kCount * stride);
  const MatrixRun<T> run{
      .data = x.data(), .count = kCount, .rows = rows, .cols = cols, .stride = stride};
  const Index rank = std::min(rows, cols);
  std::vector<double> values(static_cast<std::size_t>(kCount * rank));
  Workspace<T> workspace;
  singular_values_of<T>(run, values, workspace);
  for (Index i = 0; i < kCount; ++i) {
    const Matrix<double> a = run[i].template cast<double>();
    const Vector<double> s = singular_values<double>(a);
    for (Index k = 0; k < rank; ++k) {
      // Values of order 1 to sqrt(rows) + sqrt(cols), backward stable in double or in T.
      EXPECT_NEAR(values[static_cast<std::size_t>(i * rank + k)], s(k),
                  40 * static_cast<double>(std::numeric_limits<T>::epsilon()) * s(0))
          << rows << "x" << cols << ", matrix " << i;
    }
  }
}

TEST(SingularValuesOf, AreThoseOfTheSvd) {
  for (const auto& [rows, cols] :
       {std::pair<Index, Index>{1, 1}, {3, 4}, {9, 2}, {16, 16}, {5, 70}, {20, 24}}) {
    expect_values_of_svd<double>(rows, cols);
    expect_values_of_svd<float>(rows, cols);
  }
}

TEST(SingularValuesOf, DoNotDependOnTheNeighbours) {
  const auto x = normal_entries<double>(20 * 12);
  Workspace<double> workspace;
  std::vector<double> together(60), alone(3);
  singular_values_of<double>({.data = x.data(), .count = 20, .rows = 3, .cols = 4, .stride = 12},
                             together, workspace);
  for (std::size_t i : {std::size_t{0}, std::size_t{7}, std::size_t{19}}) {
    singular_values_of<double>(
        {.data = x.data() + 12 * i, .count = 1, .rows = 3, .cols = 4, .stride = 12}, alone,
        workspace);
    for (std::size_t k = 0; k < 3; ++k) EXPECT_EQ(alone[k], together[3 * i + k]);
  }
}

TEST(SingularValuesOf, NotFiniteEntriesConcernOneMatrix) {
  for (const Index rows : {Index{4}, Index{20}}) {
    auto x = normal_entries<float>(3 * rows * rows);
    x[static_cast<std::size_t>(rows * rows + 5)] = std::numeric_limits<float>::infinity();
    std::vector<double> values(static_cast<std::size_t>(3 * rows));
    Workspace<float> workspace;
    singular_values_of<float>(
        {.data = x.data(), .count = 3, .rows = rows, .cols = rows, .stride = rows * rows}, values,
        workspace);
    for (std::size_t k = 0; k < values.size(); ++k) {
      EXPECT_EQ(std::isnan(values[k]), k / static_cast<std::size_t>(rows) == 1);
    }
  }
}

TEST(SingularValuesOf, RefusesASpanOfAnotherSize) {
  const std::vector<double> x(12, 1.0);
  std::vector<double> values(2);
  Workspace<double> workspace;
  EXPECT_THROW(
      singular_values_of<double>({.data = x.data(), .count = 1, .rows = 3, .cols = 4, .stride = 12},
                                 values, workspace),
      ShapeError);
}

}  // namespace
}  // namespace muonflow::linalg

#include "muonflow/core/fans.hpp"

#include <algorithm>
#include <cmath>

#include "muonflow/core/error.hpp"

namespace muonflow {

FanRatios fan_ratios(const Shape& shape, const Shape& base, Role role) {
  if (base.empty()) return {};
  const auto positive = [](std::int64_t size) { return size > 0; };
  if (shape.size() != base.size() || shape.empty() ||
      !std::all_of(shape.begin(), shape.end(), positive) ||
      !std::all_of(base.begin(), base.end(), positive)) {
    throw ShapeError({.place = "base shape",
                      .what = to_string(base),
                      .expected = "positive sizes, as many as of " + to_string(shape)});
  }
  const auto ratio = [&](std::size_t i) {
    return static_cast<double>(shape[i]) / static_cast<double>(base[i]);
  };
  const auto rank = shape.size();
  if (rank == 1) return {.in = 1, .out = ratio(0)};
  if (role == Role::convolution) {
    double in = 1;
    for (std::size_t i = 1; i < rank; ++i) in *= ratio(i);
    return {.in = in, .out = ratio(0)};
  }
  const double rows = ratio(rank - 2);
  const double cols = ratio(rank - 1);
  if (role == Role::embedding) return {.in = rows, .out = cols};
  return {.in = cols, .out = rows};
}

double initial_scale(const FanRatios& ratios, const Shape& shape, Role role) {
  if (shape.size() < 2 || role == Role::embedding) return 1;
  return std::min(1.0, std::sqrt(ratios.out / ratios.in)) / std::sqrt(ratios.in);
}

}  // namespace muonflow

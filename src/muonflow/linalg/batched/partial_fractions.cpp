#include "muonflow/linalg/batched/partial_fractions.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <mutex>

#include "muonflow/linalg/rational_coefficients.hpp"

namespace muonflow::linalg {

PartialFractions partial_fractions(double q, int poles) {
  const double l = std::sqrt(q);
  const int parts = 2 * poles + 1;
  // c_i = q sn^2 / cn^2 at i K / parts; c_i c_(parts - i) = q spares the values near the pole of
  // the tangent.
  std::array<double, 2 * PartialFractions::kMaxPoles + 1> c{};
  for (int i = 1; i <= poles; ++i) {
    const double cs = elliptic_cs(static_cast<double>(i) / parts, l);
    c[static_cast<std::size_t>(i)] = (l / cs) * (l / cs);
    c[static_cast<std::size_t>(parts - i)] = cs * cs;
  }
  PartialFractions result;
  result.poles = poles;
  for (int j = 0; j < poles; ++j) {
    const double pole = c[static_cast<std::size_t>(2 * j + 1)];
    // Factors in pairs, so that neither product leaves the range of doubles.
    double weight = c[static_cast<std::size_t>(2 * j + 2)] - pole;
    for (int i = 0; i < poles; ++i) {
      if (i == j) continue;
      weight *= (pole - c[static_cast<std::size_t>(2 * i + 2)]) /
                (pole - c[static_cast<std::size_t>(2 * i + 1)]);
    }
    result.pole[static_cast<std::size_t>(j)] = pole;
    result.weight[static_cast<std::size_t>(j)] = weight;
  }
  // x f(x^2) swings between its values at sqrt(q), the least, and at 1, the greatest.
  const double least = l * result(q);
  const double greatest = result(1);
  result.center = 2 / (least + greatest);
  result.error = std::abs(greatest - least) / (greatest + least);
  return result;
}

PartialFractions partial_fractions_to(double q, double error, int step) {
  for (int poles = step; poles < PartialFractions::kMaxPoles; poles += step) {
    const PartialFractions result = partial_fractions(q, poles);
    if (result.error <= error) return result;
  }
  return partial_fractions(q, PartialFractions::kMaxPoles);
}

namespace {

PartialFractionsIn<float> single(const PartialFractions& row) {
  PartialFractionsIn<float> result;
  result.poles = row.poles;
  result.center = static_cast<float>(row.center);
  result.error = static_cast<float>(row.error);
  const auto round = [](double x) { return static_cast<float>(x); };
  std::ranges::transform(row.pole, result.pole.begin(), round);
  std::ranges::transform(row.weight, result.weight.begin(), round);
  return result;
}

}  // namespace

PartialFractionsTable::PartialFractionsTable(double error) : error_(error) {
  bool reached = true;
  for (int k = 0; k < kRows; ++k) {
    const double q = std::ldexp(1.0, -std::max(k, 1));
    rows_.push_back(partial_fractions_to(q, error, kStep));
    singles_.push_back(single(rows_.back()));
    reached = reached && rows_.back().error <= error;
    if (reached) least_ = q;
  }
}

const PartialFractionsTable& PartialFractionsTable::shared(double error) {
  static std::mutex mutex;
  static std::map<double, std::unique_ptr<PartialFractionsTable>> tables;
  const std::scoped_lock lock(mutex);
  auto& table = tables[error];
  if (!table) table = std::make_unique<PartialFractionsTable>(error);
  return *table;
}

}  // namespace muonflow::linalg

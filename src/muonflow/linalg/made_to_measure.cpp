#include "muonflow/linalg/made_to_measure.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "muonflow/linalg/minimax.hpp"

namespace muonflow::linalg {
namespace {

constexpr double kSmallest = 1e-8;
constexpr int kCompositions = 4;  // starts between kSmallest and one step further

struct Tail {
  double lower;
  std::vector<OddPolynomial> steps;
};

// Sorted by lower end, the largest and so the shortest first.
std::vector<Tail> table(int degree, double error) {
  std::vector<Tail> tails;
  for (int i = 0; i < kCompositions; ++i) {
    // A step raises small numbers by about its degree at most.
    const double lower =
        kSmallest * std::pow(static_cast<double>(degree), static_cast<double>(i) / kCompositions);
    const auto whole = generate_to(lower, 1.0, degree, error);
    for (std::size_t head = 0; head < whole.size(); ++head) {
      const auto [lo, hi] = composition_range(std::span(whole).first(head), lower, 1.0);
      Tail tail{.lower = lo / hi,
                .steps = {whole.begin() + static_cast<std::ptrdiff_t>(head), whole.end()}};
      tail.steps.front() = with_scaled_input(tail.steps.front(), hi);
      tails.push_back(std::move(tail));
    }
  }
  std::sort(tails.begin(), tails.end(), [](const Tail& a, const Tail& b) {
    return std::pair(a.steps.size(), -a.lower) < std::pair(b.steps.size(), -b.lower);
  });
  return tails;
}

}  // namespace

std::span<const OddPolynomial> made_to_measure(double lower, int degree, double error) {
  static std::mutex mutex;
  static std::map<std::pair<int, double>, std::vector<Tail>> tables;
  const std::lock_guard lock(mutex);
  const auto [at, fresh] = tables.try_emplace({degree, error});
  if (fresh) at->second = table(degree, error);
  for (const Tail& tail : at->second) {
    if (tail.lower <= std::max(lower, kSmallest)) return tail.steps;
  }
  return at->second.back().steps;
}

}  // namespace muonflow::linalg

#include "muonflow/linalg/made_to_measure.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <tuple>
#include <utility>
#include <vector>

#include "muonflow/linalg/minimax.hpp"

namespace muonflow::linalg {
namespace {

constexpr double kSmallest = 1e-8;
// Coefficients of degree 11 and more grow so large that float loses digits to them: 1e-4 is left of
// an error of 1e-5 at [0.01, 1].
constexpr std::array kDegrees{9, 7, 5, 3};

// Intervals [1 - e, 1 + e], up to a factor, by the logarithm of e / (1 - e) on a grid.
constexpr double kPerUnit = 8;
std::int64_t place_of(double e) {
  return static_cast<std::int64_t>(std::ceil(kPerUnit * std::log(e / (1 - e)) - 1e-9));
}
double half_width(std::int64_t place) {
  return 1 / (1 + std::exp(-static_cast<double>(place) / kPerUnit));
}

// The best step of a degree on such an interval.
struct Fit {
  OddPolynomial last;     // with nothing after it
  double error;           // of that
  OddPolynomial guarded;  // with another step after it
  double low, high;       // image of that
};

const Fit& fit(std::int64_t place, int degree) {
  static std::map<std::pair<std::int64_t, int>, Fit> fits;
  const auto [at, fresh] = fits.try_emplace({place, degree});
  Fit& f = at->second;
  if (!fresh) return f;
  const double e = half_width(place);
  const double low = 1 - e;
  const double high = 1 + e;
  f.last = generate({.lower = low, .upper = high, .degree = degree, .steps = 1}).front();
  f.error = composition_error({&f.last, 1}, low, high);
  f.guarded = with_scaled_input(f.last, 1, kRoundingSafety);
  std::tie(f.low, f.high) = composition_range({&f.guarded, 1}, low, high);
  return f;
}

double cost_of_polynomial(int degree) { return degree == 3 ? 0 : degree == 5 ? 1 : 2; }

// The cheapest way from one interval to the next, by Dijkstra's algorithm. Of two ways to the same
// interval, one that is cheaper and has amplified no more in its open chunk leaves the other
// behind.
class Search {
 public:
  explicit Search(const Measure& measure) : measure_(measure) {}

  std::vector<OddPolynomial> run(std::int64_t place) {
    extend(kNone, {.place = place, .middle = 1 / (1 + half_width(place))});
    while (true) {
      const std::size_t here = open_.begin()->second;
      open_.erase(open_.begin());
      const Node node = nodes_[here];
      if (node.done) return path_to(here);
      if (overtaken(node)) continue;
      extend(here, node);
    }
  }

 private:
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);

  // After a step: what is left is [1 - e, 1 + e] times `middle`, e at `place`.
  struct Node {
    std::int64_t place = 0;
    double middle = 1;
    double cost = 0;
    double amplification = 1;  // of the chunk that is open
    double worst = 0;          // of any
    bool done = false;
    std::size_t parent = kNone;
    OddPolynomial step{};
  };

  void extend(std::size_t here, const Node& node) {
    for (const int degree : kDegrees) {
      const Fit& f = fit(node.place, degree);
      const bool done = f.error <= std::max(measure_.error, 0x1p-50);
      const OddPolynomial step = with_scaled_input(done ? f.last : f.guarded, 1, node.middle);
      const double by = step[0] * step[0];
      Node next{.place = place_of((f.high - f.low) / (f.high + f.low)),
                .middle = (f.low + f.high) / 2,
                .done = done,
                .parent = here,
                .step = step};
      const double cost = node.cost + cost_of_polynomial(degree);
      const auto add = [&](double more, double amplification) {
        next.cost = cost + more;
        next.amplification = amplification;
        next.worst = std::max(node.worst, amplification);
        open_.emplace(std::pair(next.cost, next.worst), nodes_.size());
        nodes_.push_back(next);
      };
      if (here == kNone) {
        add(0, by);
        continue;
      }
      if (node.amplification * by <= measure_.amplification) add(3, node.amplification * by);
      add(3 * measure_.aspect + 1, by);
    }
  }

  bool overtaken(const Node& node) {
    auto& ways = ways_[node.place];  // cheaper ones came first
    const bool worse = std::any_of(ways.begin(), ways.end(),
                                   [&](double other) { return other <= node.amplification; });
    if (!worse) ways.push_back(node.amplification);
    return worse;
  }

  std::vector<OddPolynomial> path_to(std::size_t at) const {
    std::vector<OddPolynomial> steps;
    for (; at != kNone; at = nodes_[at].parent) steps.push_back(nodes_[at].step);
    std::reverse(steps.begin(), steps.end());
    return steps;
  }

  const Measure& measure_;
  std::vector<Node> nodes_;
  std::multimap<std::pair<double, double>, std::size_t> open_;  // by cost, then amplification
  std::map<std::int64_t, std::vector<double>> ways_;  // amplifications of the ways that were taken
};

// Rows of a table: this many places apart, from an interval around 1 down to kSmallest.
constexpr std::int64_t kStride = 2;
// A table reaches so much further down than was asked for: the matrices of a run stay within it.
constexpr double kAhead = 30;

std::int64_t place_of_lower(double lower) {
  // An interval is never taken for a point: 1 - 2e-3 is as good as 1 for every step.
  return place_of(std::max((1 - lower) / (1 + lower), 1e-3));
}

std::size_t row_of(double lower) {
  const std::int64_t above = place_of_lower(lower) - place_of_lower(1);
  return static_cast<std::size_t>((above + kStride - 1) / kStride);
}

using StepRows = std::vector<std::vector<OddPolynomial>>;

// Rows down to a lower end.
void extend(StepRows& rows, double lower, const Measure& measure) {
  for (std::size_t i = rows.size(); i <= row_of(std::max(lower, kSmallest)); ++i) {
    rows.push_back(Search(measure).run(place_of_lower(1) + static_cast<std::int64_t>(i) * kStride));
  }
}

}  // namespace

std::span<const OddPolynomial> made_to_measure(const Measure& measure) {
  static std::mutex mutex;
  static std::map<std::tuple<double, double, double>, StepRows> tables;
  Measure wider = measure;
  wider.aspect = std::exp2(std::round(std::log2(std::max(measure.aspect, 1.0))));
  const std::lock_guard lock(mutex);
  StepRows& rows = tables[{wider.error, wider.amplification, wider.aspect}];
  const double lower = std::clamp(measure.lower, kSmallest, 1.0);
  if (row_of(lower) >= rows.size()) extend(rows, lower / kAhead, wider);
  return rows[row_of(lower)];
}

}  // namespace muonflow::linalg

#include "muonflow/cli/bench/timing.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <thread>

namespace muonflow::cli {
namespace {

constexpr double kNoTime = std::numeric_limits<double>::quiet_NaN();

std::vector<double> sorted_numbers(std::vector<double> samples) {
  samples.erase(
      std::remove_if(samples.begin(), samples.end(), [](double s) { return !std::isfinite(s); }),
      samples.end());
  std::sort(samples.begin(), samples.end());
  return samples;
}

// Between the two nearest of the sorted numbers; `at` in [0, 1].
double quantile(const std::vector<double>& numbers, double at) {
  if (numbers.empty()) return kNoTime;
  const double place = at * static_cast<double>(numbers.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const auto above = std::min(below + 1, numbers.size() - 1);
  const double weight = place - static_cast<double>(below);
  return (1 - weight) * numbers[below] + weight * numbers[above];
}

// The threads of whoever had the last turn may still spin for a few milliseconds, waiting for more.
void let_threads_fall_asleep() { std::this_thread::sleep_for(std::chrono::milliseconds(5)); }

}  // namespace

void take_turns(std::vector<Contender>& contenders, const Turns& turns,
                const std::function<bool(std::int64_t)>& go_on) {
  using Clock = std::chrono::steady_clock;
  std::vector<std::int64_t> allowed;
  for (auto& contender : contenders) {
    const auto began = Clock::now();
    const bool lives = contender.turn().has_value();
    const std::chrono::duration<double> took = Clock::now() - began;
    const auto affordable = static_cast<std::int64_t>(turns.budget / std::max(took.count(), 1e-6));
    allowed.push_back(
        lives ? std::clamp(affordable, std::min<std::int64_t>(3, turns.rounds), turns.rounds) : 0);
  }
  for (std::int64_t round = 0; round < turns.rounds; ++round) {
    for (std::size_t i = 0; i < contenders.size(); ++i) {
      // Few turns are spread evenly over the rounds.
      const bool due = (round + 1) * allowed[i] / turns.rounds > round * allowed[i] / turns.rounds;
      std::optional<double> seconds;
      if (due) {
        let_threads_fall_asleep();
        seconds = contenders[i].turn();
      }
      contenders[i].samples.push_back(seconds.value_or(kNoTime));
    }
    if (go_on && !go_on(round + 1)) return;
  }
}

double seconds_of(const std::function<void()>& prepare, const std::function<void()>& call,
                  double least) {
  using Clock = std::chrono::steady_clock;
  double seconds = 0;
  int calls = 0;
  do {
    prepare();
    const auto began = Clock::now();
    call();
    seconds += std::chrono::duration<double>(Clock::now() - began).count();
    ++calls;
  } while (seconds < least);
  return seconds / calls;
}

double median(std::vector<double> samples) {
  return quantile(sorted_numbers(std::move(samples)), 0.5);
}

double spread(const std::vector<double>& samples) {
  const auto numbers = sorted_numbers(samples);
  return (quantile(numbers, 0.75) - quantile(numbers, 0.25)) / quantile(numbers, 0.5);
}

double ratio(const std::vector<double>& other, const std::vector<double>& own) {
  std::vector<double> ratios;
  for (std::size_t i = 0; i < std::min(other.size(), own.size()); ++i) {
    ratios.push_back(other[i] / own[i]);
  }
  return median(std::move(ratios));
}

std::optional<std::size_t> best_rival(const std::vector<Contender>& contenders) {
  std::optional<std::size_t> best;
  for (std::size_t i = 0; i < contenders.size(); ++i) {
    if (contenders[i].ours || !contenders[i].same_precision) continue;
    const double time = median(contenders[i].samples);
    if (std::isfinite(time) && !(best && median(contenders[*best].samples) <= time)) best = i;
  }
  return best;
}

}  // namespace muonflow::cli

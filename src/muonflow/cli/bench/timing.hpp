// Contenders that take turns, and what their times say: medians and spreads of interleaved rounds,
// so that whatever else the machine does hits everybody alike.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace muonflow::cli {

constexpr const char* kOurs = "muonflow";  // the name of a contender of this library

struct Contender {
  std::string name;
  std::string note = {};  // how it was built or configured; empty: nothing to say
  bool ours = false;
  bool same_precision = true;  // false: a rival that computes with fewer digits than ours
  std::function<std::optional<double>()> turn;  // seconds of one call; off: it has ended
  std::optional<double> error = {};             // relative to the same map in double; off: unknown
  std::vector<double> samples = {};             // seconds by round, NaN where it had no turn
};

struct Turns {
  std::int64_t rounds = 11;
  double budget = 4;  // seconds: a contender whose turns would take longer has fewer, at least 3
};

// One turn of each that does not count, then the rounds. `go_on` hears of each round done; false
// ends them there.
void take_turns(std::vector<Contender>& contenders, const Turns& turns,
                const std::function<bool(std::int64_t)>& go_on = {});

// Seconds of one call, over as many calls as make `least` seconds; `prepare` is called before each
// and not timed.
double seconds_of(const std::function<void()>& prepare, const std::function<void()>& call,
                  double least);

// Of the samples that are numbers; NaN where there are none.
double median(std::vector<double> samples);
// The distance between the quartiles over the median.
double spread(const std::vector<double>& samples);
// How many times as long the other took: the median over the rounds in which both had a turn.
double ratio(const std::vector<double>& other, const std::vector<double>& own);

// The rival of our precision with the smallest median; off: there is none.
std::optional<std::size_t> best_rival(const std::vector<Contender>& contenders);

}  // namespace muonflow::cli

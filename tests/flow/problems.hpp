// Small flows for the tests: configurations as a user writes them.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "muonflow/core/config.hpp"
#include "muonflow/flow/problem.hpp"
#include "muonflow/flow/simulate.hpp"

namespace muonflow::flow {

inline FlowOptions options_of(const std::string& text, const std::vector<std::string>& sets = {}) {
  auto config = Config::from_text(text, "test.toml");
  for (const auto& set : sets) config.set(set);
  return read_options(config.tree(), config.place_of());
}

// The problem on which the identities are checked: q = 5 tanh features, N = 16, 3x4.
inline const std::string kSmall = R"(
[objective]
kind = "tanh_ridge"
features = 5
seed = 1
[geometry]
kind = "smoothed_nuclear"
epsilon = 0.05
[dynamics]
gamma = 1.0
[integrator]
kind = "rk4"
step = 0.001
end_time = 2.0
[particles]
count = 16
shape = [3, 4]
seed = 2
scale = 0.3
[record]
every = 0.5
)";

// A run to its end, and what was recorded on the way.
template <class T>
struct Finished : Observer<T> {
  Problem<T> problem;
  Cursor cursor;
  SimulateResult result;
  std::vector<LedgerEntry> records;

  explicit Finished(const FlowOptions& options) : problem(make_problem<T>(options)) {
    EXPECT_TRUE(begin(problem.system, problem.state, cursor).ok());
    result = simulate<T>(options.times(), problem.system, *problem.integrator, problem.state,
                         cursor, *this);
  }
  void record(const System<T>&, const State<T>&, const LedgerEntry& entry) override {
    records.push_back(entry);
  }
};

// J at the state that the problem starts from; writes its gradient.
inline double force_value(const Problem<double>& problem, Matrix<double>& G) {
  double J = 0;
  EXPECT_TRUE(problem.system.force(problem.state.W, G, J).ok());
  return J;
}

// Slope of log(error) over log(h) through the points.
inline double slope_of(const std::vector<double>& h, const std::vector<double>& error) {
  double mx = 0, my = 0, xx = 0, xy = 0;
  const auto n = static_cast<double>(h.size());
  for (std::size_t i = 0; i < h.size(); ++i) mx += std::log(h[i]) / n, my += std::log(error[i]) / n;
  for (std::size_t i = 0; i < h.size(); ++i) {
    xx += (std::log(h[i]) - mx) * (std::log(h[i]) - mx);
    xy += (std::log(h[i]) - mx) * (std::log(error[i]) - my);
  }
  return xy / xx;
}

}  // namespace muonflow::flow

// Runs of steps under an auditor that looks at every one of them, on small tensors.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "muonflow/core/rng.hpp"
#include "muonflow/optim/audit/auditor.hpp"
#include "tests/optim/fixtures.hpp"

namespace muonflow::optim {

// Every step, every tensor and matrix, and no clock.
inline AuditOptions every_step() {
  return {.every = 1, .tensors = 100, .matrices = 100, .max_share = std::nullopt};
}

// Weights, gradients that follow one another like those of a training run (a slow drift and noise),
// an optimizer and its auditor.
template <class T>
struct AuditedRunOf {
  std::vector<std::unique_ptr<Owned<T>>> owned;
  std::unique_ptr<Optimizer<T>> optimizer;
  std::unique_ptr<Auditor<T>> auditor;
  Rng rng{3, 5};
  double size = 1;  // of the gradients

  AuditedRunOf(const std::vector<std::pair<Shape, Role>>& shapes, const RoutingOptions& routing,
               const AuditedRun& run = {}) {
    std::vector<Parameter<T>> parameters;
    for (const auto& [shape, role] : shapes) {
      owned.push_back(std::make_unique<Owned<T>>("w" + std::to_string(owned.size()), shape, role));
      for (auto& w : owned.back()->weights) w = static_cast<T>(0.3 * rng.normal());
      for (auto& g : owned.back()->gradient) g = static_cast<T>(0);
      parameters.push_back(owned.back()->parameter);
    }
    optimizer = std::make_unique<Optimizer<T>>(parameters, routing, 7);
    auditor = std::make_unique<Auditor<T>>(every_step(), run);
  }

  void fill_gradients(int step) {
    for (auto& tensor : owned) {
      for (std::size_t i = 0; i < tensor->gradient.size(); ++i) {
        const double drift = std::sin(0.01 * step + 0.7 * static_cast<double>(i));
        tensor->gradient[i] = static_cast<T>(size * (0.5 * drift + rng.normal()));
      }
    }
  }

  // The first failure of `steps` steps from `first` on, as a line; empty: none.
  std::string run(int steps, const std::function<double(int)>& schedule = {}, int first = 0) {
    optimizer->observe(auditor.get());
    for (int step = 0; step < steps; ++step) {
      fill_gradients(step);
      const auto report = optimizer->step(schedule ? schedule(step) : 1.0);
      if (!report.outcome.ok()) return "a step failed";
      if (const auto* failure = auditor->failure(); failure && step >= first) {
        return "step " + std::to_string(step) + ": " + failure->to_line();
      }
    }
    return "";
  }
};

}  // namespace muonflow::optim

#include "muonflow/cli/bench/step_taker.hpp"

#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "muonflow/cli/bench/timing.hpp"
#include "muonflow/core/parallel.hpp"
#include "muonflow/core/rng.hpp"
#include "muonflow/optim/rule_registry.hpp"

namespace muonflow::cli {
namespace {

constexpr Index kAligned = 16;     // elements of a cache line
constexpr double kRate = 1e-3;     // learning rate of everybody
constexpr double kDecay = 0.01;    // of AdamW, PyTorch's default
constexpr double kWeights = 0.02;  // deviation of the first weights
constexpr int kCycle = 10;         // steps between refreshes

// Rules that refresh something every so many steps do it every kCycle ones, and SGD has the
// momentum that everybody gives it.
Json options_for(const optim::RuleEntry& rule, int& cycle) {
  Json options = Json::object();
  for (const auto& field : optim::describe_rule(rule)) {
    if (field.name != "precondition_frequency") continue;
    options[field.name] = kCycle;
    cycle = kCycle;
  }
  if (rule.name == "sgd") options["momentum"] = 0.9;
  return options;
}

std::string trouble_of(const optim::StepReport& report) {
  if (report.failed == 0 && report.outcome.ok()) return "";
  return fmt::format("a step failed for {}", report.tensor);
}

}  // namespace

StepPool::StepPool(const StepShapes& shapes) : shapes_(shapes) {
  for (const auto& tensor : shapes.tensors) {
    offsets_.push_back(size_);
    size_ += (element_count(tensor.shape) + kAligned - 1) / kAligned * kAligned;
  }
  const Index all = size_ + kStepDraws * kStepShift;
  values_.reserve(all);
  parallel_for(all / kAligned, 4096, [&](Index begin, Index end) {
    for (Index line = begin; line < end; ++line) {
      Rng rng(3, static_cast<std::uint64_t>(line));
      for (Index i = 0; i < kAligned; ++i) {
        values_.data()[line * kAligned + i] = static_cast<float>(rng.normal());
      }
    }
  });
}

StepTaker::StepTaker(const std::string& rule, const StepPool& pool)
    : pool_(pool), weights_(pool.size()) {
  const auto& shapes = pool.shapes();
  std::vector<Parameter<float>> parameters;
  for (std::size_t i = 0; i < shapes.tensors.size(); ++i) {
    const auto& tensor = shapes.tensors[i];
    parameters.push_back({.name = tensor.name,
                          .shape = tensor.shape,
                          .weights = weights_.data() + pool.offset(i),
                          .role = tensor.role});
  }
  for (Index i = 0; i < pool.size(); ++i) {
    weights_.data()[i] = static_cast<float>(kWeights) * pool.weights()[i];
  }
  const auto& entry = *optim::find_rule(rule, "--rules").entry;
  elementwise_ = optim::has(entry.info.traits, optim::Trait::elementwise);
  const bool everything = entry.info.takes == optim::Takes::tensors;
  preset_ = everything ? rule : rule + "+adamw";
  optim::RoutingOptions routing;
  routing.preset = preset_;
  routing.hidden.options = optim::OptionsTree(options_for(entry, cycle_));
  routing.hidden.lr = routing.other.lr = kRate;
  if (entry.name == "adamw") {
    routing.hidden.weight_decay = kDecay;
  } else if (!everything) {
    routing.other.weight_decay = kDecay;
  }
  optimizer_.emplace(std::move(parameters), routing, 1);
  for (int i = 0; i < kStartSteps; ++i) step();
}

double StepTaker::step() {
  const float* const gradients = pool_.gradients(optimizer_->steps());
  auto& parameters = optimizer_->parameters();
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    // Read only: clipping, which scales gradients in place, is off.
    parameters[i].gradient = const_cast<float*>(gradients + pool_.offset(i));
  }
  const auto began = std::chrono::steady_clock::now();
  const auto report = optimizer_->step();
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - began;
  if (trouble_.empty()) trouble_ = trouble_of(report);
  return taken.count();
}

std::optional<double> StepTaker::time(double least) {
  double seconds = 0;
  int steps = 0;
  do {
    for (int i = 0; i < cycle_; ++i) seconds += step();
    steps += cycle_;
  } while (trouble_.empty() && seconds < least);
  if (!trouble_.empty()) return std::nullopt;
  return seconds / steps;
}

std::vector<float> StepTaker::weights() const {
  std::vector<float> all;
  const auto& tensors = pool_.shapes().tensors;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const float* const begin = weights_.data() + pool_.offset(i);
    all.insert(all.end(), begin, begin + element_count(tensors[i].shape));
  }
  return all;
}

double relative_difference(const std::vector<float>& computed, const std::vector<float>& expected,
                           const StepPool& pool) {
  double apart = 0, moved = 0;
  std::size_t k = 0;
  const auto& tensors = pool.shapes().tensors;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const float* const start = pool.weights() + pool.offset(i);
    for (Index j = 0; j < element_count(tensors[i].shape); ++j, ++k) {
      const double want = expected[k];
      apart += std::pow(computed[k] - want, 2);
      moved += std::pow(want - static_cast<float>(kWeights) * start[j], 2);
    }
  }
  return std::sqrt(apart / moved);
}

CopyFloor::CopyFloor(Index parameters, std::size_t state_bytes)
    : moved_(3 * parameters + 2 * static_cast<Index>(state_bytes / sizeof(float))),
      from_((moved_ + 3) / 4),
      to_((moved_ + 3) / 4) {}

double CopyFloor::bytes() const {
  return static_cast<double>(sizeof(float)) * static_cast<double>(moved_);
}

double CopyFloor::time(double least) {
  // Half of the floats are read and half are written, a quarter of them at a time.
  const auto copy = [&] {
    parallel_for(moved_ / 4, Index{1} << 16, [&](Index begin, Index end) {
      std::memcpy(to_.data() + begin, from_.data() + begin,
                  static_cast<std::size_t>(end - begin) * sizeof(float));
    });
  };
  return seconds_of([] {},
                    [&] {
                      copy();
                      copy();
                    },
                    least);
}

}  // namespace muonflow::cli

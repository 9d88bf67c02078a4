// Run folders as training and flow runs leave them, made up quickly: the shapes of the curves are
// realistic, the flow is a real one (damped, integrated here), everything is deterministic.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace muonflow::test {

struct SyntheticTraining {
  std::string rule = "muon";
  double lr = 0.02;
  double floor = 1.5;  // the loss that it would reach with endless steps
  double speed = 60;   // steps in which the excess falls to 1/e
  double step_seconds = 0.2;
  double optimizer_share = 0.2;
  std::int64_t steps = 300;
  std::int64_t done = 300;  // fewer: cut off there, without an end
  std::uint64_t seed = 1;
  std::string sample = "It is a truth universally acknowledged, that a single man in\nwant of";
};
void write_training_run(const std::filesystem::path& folder, const SyntheticTraining& options = {});

struct SyntheticFlow {
  std::string integrator = "leapfrog";
  std::int64_t records = 200;  // recorded times after time 0
  std::int64_t modes = 8;      // singular values
  bool spectra = true;
  bool ended = true;
};
void write_flow_run(const std::filesystem::path& folder, const SyntheticFlow& options = {});

}  // namespace muonflow::test

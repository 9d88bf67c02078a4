#include "muonflow/train/checkpoint.hpp"

#include <nlohmann/json.hpp>

#include "muonflow/core/cpu.hpp"
#include "muonflow/core/error.hpp"
#include "muonflow/linalg/diagnose.hpp"
#include "muonflow/record/checkpoint_folder.hpp"

namespace muonflow::train {
namespace {

constexpr const char* kWeights = "weights";
constexpr const char* kOptimizer = "optimizer";

Json number_or_null(const std::optional<double>& value) { return value ? Json(*value) : Json(); }

std::optional<double> optional_number(const Json& value) {
  return value.is_number() ? std::optional(value.get<double>()) : std::nullopt;
}

Json state_of(const Checkpoint& checkpoint) {
  const auto& loop = checkpoint.loop;
  Json state;
  state["format"] = kCheckpointFormat;
  state["steps"] = checkpoint.steps;
  state["skipped"] = loop.skipped;
  state["skipped_in_a_row"] = loop.in_a_row;
  state["tokens"] = loop.tokens;
  state["seconds"] = loop.seconds;
  state["optimizer_seconds"] = loop.optimizer_seconds;
  state["loss"] = number_or_null(loop.loss);
  state["validation_loss"] = number_or_null(loop.validation_loss);
  state["data"] = to_json(loop.data);
  state["schedule"] = to_json(checkpoint.schedule);
  state["kernels"] = checkpoint.kernels;
  state["plan"] = to_json(checkpoint.plan);
  state["config"] = checkpoint.config;
  return state;
}

}  // namespace

std::string kernel_plan() {
  const auto blas = linalg::diagnose_blas(false);
  return cpu_features().model + "; oneDNN " + blas.onednn_version + " " + blas.onednn_isa +
         "; OpenBLAS " + blas.openblas_core;
}

std::filesystem::path write_checkpoint(const std::filesystem::path& folder,
                                       const Checkpoint& checkpoint, std::int64_t keep) {
  return record::write_checkpoint_folder(
      folder, checkpoint.loop.step,
      {{kWeights, &checkpoint.weights}, {kOptimizer, &checkpoint.optimizer}}, state_of(checkpoint),
      keep);
}

Checkpoint read_checkpoint(const std::filesystem::path& folder) {
  const Json state = record::read_checkpoint_state(folder);
  const auto place = (folder / "state.json").string();
  const auto format = state.is_object() ? state.value("format", Json()) : Json();
  if (format != kCheckpointFormat) {
    throw IoError({.place = place,
                   .expected = "a checkpoint of format " + std::to_string(kCheckpointFormat),
                   .found = format.is_null() ? "none" : "format " + format.dump()});
  }
  Checkpoint checkpoint;
  auto& loop = checkpoint.loop;
  try {
    loop.step = record::read_checkpoint_step(folder);
    loop.skipped = state.at("skipped").get<std::int64_t>();
    loop.in_a_row = state.at("skipped_in_a_row").get<std::int64_t>();
    loop.tokens = state.at("tokens").get<std::int64_t>();
    loop.seconds = state.at("seconds").get<double>();
    loop.optimizer_seconds = state.at("optimizer_seconds").get<double>();
    loop.loss = optional_number(state.at("loss"));
    loop.validation_loss = optional_number(state.at("validation_loss"));
    read(state.at("data"), loop.data);
    checkpoint.steps = state.at("steps").get<std::int64_t>();
    checkpoint.kernels = state.at("kernels").get<std::string>();
    checkpoint.config = state.at("config").get<std::string>();
    read(state.at("schedule"), checkpoint.schedule);
    read(state.at("plan"), checkpoint.plan);
  } catch (const Json::exception&) {
    throw IoError({.place = place, .what = "a field is missing or has the wrong type"});
  } catch (const ConfigError& error) {
    throw IoError({.place = place, .what = error.what()});
  }
  checkpoint.weights = record::read_checkpoint_file(folder, kWeights);
  checkpoint.optimizer = record::read_checkpoint_file(folder, kOptimizer);
  return checkpoint;
}

}  // namespace muonflow::train

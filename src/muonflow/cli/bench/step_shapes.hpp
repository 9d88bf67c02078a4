// The parameter lists that `bench steps` takes steps on: names, shapes and roles, no model.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "muonflow/core/fields.hpp"
#include "muonflow/core/parameter.hpp"

namespace muonflow::cli {

enum class StepModel {
  gpt,  // of `bench training`: 6 layers of width 384, 256 tokens
  vit,  // 6 layers of width 192 on 64 patches of 4 x 4 x 3, 10 classes
  mlp,  // three layers on 64 inputs, for a trial; not among "all"
};

struct StepTensor {
  std::string name;
  Shape shape;
  Role role = Role::hidden;
};

struct StepShapes {
  StepModel model{};
  std::string title;                // "GPT, 10.6M parameters in 24 matrices"
  std::vector<StepTensor> tensors;  // the hidden matrices first
  Index matrices = 0;               // how many those are
  Index parameters = 0;             // entries of all tensors

  // For a peer: "1152x384,384".
  std::string text() const;
};

StepShapes step_shapes(StepModel model);

// "all" (gpt, vit) or names joined by commas. Throws ConfigError.
std::vector<StepModel> step_models_named(const std::string& text);

}  // namespace muonflow::cli

template <>
struct muonflow::EnumNames<muonflow::cli::StepModel> {
  static constexpr std::array<std::string_view, 3> names{"gpt", "vit", "mlp"};
};

#include "muonflow/cli/bench/step_shapes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>

#include "muonflow/core/error.hpp"
#include "muonflow/model/gpt.hpp"

namespace muonflow::cli {
namespace {

std::vector<StepTensor> gpt_tensors() {
  const model::Gpt<float> gpt(
      {.n_layer = 6, .n_head = 6, .n_embd = 384, .block_size = 256, .vocab_size = 256});
  std::vector<StepTensor> tensors;
  for (const auto& parameter : gpt.parameters()) {
    tensors.push_back({parameter.name, parameter.shape, parameter.role});
  }
  return tensors;
}

std::vector<StepTensor> vit_tensors() {
  constexpr Index C = 192;
  std::vector<StepTensor> tensors;
  const auto linear = [&](const std::string& name, Index out, Index in, Role role) {
    tensors.push_back({name + ".weight", {out, in}, role});
    tensors.push_back({name + ".bias", {out}, Role::bias});
  };
  const auto norm = [&](const std::string& name) {
    tensors.push_back({name + ".weight", {C}, Role::norm});
    tensors.push_back({name + ".bias", {C}, Role::norm});
  };
  tensors.push_back({"cls_token", {1, C}, Role::embedding});
  tensors.push_back({"pos_embed", {65, C}, Role::embedding});
  linear("patch_embed.proj", C, 48, Role::embedding);
  for (int layer = 0; layer < 6; ++layer) {
    const auto block = fmt::format("blocks.{}", layer);
    norm(block + ".norm1");
    linear(block + ".attn.qkv", 3 * C, C, Role::hidden);
    linear(block + ".attn.proj", C, C, Role::hidden);
    norm(block + ".norm2");
    linear(block + ".mlp.fc1", 4 * C, C, Role::hidden);
    linear(block + ".mlp.fc2", C, 4 * C, Role::hidden);
  }
  norm("norm");
  linear("head", 10, C, Role::head);
  return tensors;
}

std::vector<StepTensor> mlp_tensors() {
  return {{"0.weight", {128, 64}, Role::hidden},  {"0.bias", {128}, Role::bias},
          {"1.weight", {128, 128}, Role::hidden}, {"1.bias", {128}, Role::bias},
          {"2.weight", {10, 128}, Role::head},    {"2.bias", {10}, Role::bias}};
}

std::vector<StepTensor> tensors_of(StepModel model) {
  switch (model) {
    case StepModel::gpt:
      return gpt_tensors();
    case StepModel::vit:
      return vit_tensors();
    case StepModel::mlp:
      break;
  }
  return mlp_tensors();
}

std::string title_of(StepModel model) {
  constexpr std::array<const char*, 3> kTitles{"GPT", "ViT", "MLP"};
  return kTitles[static_cast<std::size_t>(model)];
}

}  // namespace

std::string StepShapes::text() const {
  std::vector<std::string> words;
  for (const auto& tensor : tensors)
    words.push_back(fmt::format("{}", fmt::join(tensor.shape, "x")));
  return fmt::format("{}", fmt::join(words, ","));
}

StepShapes step_shapes(StepModel model) {
  StepShapes shapes{.model = model, .title = {}, .tensors = tensors_of(model)};
  const auto rest = std::stable_partition(shapes.tensors.begin(), shapes.tensors.end(),
                                          [](const auto& t) { return t.role == Role::hidden; });
  shapes.matrices = static_cast<Index>(rest - shapes.tensors.begin());
  Index in_matrices = 0;
  for (const auto& tensor : shapes.tensors) {
    shapes.parameters += element_count(tensor.shape);
    if (tensor.role == Role::hidden) in_matrices += element_count(tensor.shape);
  }
  const double million = 1e-6 * static_cast<double>(in_matrices);
  shapes.title = fmt::format("{}, {:.{}f}M parameters in {} matrices", title_of(model), million,
                             million < 0.1 ? 3 : 1, shapes.matrices);
  return shapes;
}

std::vector<StepModel> step_models_named(const std::string& text) {
  constexpr auto& kNames = EnumNames<StepModel>::names;
  std::vector<StepModel> models;
  std::istringstream words(text.empty() ? "none" : text);
  for (std::string word; std::getline(words, word, ',');) {
    const auto at = std::find(kNames.begin(), kNames.end(), word);
    if (at == kNames.end() && word != "all") {
      throw ConfigError({.place = "--model",
                         .what = "unknown model '" + word + "'",
                         .expected = "all or some of gpt, vit, mlp"});
    }
    for (std::size_t i = 0; i < kNames.size(); ++i) {
      const auto model = static_cast<StepModel>(i);
      const bool has = std::find(models.begin(), models.end(), model) != models.end();
      if (!has && (word == kNames[i] || (word == "all" && model != StepModel::mlp)))
        models.push_back(model);
    }
  }
  return models;
}

}  // namespace muonflow::cli

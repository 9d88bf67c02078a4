#include "muonflow/model/models.hpp"

#include <nlohmann/json.hpp>

#include "muonflow/model/gpt_gradients.hpp"
#include "muonflow/model/gpt_options.hpp"

namespace muonflow::model {

const Registry<ModelEntry>& models() {
  static const Registry<ModelEntry> registry = [] {
    Registry<ModelEntry> list("model");
    list.add(
        {.name = "gpt",
         .summary = "decoder-only transformer with nanoGPT's layout and parameter names",
         .cite = "A. Radford et al., Language models are unsupervised multitask learners, 2019",
         .options = [] { return describe<GptOptions>(); },
         .gradients = gpt_gradients});
    return list;
  }();
  return registry;
}

}  // namespace muonflow::model

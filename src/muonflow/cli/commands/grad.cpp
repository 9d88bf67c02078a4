// muonflow grad: loss and gradients of a model for given weights and batch, safetensors in,
// safetensors out.
#include <nlohmann/json.hpp>

#include "muonflow/cli/command.hpp"
#include "muonflow/cli/threads_option.hpp"
#include "muonflow/core/error.hpp"
#include "muonflow/core/safetensors.hpp"
#include "muonflow/model/models.hpp"

namespace muonflow::cli {
namespace {

Json tree_from(const std::string& text) {
  Json tree = Json::parse(text, nullptr, false);
  if (!tree.is_object()) {
    throw ConfigError(
        {.place = "--options", .expected = "a JSON object", .found = text.substr(0, 60)});
  }
  return tree;
}

class Grad final : public Command {
 public:
  void arguments(Arguments& a) override {
    a.option("model", model_, "model (see: muonflow list models)", true);
    a.option("options", options_,
             "options as JSON; for gpt n_head is required, sizes are read "
             "from the weights where absent");
    a.option("weights", weights_, "file with the parameters under the model's public names", true);
    a.option("batch", batch_, "file with tokens and targets [B, T]", true);
    a.option("output", output_, "file to write: loss, logits and g/NAME", true);
    threads_.argument(a);
  }

  int run() override {
    threads_.apply();
    const auto& model = model::models().at(model_, "--model");
    const Json options = tree_from(options_);
    const auto weights = read_safetensors(weights_);
    const auto batch = read_safetensors(batch_);
    write_safetensors(output_, model.gradients(options, weights.tensors, batch.tensors,
                                               {.option =
                                                    [](const std::string& path) {
                                                      return path.empty() ? std::string("--options")
                                                                          : "--options " + path;
                                                    },
                                                .weights = weights_,
                                                .batch = batch_}));
    return 0;
  }

 private:
  std::string model_;
  std::string options_ = "{}";
  std::string weights_;
  std::string batch_;
  std::string output_;
  ThreadsOption threads_;
};

const Enrolled<Grad> enrolled_grad{
    "grad", "loss and gradients of a model for given weights and batch: the parity tool",
    "muonflow grad --model gpt --options '{\"n_head\": 4}' --weights w.safetensors --batch "
    "b.safetensors --output out.safetensors"};

}  // namespace
}  // namespace muonflow::cli

// muonflow replay: applies a rule to recorded gradients, safetensors in, safetensors out.
#include "muonflow/optim/replay.hpp"

#include <nlohmann/json.hpp>

#include "muonflow/cli/command.hpp"
#include "muonflow/cli/threads_option.hpp"
#include "muonflow/core/safetensors.hpp"

namespace muonflow::cli {
namespace {

class Replay final : public Command {
 public:
  void arguments(Arguments& a) override {
    a.option("rule", rule_, "rule, or rule.preset (see: muonflow list rules)", true);
    a.option("options", options_, "options as JSON; lr is required");
    a.option("input", input_, "file with w/NAME, g/NAME/T and perhaps s/NAME/FIELD", true);
    a.option("output", output_, "file to write: w/NAME/T and s/NAME/FIELD", true);
    a.option("lr_schedule", schedule_, "constant, linear, cosine or wsd");
    a.option("seed", seed_, "for rules that draw random numbers");
    threads_.argument(a);
  }

  int run() override {
    threads_.apply();
    optim::ReplayRequest request{.rule = rule_,
                                 .options = tree(),
                                 .seed = static_cast<std::uint64_t>(seed_),
                                 .source = input_,
                                 .place_of = [](const std::string& path) {
                                   return path.empty() ? std::string("--options")
                                                       : "--options " + path;
                                 }};
    read(Json{{"kind", schedule_}}, request.schedule,
         [](const std::string&) { return std::string("--lr-schedule"); });
    const auto input = read_safetensors(input_);
    write_safetensors(output_, optim::replay(input.tensors, request));
    return 0;
  }

 private:
  optim::OptionsTree tree() const {
    try {
      return optim::OptionsTree(options_);
    } catch (const ConfigError& error) {
      auto parts = error.parts();
      parts.place = "--options";
      throw ConfigError(parts);
    }
  }

  std::string rule_;
  std::string options_ = "{}";
  std::string input_;
  std::string output_;
  std::string schedule_ = "constant";
  std::int64_t seed_ = 0;
  ThreadsOption threads_;
};

const Enrolled<Replay> enrolled{
    "replay", "applies a rule to recorded gradients: the parity tool",
    "muonflow replay --rule muon --options '{\"lr\": 0.02}' --input in.safetensors --output "
    "out.safetensors"};

}  // namespace
}  // namespace muonflow::cli

// muonflow replay: applies a rule to recorded gradients, safetensors in, safetensors out.
#include "muonflow/optim/replay.hpp"

#include <fmt/format.h>

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
    a.option(
        "options", options_,
        "JSON: lr, which is required, options of the rule, and weight_decay, decay, adjust_lr, "
        "layout, transforms, clip, momentum_warmup, schedule, split_sizes, num_heads");
    a.option("input", input_, "file with w/NAME, g/NAME/T and perhaps s/NAME/FIELD", true);
    a.option("output", output_, "file to write: w/NAME/T and s/NAME/FIELD");
    a.flag("audit", audit_, "hold every step against what its rule claims; 1 where one is not");
    a.option("audited", audited_, "a trajectory w/NAME/T by another program, to audit in place");
    a.option("lr_schedule", schedule_, "constant, linear, cosine or wsd [constant]");
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
    if (!schedule_.empty()) {
      if (request.options.json().contains("schedule")) {
        throw ConfigError({.place = "--lr-schedule",
                           .what = "--options has a schedule too",
                           .expected = "one of them"});
      }
      read(Json{{"kind", schedule_}}, request.schedule,
           [](const std::string&) { return std::string("--lr-schedule"); });
    }
    if (output_.empty() == audited_.empty()) {
      throw ConfigError({.place = "replay",
                         .expected = "--output, or --audited to judge a trajectory",
                         .found = output_.empty() ? "neither" : "both"});
    }
    const auto input = read_safetensors(input_);
    Audit audit;
    if (audit_ || !audited_.empty()) {
      request.on_audit = [&](const std::string& tensor, std::int64_t step,
                             const optim::AuditReport& report) { audit.add(tensor, step, report); };
    }
    if (!audited_.empty()) {
      optim::audit_trajectory(input.tensors, read_safetensors(audited_).tensors, request);
    } else {
      const auto output = optim::replay(input.tensors, request);
      audit.check(input_);
      write_safetensors(output_, output);
    }
    audit.check(audited_);
    audit.print();
    return 0;
  }

 private:
  // What the audits of all steps came to, and the table of one: the first that failed, else the
  // last.
  struct Audit {
    std::int64_t steps = 0, checks = 0, failed = 0, off = 0;
    std::string where, line, table;

    void add(const std::string& tensor, std::int64_t step, const optim::AuditReport& report) {
      ++steps;
      checks += report.judged();
      failed += report.failed();
      off += static_cast<std::int64_t>(report.checks.size()) - report.judged();
      if (!line.empty()) return;
      where = tensor + ", step " + std::to_string(step);
      table = report.to_text();
      if (const auto* failure = report.failure()) line = failure->to_line();
    }
    void print() const {
      if (steps == 0) return;
      fmt::print("{}:\n{}audit      {} steps, {} checks, {} failed, {} not judged\n", where, table,
                 steps, checks, failed, off);
    }
    void check(const std::string& file) const {
      if (line.empty()) return;
      print();
      throw DataError({.place = file + ": " + where, .what = "audit: " + line});
    }
  };

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
  std::string audited_;
  bool audit_ = false;
  std::string schedule_;
  std::int64_t seed_ = 0;
  ThreadsOption threads_;
};

const Enrolled<Replay> enrolled_replay{
    "replay", "applies a rule to recorded gradients: the parity tool",
    "muonflow replay --rule muon --options '{\"lr\": 0.02}' --input in.safetensors --output "
    "out.safetensors"};

}  // namespace
}  // namespace muonflow::cli

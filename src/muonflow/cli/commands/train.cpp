// muonflow train: trains a model on text, from a TOML file, in a run folder; interrupted runs go
// on with --resume.
#include <fmt/format.h>

#include <array>
#include <cstdio>
#include <filesystem>

#include "muonflow/cli/command.hpp"
#include "muonflow/cli/data_cache.hpp"
#include "muonflow/cli/interrupt.hpp"
#include "muonflow/cli/progress.hpp"
#include "muonflow/core/config.hpp"
#include "muonflow/core/parallel.hpp"
#include "muonflow/core/text.hpp"
#include "muonflow/train/run.hpp"

namespace muonflow::cli {
namespace {

constexpr double kBitsPerNat = 1.4426950408889634;

std::string plural(std::int64_t count, const std::string& noun) {
  return thousands(static_cast<double>(count)) + " " + noun + (count == 1 ? "" : "s");
}

// "the gradient is not finite in transformer.wte.weight"
std::string text_of(const train::TroubleRecord& trouble) {
  if (!trouble.text.empty()) return trouble.what + ": " + trouble.text;
  return "the " + trouble.what + " is " + trouble.how +
         (trouble.tensor.empty() ? "" : " in " + trouble.tensor);
}

// Shows a run on stderr: a progress line, and a line of its own for evaluations and trouble.
class Console final : public train::Observer {
 public:
  Console(const std::string& name, std::int64_t steps, std::int64_t done)
      : progress_(name, steps, done) {}

  void on_step(const train::StepRecord& record) override {
    last_ = record;
    seconds_ += record.seconds;
    optimizer_seconds_ += record.optimizer_seconds;
    tokens_ += record.tokens;
    progress_.update(record.step, detail());
  }
  void on_evaluation(const train::EvaluationRecord& record) override {
    validation_ = fmt::format("{:.4f}", record.loss);
    if (record.step == 0) {
      progress_.note("step 0 | val " + validation_);
    } else {
      progress_.update(record.step, detail());
      progress_.note(fmt::format("step {} | {}", record.step, detail()));
    }
  }
  void on_trouble(const train::TroubleRecord& record) override {
    if (record.stops) return;  // said at the end
    progress_.note(
        fmt::format("step {}: {}: step skipped, weights and state unchanged ({} in a row)",
                    record.step, text_of(record), record.in_a_row));
  }
  void on_warning(std::int64_t step, std::string_view tensor, std::string_view text) override {
    progress_.note(fmt::format("step {}: {}: {}", step, tensor, text));
  }
  void on_end(train::Ending, const train::Saveable&) override { progress_.finish(); }

 private:
  std::string detail() const {
    const double rate = seconds_ > 0 ? static_cast<double>(tokens_) / seconds_ : 0;
    const double share = seconds_ > 0 ? optimizer_seconds_ / seconds_ : 0;
    return fmt::format("loss {:.4f} | val {} | {} tok/s | opt {:.1f}%", last_.loss,
                       validation_.empty() ? "-" : validation_, thousands(rate), 100 * share);
  }

  Progress progress_;
  train::StepRecord last_;
  std::string validation_;
  double seconds_ = 0, optimizer_seconds_ = 0;
  std::int64_t tokens_ = 0;
};

void print_header(const train::Preview& preview) {
  const auto& config = preview.config;
  const auto& gpt = config.model.gpt;
  const auto count = [](std::int64_t n) { return thousands(static_cast<double>(n)); };
  fmt::print(
      "model      gpt, {} parameters: n_layer {}, n_head {}, n_embd {}, block_size {}, vocab_size "
      "{}\n",
      count(preview.parameters), gpt.n_layer, gpt.n_head, gpt.n_embd, gpt.block_size,
      gpt.vocab_size);
  fmt::print("data       {}: {} bytes to train on, {} to validate on\n", preview.data,
             count(preview.training_bytes), count(preview.validation_bytes));
  fmt::print("optimizer  {}\n", preview.routing_summary());
  if (const auto base = config.base_model()) {
    const auto ratio = [](std::int64_t of, std::int64_t here) {
      return static_cast<double>(of) / static_cast<double>(here);
    };
    fmt::print(
        "transfer   from n_layer {}, n_embd {}: residual branches times {:.4g}{}\n", base->n_layer,
        base->n_embd, ratio(base->n_layer, gpt.n_layer),
        gpt.tied ? fmt::format(", logits times {:.4g}", ratio(base->n_embd, gpt.n_embd)) : "");
  }
  fmt::print("steps      {} of {} tokens, {} tokens in all\n", count(config.train.steps),
             count(preview.tokens_per_step), count(preview.total_tokens));
  fmt::print("memory     {}\n", preview.memory.to_text());
  if (const auto& [bytes, plain] = preview.messages; bytes > 0) {
    fmt::print("messages   {} of compressed gradients a step, {} uncompressed\n",
               train::bytes_text(bytes), train::bytes_text(plain));
  }
  if (const auto& clip = config.optimizer.qk_clip; clip.threshold) {
    fmt::print("qk_clip    heads whose attention logits exceed {}\n", shortest(*clip.threshold));
  }
  fmt::print("threads    {}, {}\n", threads(), enum_name(config.run.dtype));
}

class Train final : public Command {
 public:
  void arguments(Arguments& arguments) override {
    arguments.positional("config", config_, "TOML file; see configs/train/", false);
    arguments.repeated("set", assignments_, "key.path=value, over the file");
    arguments.option("out", out_, "run folder [runs/NAME]");
    arguments.option("resume", resume_, "run folder to go on with, from its newest checkpoint");
    arguments.option("threads", threads_, "threads; 0: all [the configuration's]");
    arguments.flag("dry_run", dry_run_, "check and show everything, train and write nothing");
  }

  int run() override {
    if (!threads_.empty()) assignments_.push_back("run.threads=" + threads_);
    return resume_.empty() ? start() : resume();
  }

 private:
  int start() {
    if (config_.empty()) {
      throw ConfigError({.place = "train",
                         .expected = "a TOML file, or --resume with a run folder",
                         .found = "neither",
                         .advice = "see configs/train/"});
    }
    auto file = Config::from_file(config_);
    for (const auto& assignment : assignments_) file.set(assignment);
    const auto config = train::read_config(file);
    set_threads(static_cast<int>(config.run.threads));
    const train::RunContext context{
        .place_of = file.place_of(), .command = command_line(), .data = data_cache()};
    if (dry_run_) return show(train::Run::preview(config, context));
    const auto folder = out_.empty() ? std::filesystem::path("runs") / config.run.name
                                     : std::filesystem::path(out_);
    auto run = train::Run::start(config, folder, context);
    return execute(run);
  }

  int resume() {
    if (!out_.empty()) {
      throw ConfigError({.place = "--out",
                         .what = "a resumed run stays in its folder",
                         .advice = "leave --out away"});
    }
    train::Run::Changes changes{.assignments = assignments_};
    if (!config_.empty()) changes.config = Config::from_file(config_);
    auto run = train::Run::resume(resume_, changes, {.data = data_cache()});
    set_threads(static_cast<int>(run.preview().config.run.threads));
    if (dry_run_) return show(run.preview());
    if (run.finished()) {
      fmt::print(
          "{} is finished: {} of {}. To train on: muonflow train --resume {} --set train.steps=N\n",
          resume_, run.step(), plural(run.preview().config.train.steps, "step"), resume_);
      return 0;
    }
    fmt::print("resumed    {} after step {}\n", resume_, run.step());
    if (!run.same_kernels()) {
      fmt::print(stderr,
                 "muonflow: {}: its checkpoint was computed by other kernels; the run goes on, but "
                 "not with the same bits\n",
                 resume_);
    }
    return execute(run);
  }

  std::string command_line() const {
    std::string line = "muonflow train " + config_;
    for (const auto& assignment : assignments_) line += " --set " + assignment;
    return out_.empty() ? line : line + " --out " + out_;
  }

  static int show(const train::Preview& preview) {
    fmt::print("{}\n", train::to_toml(preview.config));
    fmt::print("{}\n", preview.routing.to_text());
    print_header(preview);
    return 0;
  }

  static int execute(train::Run& run) {
    const auto& preview = run.preview();
    print_header(preview);
    fmt::print("folder     {}\n", run.folder().string());
    std::fflush(stdout);
    catch_interrupts();
    Console console("train", preview.config.train.steps, run.step());
    const std::array<train::Observer*, 1> observers{&console};
    const auto result = run.execute(observers, interrupted);
    return report(run, result);
  }

  static int report(const train::Run& run, const train::RunResult& result) {
    const auto folder = run.folder().string();
    if (result.ending == train::Ending::interrupted) {
      fmt::print(stderr,
                 "muonflow: interrupted after step {} of {}, saved; go on with: muonflow train "
                 "--resume {}\n",
                 result.step, result.steps, folder);
      return 1;
    }
    print_audit(result);
    if (result.trouble) {
      const auto& trouble = *result.trouble;
      throw DataError(
          {.place = fmt::format("{}: step {}", folder, trouble.step),
           .what =
               text_of(trouble) +
               (trouble.in_a_row > 1 ? fmt::format(", {} steps in a row", trouble.in_a_row) : ""),
           .advice = result.checkpoint.empty()
                         ? "stopped; no checkpoint was written yet"
                         : "stopped; the last good state is " + result.checkpoint.string()});
    }
    fmt::print("finished   {} in {}", plural(result.steps, "step"), duration_text(result.seconds));
    if (result.loss) fmt::print(", loss {:.4f}", *result.loss);
    if (result.validation_loss) {
      fmt::print(", validation loss {:.4f} ({:.4f} bits a byte)", *result.validation_loss,
                 kBitsPerNat * *result.validation_loss);
    }
    if (result.seconds > 0) {
      fmt::print(", {} tokens/s, optimizer {:.1f}% of a step",
                 thousands(static_cast<double>(result.tokens) / result.seconds),
                 100 * result.optimizer_seconds / result.seconds);
    }
    fmt::print("\n");
    if (result.skipped > 0) fmt::print("skipped    {}\n", plural(result.skipped, "step"));
    fmt::print("weights    {}\n", (result.checkpoint / "weights.safetensors").string());
    if (!result.sample.empty()) fmt::print("sample\n{}\n", result.sample);
    return 0;
  }

  static void print_audit(const train::RunResult& result) {
    if (!result.audit) return;
    fmt::print("audit      {}\n", result.audit->to_text());
    for (const auto& [reason, where] : result.not_judged) {
      fmt::print("           not judged: {} (first {})\n", reason, where);
    }
  }

  std::string config_, out_, resume_, threads_;
  std::vector<std::string> assignments_;
  bool dry_run_ = false;
};

const Enrolled<Train> enrolled_train{
    "train", "trains a GPT on text with any rule",
    "muonflow train configs/train/austen_muon.toml --set train.steps=200"};

}  // namespace
}  // namespace muonflow::cli

// muonflow bench: how fast and how exact the pieces are on this machine, each beside the libraries
// it is compared with, all in one run.
#include "muonflow/cli/bench/accuracy.hpp"
#include "muonflow/cli/bench/flow.hpp"
#include "muonflow/cli/bench/kernels.hpp"
#include "muonflow/cli/bench/serve.hpp"
#include "muonflow/cli/bench/steps.hpp"
#include "muonflow/cli/bench_training.hpp"
#include "muonflow/cli/command.hpp"
#include "muonflow/cli/threads_option.hpp"
#include "muonflow/core/error.hpp"

namespace muonflow::cli {
namespace {

class Bench final : public Command {
 public:
  void arguments(Arguments& a) override {
    a.positional(
        "what", what_,
        "kernels, steps, flow, accuracy or training (and serve: the part of a rival, for the "
        "program itself)");
    threads_.argument(a);
    a.option("rounds", rounds_, "turns of every contender; 0: the benchmark's own number");
    a.option("peers", peers_,
             "rivals: all, none or some of onednn,openblas,ssyrk,eigen,lapack,torch");
    a.option("work", work_,
             "kernels: all or some of polar,polar_batch,muon,regularized,regularized_batch,"
             "inverse_root");
    a.repeated("size", sizes_, "kernels, flow: M or M,N in place of the works' own sizes");
    a.option("particles", particles_, "flow: numbers of particles [1000,10000,100000,1000000]");
    a.flag("ranks", ranks_, "flow: two processes of one thread beside one, and nothing else");
    a.option("rules", rules_, "steps: all or some rules, such as adamw,muon.moonlight");
    a.option("model", models_,
             "steps: all (gpt,vit) or some of gpt,vit,mlp, whose parameters are stepped");
    a.option("steps", steps_, "accuracy: steps of the polynomial methods");
    a.option_with_default("json", output_.json, "results as JSON, to a file or to stdout");
    a.option("output", output_.folder, "folder that gets bench.json and its report.html");
  }

  int run() override {
    if (rounds_ < 0) refuse("--rounds", "0 or more", rounds_);
    if (steps_ < 0 || steps_ > 1000) refuse("--steps", "0 to 1000", steps_);
    threads_.apply();
    const Peers peers = peers_named(peers_);
    if (what_ == "serve") return serve_rivals();
    if (what_ == "kernels") {
      BenchKernels bench{
          .works = planned_works(work_, sizes_), .peers = peers, .turns = {}, .output = output_};
      if (rounds_ > 0) bench.turns.rounds = rounds_;
      return bench_kernels(bench);
    }
    if (what_ == "steps") {
      BenchSteps bench{.rules = step_rules_named(rules_),
                       .models = step_models_named(models_),
                       .peers = peers.count(Peer::torch) != 0,
                       .output = output_};
      if (rounds_ > 0) bench.turns.rounds = rounds_;
      return bench_steps(bench);
    }
    if (what_ == "flow") {
      BenchFlow bench{.sizes = flow_sizes_named(sizes_, particles_),
                      .peers = peers.count(Peer::torch) != 0 && !ranks_,
                      .ranks = ranks_ || (sizes_.empty() && particles_.empty()),
                      .output = output_};
      if (ranks_) bench.sizes.clear();
      if (rounds_ > 0) bench.turns.rounds = rounds_;
      return bench_flow(bench);
    }
    if (what_ == "accuracy") return bench_accuracy({.steps = steps_, .output = output_});
    if (what_ == "training") {
      if (!output_.folder.empty()) {
        throw ConfigError({.place = "--output",
                           .what = "there is no page about training speed",
                           .advice = "use --json FILE"});
      }
      BenchTraining bench{.peers = peers.count(Peer::torch) != 0, .output = output_};
      if (rounds_ > 0) bench.rounds = rounds_;
      return bench_training(bench);
    }
    throw ConfigError({.place = "muonflow bench",
                       .what = "unknown benchmark '" + what_ + "'",
                       .expected = "one of kernels, steps, flow, accuracy, training"});
  }

 private:
  [[noreturn]] static void refuse(const std::string& place, const std::string& expected,
                                  std::int64_t found) {
    throw ConfigError({.place = place, .expected = expected, .found = std::to_string(found)});
  }

  std::string what_;
  ThreadsOption threads_;
  std::string particles_;
  bool ranks_ = false;
  std::int64_t rounds_ = 0;
  std::int64_t steps_ = 5;
  std::string peers_ = "all";
  std::string work_;
  std::string rules_ = "all";
  std::string models_ = "all";
  std::vector<std::string> sizes_;
  BenchOutput output_;
};

const Enrolled<Bench> enrolled_bench{
    "bench", "measures kernels, optimizer steps, accuracy or training beside other libraries",
    "muonflow bench kernels --size 512 --json bench.json"};

}  // namespace
}  // namespace muonflow::cli

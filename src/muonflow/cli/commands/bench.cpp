// muonflow bench: how fast the pieces are on this machine, each beside the libraries it is compared
// with, all in one run.
#include "muonflow/cli/bench_kernels.hpp"
#include "muonflow/cli/bench_training.hpp"
#include "muonflow/cli/command.hpp"
#include "muonflow/cli/threads_option.hpp"
#include "muonflow/core/error.hpp"

namespace muonflow::cli {
namespace {

class Bench final : public Command {
 public:
  void arguments(Arguments& a) override {
    a.positional("what", what_, "kernels or training");
    threads_.argument(a);
    a.option("rounds", rounds_, "turns of every contender; 0: the benchmark's own number");
    a.flag("no_peers", no_peers_, "leave out the libraries that run in a process of their own");
  }

  int run() override {
    if (rounds_ < 0) {
      throw ConfigError(
          {.place = "--rounds", .expected = "0 or more", .found = std::to_string(rounds_)});
    }
    threads_.apply();
    if (what_ == "kernels") {
      BenchKernels bench;
      if (rounds_ > 0) bench.rounds = rounds_;
      return bench_kernels(bench);
    }
    if (what_ == "training") {
      BenchTraining bench;
      if (rounds_ > 0) bench.rounds = rounds_;
      bench.peers = !no_peers_;
      return bench_training(bench);
    }
    throw ConfigError({.place = "muonflow bench",
                       .what = "unknown benchmark '" + what_ + "'",
                       .expected = "one of kernels, training"});
  }

 private:
  std::string what_;
  ThreadsOption threads_;
  std::int64_t rounds_ = 0;
  bool no_peers_ = false;
};

const Enrolled<Bench> enrolled{"bench", "measures kernels or training beside other libraries",
                               "muonflow bench kernels"};

}  // namespace
}  // namespace muonflow::cli

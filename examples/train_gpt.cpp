// Trains a small GPT on a text file with Muon and writes a line in its manner; no run folder, no
// command line. Usage: example_train_gpt TEXT [STEPS]
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <span>

#include "muonflow/data/batches.hpp"
#include "muonflow/data/text.hpp"
#include "muonflow/model/gpt.hpp"
#include "muonflow/optim/optimizer.hpp"
#include "muonflow/train/sample.hpp"
#include "muonflow/train/trainer.hpp"

namespace {

using namespace muonflow;

// The trainer writes nothing itself: whoever wants to see, save or stop is an observer.
struct Printer final : train::Observer {
  void on_evaluation(const train::EvaluationRecord& record) override {
    std::printf("step %5lld  validation loss %.4f\n", static_cast<long long>(record.step),
                record.loss);
  }
  void on_trouble(const train::TroubleRecord& record) override {
    std::fprintf(stderr, "step %lld: the %s is %s\n", static_cast<long long>(record.step),
                 record.what.c_str(), record.how.c_str());
  }
};

int run(const char* file, std::int64_t steps) {
  constexpr Index kBatch = 16, kTime = 64;
  constexpr std::uint64_t kSeed = 1;
  const auto text = data::load_files(file, /*validation=*/"", /*validation_fraction=*/0.1);
  model::Gpt<float> gpt({.n_layer = 2, .n_head = 4, .n_embd = 64, .block_size = kTime});
  gpt.initialize(kSeed);

  optim::RoutingOptions routing{.preset = "muon+adamw"};
  routing.hidden.lr = 0.02;  // hidden matrices, by Muon
  routing.other.lr = 0.004;  // everything else, by AdamW
  optim::Optimizer<float> optimizer(gpt.parameters(), routing, kSeed);

  data::TokenBatches batches(text.training, kBatch, kTime, kSeed);
  train::Trainer<float> trainer(gpt, optimizer, batches,
                                data::FixedBatches(text.validation, kBatch, kTime, /*count=*/8),
                                {.steps = steps, .batch_size = kBatch, .eval_every = 50},
                                {.kind = optim::ScheduleKind::cosine, .warmup = 10});
  Printer printer;
  train::Observer* const observers[] = {&printer};
  const auto ending = trainer.run(observers);
  std::printf("%s\n", train::printable(train::sample(gpt, {.prompt = "The "}, kSeed)).c_str());
  return ending == train::Ending::finished ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s TEXT [STEPS]\n", argv[0]);
    return 2;
  }
  try {
    return run(argv[1], argc > 2 ? std::atoll(argv[2]) : 200);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}

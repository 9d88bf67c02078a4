// muonflow train, from the command line: killed and resumed, its files, its messages, its exit
// codes.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <random>
#include <thread>

#include "muonflow/core/rng.hpp"
#include "tests/cli/run_program.hpp"

namespace muonflow::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* kTrainConfig = R"([run]
name = "small"
threads = 1
[data]
path = "text.txt"
[model]
n_layer = 2
n_head = 2
n_embd = 16
block_size = 16
vocab_size = 128
[optimizer]
hidden = { lr = 0.02 }
other = { lr = 0.003, weight_decay = 0.1 }
clip = { max_norm = 1.0 }
[schedule]
kind = "wsd"
warmup = 5
[train]
steps = 60
batch_size = 4
accumulation = 2
eval_every = 20
eval_batches = 2
checkpoint_every = 7
[sample]
length = 20
prompt = "the "
)";

class TrainCommand : public ProgramTest {
 protected:
  void SetUp() override {
    ProgramTest::SetUp();
    std::string text;
    Rng rng(3);
    while (text.size() < 5000) {
      static constexpr const char* kWords[] = {"the ", "old ", "house ", "was ", "warm.\n"};
      text += kWords[rng.below(5)];
    }
    write("text.txt", text);
    write("train.toml", kTrainConfig);
  }

  // Lines of a kind in a run's events; 0 where there is no run yet.
  std::size_t events(const std::string& run_name, const std::string& kind) const {
    std::ifstream in(folder / run_name / "events.jsonl");
    std::size_t count = 0;
    for (std::string line; std::getline(in, line);) {
      if (line.starts_with("{\"kind\":\"" + kind + "\"")) ++count;
    }
    return count;
  }
  // Sends a signal once the run has told `steps` steps; harmless where it ended before.
  std::function<void(pid_t)> signal_after(const std::string& run_name, std::size_t steps,
                                          int number) const {
    return [this, run_name, steps, number](pid_t child) {
      siginfo_t info{};
      while (events(run_name, "step") < steps) {
        info.si_pid = 0;
        ::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOHANG | WNOWAIT);
        if (info.si_pid != 0) return;  // ended; run() collects it
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
      ::kill(child, number);
    };
  }
  // Starts a run and ends it by a signal after `steps` steps; again where it was too quick for
  // that.
  ProgramResult start_and_signal(const std::string& run_name, std::size_t steps, int number) const {
    ProgramResult result;
    for (int attempt = 0; attempt < 30; ++attempt) {
      fs::remove_all(folder / run_name);
      result =
          run({"train", "train.toml", "--out", run_name}, signal_after(run_name, steps, number));
      if (result.code != 0) break;
    }
    return result;
  }
  std::vector<std::byte> weights(const std::string& run_name, const std::string& step) const {
    return read_file(folder / run_name / "checkpoints" / ("step-" + step) / "weights.safetensors");
  }
  void expect_refusal(const std::vector<std::string>& arguments, int code,
                      const std::string& part) const {
    const auto result = run(arguments);
    cli::expect_refusal(result, code, part);
  }
};

TEST_F(TrainCommand, KilledAnywhereAndResumedItWritesTheSameBytes) {
  ASSERT_EQ(run({"train", "train.toml", "--out", "whole", "--threads", "1"}).code, 0);
  const auto seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  Rng rng(seed);
  auto result = start_and_signal("parts", 1 + rng.below(50), SIGKILL);
  ASSERT_EQ(result.code, 128 + SIGKILL) << result.err;
  // Further kills where they come in time.
  for (const char* const count : {"2", "1", "2"}) {
    run({"train", "--resume", "parts", "--threads", count},
        signal_after("parts", events("parts", "step") + rng.below(20), SIGKILL));
  }
  result = run({"train", "--resume", "parts", "--threads", "2"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(weights("whole", "000060"), weights("parts", "000060"));
  EXPECT_EQ(events("parts", "step"), 60u);
  EXPECT_EQ(events("parts", "validation"), events("whole", "validation"));
}

TEST_F(TrainCommand, InterruptSavesAndSaysHowToGoOn) {
  ASSERT_EQ(run({"train", "train.toml", "--out", "whole"}).code, 0);
  const auto interrupted = start_and_signal("run", 10, SIGINT);
  ASSERT_EQ(interrupted.code, 1) << interrupted.err;
  EXPECT_NE(interrupted.err.find("muonflow train --resume run"), std::string::npos)
      << interrupted.err;
  EXPECT_EQ(events("run", "end"), 1u);
  const auto resumed = run({"train", "--resume", "run"});
  ASSERT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_EQ(weights("whole", "000060"), weights("run", "000060"));
}

TEST_F(TrainCommand, PrintsWhatItTrainsAndWhatCameOut) {
  const auto result = run({"train", "train.toml"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(fs::exists(folder / "runs/small/summary.json"));  // runs/NAME
  for (const char* part : {"gpt, ", "text.txt", "muon lr 0.02", "60 of 128 tokens", "finished",
                           "validation loss", "tokens/s", "step-000060", "sample\nthe "}) {
    EXPECT_NE(result.out.find(part), std::string::npos) << part << " is not in " << result.out;
  }
  for (const char* part : {"step 0 | val", "step 20 | loss", "tok/s", "opt "}) {
    EXPECT_NE(result.err.find(part), std::string::npos) << part << " is not in " << result.err;
  }
  const auto again = run({"train", "--resume", "runs/small"});
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_NE(again.out.find("is finished"), std::string::npos) << again.out;
  const auto longer = run({"train", "--resume", "runs/small", "--set", "train.steps=70"});
  EXPECT_EQ(longer.code, 0) << longer.err;
  EXPECT_FALSE(weights("runs/small", "000070").empty());
}

TEST_F(TrainCommand, AuditsItsStepsAndSaysSo) {
  ASSERT_EQ(run({"train", "train.toml", "--out", "alone"}).code, 0);
  const auto result = run({"train", "train.toml", "--out", "run", "--set", "audit.every=10",
                           "--set", "audit.max_share=off"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_NE(result.out.find("audit      7 audits, "), std::string::npos) << result.out;
  EXPECT_NE(result.out.find(" 0 failed, "), std::string::npos) << result.out;
  EXPECT_NE(result.out.find("% of the time"), std::string::npos) << result.out;
  EXPECT_EQ(events("run", "audit"), 7u);
  EXPECT_EQ(weights("alone", "000060"), weights("run", "000060"));
}

TEST_F(TrainCommand, DryRunShowsEverythingAndWritesNothing) {
  const auto result = run({"train", "train.toml", "--dry-run", "--set", "train.batch_size=3"});
  ASSERT_EQ(result.code, 0) << result.err;
  for (const char* part :
       {"batch_size = 3", "eval_batches = 2", "transformer.wte.weight", "role embedding",
        "parameters", "optimizer state", "activations", "60 of 96 tokens, 5,760 tokens in all"}) {
    EXPECT_NE(result.out.find(part), std::string::npos) << part << " is not in " << result.out;
  }
  EXPECT_FALSE(fs::exists(folder / "runs"));
}

// Every transform that a training run can have, by its key.
TEST_F(TrainCommand, TransformsAreKeysOfTheConfiguration) {
  const std::string hidden = "optimizer.hidden.transforms.";
  const auto shown = [&](const std::vector<std::string>& settings) {
    std::vector<std::string> arguments{"train", "train.toml", "--dry-run"};
    for (const auto& setting : settings) arguments.insert(arguments.end(), {"--set", setting});
    const auto result = run(arguments);
    EXPECT_EQ(result.code, 0) << settings.front() << ": " << result.err;
    return result.out;
  };
  const auto expect = [](const std::string& text, const std::string& part) {
    EXPECT_NE(text.find(part), std::string::npos) << part << " is not in " << text;
  };
  expect(shown({"optimizer.clip.kind=tensor"}), "kind = \"tensor\"");
  for (const std::string kind : {"constant", "linear", "cosine", "wsd"}) {
    expect(shown({"schedule.kind=" + kind}), "kind = \"" + kind + "\"");
  }
  expect(shown({"optimizer.momentum_warmup.steps=9"}), "steps = 9");
  for (const std::string decay : {"before", "after", "coupled", "independent", "corrected"}) {
    expect(shown({"optimizer.hidden.decay=" + decay}), "decay = \"" + decay + "\"");
  }
  expect(shown({hidden + "cautious.decay=true", "optimizer.hidden.weight_decay=0.1"}),
         "muon (cautious decay)");
  expect(shown({hidden + "grafting.rule=adamw"}), "muon (norm of adamw)");
  expect(shown({hidden + "blocking.size=8"}), "muon (blocks of 8)");
  expect(shown({hidden + "spectral_normalization.kind=spectral"}), "muon (spectral norm 1)");
  expect(shown({"train.accumulation=3"}), "60 of 192 tokens");
  expect(shown({"optimizer.qk_clip.threshold=30"}), "heads whose attention logits exceed 30");
  for (const auto& [compressor, bytes] : {std::pair{"identity", "24.6 kB"},
                                          {"top_k", "4.9 kB"},
                                          {"low_rank", "8.2 kB"},
                                          {"sign", "800 B"},
                                          {"int8", "6.2 kB"}}) {
    const auto text = shown(
        {hidden + "error_feedback.on=true", hidden + "error_feedback.compressor=" + compressor});
    expect(text, std::string("muon (error feedback ") + compressor + ")");
    expect(text, std::string("messages   ") + bytes +
                     " of compressed gradients a step, 24.6 kB uncompressed");
  }
}

TEST_F(TrainCommand, StepsTellOfClippedHeadsAndMessages) {
  ASSERT_EQ(run({"train", "train.toml", "--out", "run", "--set", "train.steps=4", "--set",
                 "optimizer.qk_clip.threshold=1e-4", "--set",
                 "optimizer.hidden.transforms.error_feedback={on = true, compressor = \"sign\"}"})
                .code,
            0);
  std::ifstream in(folder / "run/events.jsonl");
  std::size_t steps = 0;
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with("{\"kind\":\"step\"")) continue;
    ++steps;
    // Two layers of two heads are all above it before anything has been clipped.
    EXPECT_NE(line.find(steps == 1 ? "\"clipped_heads\":4" : "\"clipped_heads\":"),
              std::string::npos)
        << line;
    EXPECT_NE(line.find("\"max_logit\":"), std::string::npos) << line;
    EXPECT_NE(line.find("\"message_bytes\":800"), std::string::npos) << line;
  }
  EXPECT_EQ(steps, 4u);
}

TEST_F(TrainCommand, WrongRequestsAreOneLineAndExitCodeTwo) {
  expect_refusal({"train"}, 2, "configs/train/");
  expect_refusal({"train", "train.toml", "--set", "train.step=3"}, 2, "did you mean 'steps'");
  expect_refusal({"train", "train.toml", "--set", "optimizer.preset=\"moun\""}, 2, "muon");
  expect_refusal({"train", "train.toml", "--threads", "-1"}, 2, "run.threads");
  expect_refusal({"train", "train.toml", "--set", "optimizer.clip.when=after"}, 2,
                 "clipping after the rule: expected before");
  expect_refusal({"train", "train.toml", "--set", "optimizer.qk_clip.threshold=0"}, 2,
                 "optimizer.qk_clip.threshold: expected a number in (0, inf)");
  ASSERT_EQ(run({"train", "train.toml", "--out", "run"}).code, 0);
  expect_refusal({"train", "train.toml", "--out", "run"}, 2, "--resume run");
  expect_refusal({"train", "--resume", "run", "--set", "model.n_layer=1"}, 2, "model.n_layer");
  expect_refusal({"train", "--resume", "run", "--out", "other"}, 2, "--out");
  write("other.toml", std::string(kTrainConfig) + "temperature = 0.5\n");
  EXPECT_EQ(run({"train", "other.toml", "--resume", "run"}).code, 0);
  auto text = std::string(kTrainConfig);
  text.replace(text.find("n_embd = 16"), 11, "n_embd = 32");
  write("other.toml", text);
  expect_refusal({"train", "other.toml", "--resume", "run"}, 2, "other.toml:9");
}

TEST_F(TrainCommand, WhatFailsIsOneLineAndExitCodeOne) {
  expect_refusal({"train", "none.toml"}, 1, "none.toml");
  expect_refusal({"train", "train.toml", "--set", "data.path=\"none.txt\""}, 1, "none.txt");
  expect_refusal(
      {"train", "train.toml", "--set", "model.vocab_size=115", "--set", "sample.length=0"}, 1,
      "byte ");
  expect_refusal({"train", "train.toml", "--set", "model.block_size=9000"}, 1, "text.txt");
  expect_refusal({"train", "train.toml", "--out", "text.txt/run"}, 1, "text.txt/run");
  expect_refusal({"train", "--resume", "none"}, 1, "no such folder");
  write("empty.txt", "");
  expect_refusal({"train", "train.toml", "--set", "data.path=\"empty.txt\""}, 1, "empty");
}

TEST_F(TrainCommand, ALossThatIsNotFiniteStopsWithTheLastGoodState) {
  // Weights of an absurd size within a few steps, saved each step.
  const std::vector<std::string> arguments{"train", "train.toml",
                                           "--out", "run",
                                           "--set", "optimizer.preset=\"sgd\"",
                                           "--set", "optimizer.hidden.lr=1e30",
                                           "--set", "optimizer.clip.max_norm=\"off\"",
                                           "--set", "train.checkpoint_every=1"};
  const auto result = run(arguments);
  EXPECT_EQ(result.code, 1);
  EXPECT_NE(result.err.find("is not finite"), std::string::npos) << result.err;
  EXPECT_NE(result.err.find("run/checkpoints/step-"), std::string::npos) << result.err;
  EXPECT_EQ(events("run", "trouble"), 1u);
  EXPECT_EQ(events("run", "end"), 1u);
}

TEST_F(TrainCommand, AFullDiskLosesNothingThatWasSaved) {
  ASSERT_EQ(run({"train", "train.toml", "--out", "run", "--set", "train.steps=7"}).code, 0);
  const auto saved = weights("run", "000007");
  // No file of the child may grow past 4 kB: the next checkpoint cannot be written.
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit small = before;
  small.rlim_cur = 4096;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const auto result = run({"train", "--resume", "run", "--set", "train.steps=60", "--set",
                           "train.log_every=1000", "--set", "train.keep=0"});
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(result.code, 1);
  EXPECT_NE(result.err.find("muonflow: "), std::string::npos) << result.err;
  EXPECT_NE(result.err.find("File too large"), std::string::npos) << result.err;
  EXPECT_EQ(weights("run", "000007"), saved);
  EXPECT_EQ(run({"train", "--resume", "run", "--set", "train.steps=9"}).code, 0);
}

}  // namespace
}  // namespace muonflow::cli

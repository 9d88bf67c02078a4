#include "muonflow/cli/bench_training.hpp"

#include <fmt/format.h>

#include <chrono>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "muonflow/cli/bench/timing.hpp"
#include "muonflow/cli/bench/torch_peer.hpp"
#include "muonflow/cli/peer_process.hpp"
#include "muonflow/cli/progress.hpp"
#include "muonflow/core/parallel.hpp"
#include "muonflow/core/rng.hpp"
#include "muonflow/linalg/diagnose.hpp"
#include "muonflow/model/gpt.hpp"
#include "muonflow/optim/optimizer.hpp"

namespace muonflow::cli {
namespace {

constexpr int kWarmup = 2;  // steps of each contender that do not count

struct Trainee {
  std::string name;
  std::string rule;                             // "adamw" or "muon"
  std::function<std::optional<double>()> step;  // milliseconds; off: it has ended
  std::vector<double> times;
};

// Our model, stepped by one rule.
class Ours {
 public:
  Ours(const BenchTraining& bench, const std::string& preset)
      : gpt_({.n_layer = bench.n_layer,
              .n_head = bench.n_head,
              .n_embd = bench.n_embd,
              .block_size = bench.block_size,
              .vocab_size = bench.vocab_size}),
        batch_(bench.batch),
        time_(bench.block_size) {
    gpt_.initialize(1);
    optim::RoutingOptions routing;
    routing.preset = preset;
    routing.hidden.lr = 1e-3;
    optimizer_.emplace(gpt_.parameters(), routing, 1);
    Rng rng(2);
    for (Index i = 0; i < batch_ * time_; ++i) {
      tokens_.push_back(
          static_cast<std::int32_t>(rng.below(static_cast<std::uint64_t>(bench.vocab_size))));
      targets_.push_back(
          static_cast<std::int32_t>(rng.below(static_cast<std::uint64_t>(bench.vocab_size))));
    }
  }

  double step() {
    const auto begin = std::chrono::steady_clock::now();
    gpt_.zero_gradients();
    gpt_.loss(tokens_, targets_, batch_, time_);
    gpt_.backward();
    (void)optimizer_->step();
    const std::chrono::duration<double, std::milli> taken =
        std::chrono::steady_clock::now() - begin;
    return taken.count();
  }

 private:
  model::Gpt<float> gpt_;
  std::optional<optim::Optimizer<float>> optimizer_;
  Index batch_, time_;
  std::vector<std::int32_t> tokens_, targets_;
};

// Adds PyTorch under one environment, with both rules; says why where it cannot. Returns the BLAS
// that it loaded; empty: none, or no peer.
std::string add_peer(const std::string& name, const Environment& environment,
                     const BenchTraining& bench, std::vector<Trainee>& contenders) {
  const auto script = find_peer_script("train_gpt.py");
  if (script.empty()) {
    fmt::print(bench.output.text(),
               "{}: skipped, bench/peers/train_gpt.py was not found above this folder\n", name);
    return "";
  }
  auto peer = std::make_shared<PeerProcess>(std::vector<std::string>{"/usr/bin/python3", script},
                                            environment);
  const Json sizes{{"n_layer", bench.n_layer},
                   {"n_head", bench.n_head},
                   {"n_embd", bench.n_embd},
                   {"vocab_size", bench.vocab_size},
                   {"block_size", bench.block_size},
                   {"batch", bench.batch},
                   {"threads", threads()}};
  const auto about = Json::parse(peer->ask(sizes.dump()), nullptr, false);
  if (!about.is_object()) {
    fmt::print(bench.output.text(), "{}: skipped, /usr/bin/python3 cannot import torch\n", name);
    return "";
  }
  for (const std::string rule : {"adamw", "muon"}) {
    contenders.push_back({.name = fmt::format("{} {}", name, about.value("torch", "")),
                          .rule = rule,
                          .step = [peer, rule]() -> std::optional<double> {
                            const auto times = Json::parse(peer->ask(rule + " 1"), nullptr, false);
                            if (!times.is_array() || times.empty()) return std::nullopt;
                            return times[0].get<double>();
                          },
                          .times = {}});
  }
  return about.value("blas", "");
}

void add_peers(const BenchTraining& bench, std::vector<Trainee>& contenders) {
  const auto installed = torch_as_installed();
  const auto loaded =
      add_peer("PyTorch " + installed.name, installed.environment, bench, contenders);
  if (contenders.back().name == kOurs) return;  // there is no PyTorch
  const auto best = torch_best_configured(loaded);
  if (best.environment.empty()) {
    fmt::print(bench.output.text(), "PyTorch best configured: it is, with {}\n", loaded);
    return;
  }
  add_peer("PyTorch " + best.name, best.environment, bench, contenders);
}

Json row(const BenchTraining& bench, const Trainee& contender, const Trainee& own) {
  const double time = median(contender.times);
  const auto tokens = static_cast<double>(bench.batch * bench.block_size);
  return {{"name", contender.name},
          {"rule", contender.rule},
          {"samples_milliseconds", contender.times},
          {"median_milliseconds", time},
          {"spread", spread(contender.times)},
          {"tokens_per_second", 1e3 * tokens / time},
          {"ratio", ratio(contender.times, own.times)}};
}

}  // namespace

int bench_training(const BenchTraining& bench) {
  bench.output.prepare();
  const auto text = bench.output.text();
  std::vector<Trainee> contenders;
  for (const std::string rule : {"adamw", "muon"}) {
    auto ours = std::make_shared<Ours>(bench, rule == "muon" ? "muon+adamw" : rule);
    contenders.push_back({.name = kOurs,
                          .rule = rule,
                          .step = [ours]() -> std::optional<double> { return ours->step(); },
                          .times = {}});
  }
  if (bench.peers) add_peers(bench, contenders);
  const auto tokens = static_cast<double>(bench.batch * bench.block_size);
  fmt::print(
      text,
      "GPT n_layer {}, n_embd {}, {} x {} tokens a step, float32, {} threads, {} rounds in turn\n",
      bench.n_layer, bench.n_embd, bench.batch, bench.block_size, threads(), bench.rounds);
  std::fflush(text);

  Progress progress("bench training", kWarmup + bench.rounds);
  for (std::int64_t round = 0; round < kWarmup + bench.rounds; ++round) {
    for (auto& contender : contenders) {
      const auto time = contender.step();
      if (time && round >= kWarmup) contender.times.push_back(*time);
    }
    progress.update(round + 1, "rounds");
  }
  progress.finish();

  fmt::print(text, "{:<36} {:<6} {:>9} {:>9} {:>9}\n", "", "rule", "ms/step", "tokens/s",
             "muonflow");
  Json document = describe_bench("bench training");
  document["model"] = {{"n_layer", bench.n_layer},       {"n_head", bench.n_head},
                       {"n_embd", bench.n_embd},         {"block_size", bench.block_size},
                       {"vocab_size", bench.vocab_size}, {"batch", bench.batch}};
  document["rounds"] = bench.rounds;
  document["contenders"] = Json::array();
  for (const auto& contender : contenders) {
    if (contender.times.empty()) {
      fmt::print(text, "{:<36} {:<6} ended without an answer\n", contender.name, contender.rule);
      continue;
    }
    const auto& own = contenders[contender.rule == "muon" ? 1 : 0];
    const double time = median(contender.times);
    fmt::print(text, "{:<36} {:<6} {:>9.1f} {:>9} {:>8.2f}x\n", contender.name, contender.rule,
               time, thousands(1e3 * tokens / time), time / median(own.times));
    document["contenders"].push_back(row(bench, contender, own));
  }
  bench.output.write(document);
  return 0;
}

}  // namespace muonflow::cli

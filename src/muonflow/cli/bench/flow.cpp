#include "muonflow/cli/bench/flow.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <sstream>

#include "muonflow/cli/bench/flow_ranks.hpp"
#include "muonflow/cli/bench/flow_runner.hpp"
#include "muonflow/cli/bench/torch_peer.hpp"
#include "muonflow/cli/interrupt.hpp"
#include "muonflow/cli/progress.hpp"
#include "muonflow/core/error.hpp"
#include "muonflow/core/parallel.hpp"
#include "muonflow/linalg/peak.hpp"

namespace muonflow::cli {
namespace {

constexpr double kMostBytes = 6e9;
constexpr int kCompared = 3;  // steps after which a rival's weights are set beside ours

struct FlowMethod {
  std::string key;   // of bench/peers/flow.py
  std::string name;  // for people; {}: the name of the peer
};
const std::vector<FlowMethod> kFlowMethods{{"torch_svd", "{}, batched SVD"},
                                           {"torch_products", "{}, batched products"},
                                           {"numpy_svd", "NumPy beside {}, batched SVD"}};

double state_bytes(const FlowSize& size) {
  return 4.0 * sizeof(float) * static_cast<double>(size.particles * size.rows * size.cols);
}

// ||computed - expected|| / ||expected - start||.
double distance(const std::vector<float>& computed, const std::vector<float>& expected,
                const std::vector<float>& start) {
  double apart = 0, moved = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    apart += std::pow(static_cast<double>(computed[i]) - static_cast<double>(expected[i]), 2);
    moved += std::pow(static_cast<double>(expected[i]) - static_cast<double>(start[i]), 2);
  }
  return std::sqrt(apart / moved);
}

class FlowSession {
 public:
  explicit FlowSession(const BenchFlow& bench) : bench_(bench), text_(bench.output.text()) {
    peak_ = linalg::peak_gflops<float>();
    fmt::print(
        text_,
        "tanh_ridge with {} features, smoothed nuclear norm, integrator muon, float32, {} "
        "threads, peak {:.0f} GF/s.\nMedians of at most {} rounds, contenders in turn. Share "
        "of the peak by the operations of an SVD (6 r^2 N + 22 r^3).\n",
        kFlowFeatures, threads(), peak_, bench.turns.rounds);
    if (bench.peers) torch_ = start_torch_peers(text_, "flow.py");
    document_ = describe_bench("bench flow");
    document_["rounds"] = bench.turns.rounds;
    document_["peak_gflops"]["float"] = peak_;
    for (const auto& torch : torch_) document_["libraries"][torch.name] = torch.peer->about();
    document_["rows"] = Json::array();
    fmt::print(text_, "\n{:<52} {:>12} {:>14} {:>7} {:>7} {:>8} {:>8}\n", "", "us/particle",
               "particles/s", "spread", "peak", "bytes", "time");
  }

  void measure(const FlowSize& size) {
    FlowRunner ours(size, false);
    std::vector<Contender> contenders{
        {.name = kOurs, .ours = true, .turn = [&] { return ours.time(bench_.seconds); }}};
    std::vector<std::optional<double>> distances{std::nullopt};
    std::optional<FlowRunner> plain;
    if (bench_.peers && size.particles <= kMostForPeers) {
      const auto start = ours.input();
      const auto expected = ours.weights_after(kCompared);
      plain.emplace(size, true);
      contenders.push_back({.name = "OpenBLAS, a loop of products a thread",
                            .turn = [&] { return plain->time(bench_.seconds); }});
      distances.emplace_back(distance(plain->weights_after(kCompared), expected, start));
      const auto line = fmt::format("load {} {} {} {} {:.17g} {:.17g}", size.particles, size.rows,
                                    size.cols, kFlowFeatures, ours.epsilon(), kFlowStep);
      for (const auto& [name, peer] : torch_) {
        if (!peer->give(line, start)) continue;
        for (const auto& method : kFlowMethods) {
          std::vector<float> weights(expected.size());
          if (!peer->ask(fmt::format("after {} {}", method.key, kCompared), weights)) continue;
          contenders.push_back({.name = fmt::format(fmt::runtime(method.name), name),
                                .turn = [peer, key = method.key, least = bench_.seconds] {
                                  return peer->time(key, least);
                                }});
          distances.emplace_back(distance(weights, expected, start));
        }
      }
    }
    const auto title = fmt::format("{}x{}, {} particles", size.rows, size.cols,
                                   thousands(static_cast<double>(size.particles)));
    Progress progress(title, bench_.turns.rounds);
    take_turns(contenders, bench_.turns, [&](std::int64_t round) {
      progress.update(round, fmt::format("{} contenders", contenders.size()));
      return !interrupted();
    });
    progress.finish();
    record(size, title, ours, contenders, distances);
  }

  void measure_ranks() {
    const auto result = compare_ranks(bench_.turns.rounds, text_);
    if (!result) return;
    document_["ranks"] = *result;
  }

  // How the cost of a particle changes from the fewest to the most of one shape.
  void conclude() {
    document_["growth"] = Json::array();
    const auto& rows = document_["rows"];
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const bool first = i == 0 || rows[i]["shape"] != rows[i - 1]["shape"];
      std::size_t last = i;
      while (last + 1 < rows.size() && rows[last + 1]["shape"] == rows[i]["shape"]) ++last;
      if (!first || last == i) continue;
      const auto cost = [&](std::size_t k) {
        return rows[k]["seconds_per_particle"].get<double>();
      };
      fmt::print(text_, "{}: a particle of {} costs {:.2f} times one of {}\n",
                 rows[i]["shape"].get<std::string>(), rows[last]["count"].dump(),
                 cost(last) / cost(i), rows[i]["count"].dump());
      document_["growth"].push_back({{"shape", rows[i]["shape"]},
                                     {"from", rows[i]["count"]},
                                     {"to", rows[last]["count"]},
                                     {"ratio", cost(last) / cost(i)}});
    }
  }

  const Json& document() const { return document_; }

 private:
  void record(const FlowSize& size, const std::string& title, const FlowRunner& ours,
              const std::vector<Contender>& contenders,
              const std::vector<std::optional<double>>& distances) {
    const auto n = static_cast<double>(size.particles);
    Json row{{"work", "flow"},
             {"title", fmt::format("flow of {}x{}", size.rows, size.cols)},
             {"size", thousands(n) + " particles"},
             {"shape", fmt::format("{}x{}", size.rows, size.cols)},
             {"count", size.particles},
             {"epsilon", ours.epsilon()},
             {"bytes_per_particle", ours.bytes() / n},
             {"contenders", Json::array()}};
    for (std::size_t i = 0; i < contenders.size(); ++i) {
      const auto& contender = contenders[i];
      const double time = median(contender.samples);
      const double gflops = 1e-9 * n * ours.flops() / time;
      if (i == 0) row["seconds_per_particle"] = time / n;
      row["contenders"].push_back(
          {{"name", contender.name},
           {"ours", contender.ours},
           {"same_precision", true},
           {"samples", contender.samples},
           {"median", time},
           {"spread", spread(contender.samples)},
           {"gflops", gflops},
           {"fraction_of_peak", gflops / peak_},
           {"particle_steps_per_second", n / time},
           {"distance", distances[i] ? Json(*distances[i]) : Json()},
           {"ratio", ratio(contender.samples, contenders.front().samples)}});
      fmt::print(text_, "{:<52} {:>12.4g} {:>14} {:>6.1f}% {:>6.0f}% {:>8} {:>7.2f}x\n",
                 contender.ours ? title : "  " + contender.name, 1e6 * time / n,
                 thousands(n / time), 100 * spread(contender.samples), 100 * gflops / peak_,
                 contender.ours ? fmt::format("{:.0f}", ours.bytes() / n) : "-",
                 ratio(contender.samples, contenders.front().samples));
    }
    if (const auto best = best_rival(contenders)) {
      row["best_rival"] = contenders[*best].name;
      row["best_ratio"] = ratio(contenders[*best].samples, contenders.front().samples);
    }
    std::fflush(text_);
    document_["rows"].push_back(std::move(row));
  }

  const BenchFlow& bench_;
  std::FILE* text_;
  double peak_ = 0;
  std::vector<TorchPeer> torch_;
  Json document_;
};

Index number(const std::string& word, const std::string& place) {
  Index value = 0;
  const auto end = word.data() + word.size();
  const auto found = std::from_chars(word.data(), end, value);
  if (found.ec != std::errc() || found.ptr != end || value < 1) {
    throw ConfigError({.place = place, .expected = "a number from 1 on", .found = word});
  }
  return value;
}

}  // namespace

std::vector<FlowSize> flow_sizes_named(const std::vector<std::string>& shapes,
                                       const std::string& particles) {
  std::vector<std::pair<Index, Index>> blocks{{4, 8}, {16, 16}, {32, 32}};
  if (!shapes.empty()) blocks.clear();
  for (const auto& shape : shapes) {
    const auto comma = shape.find_first_of(",x");
    const Index rows = number(shape.substr(0, comma), "--size");
    blocks.emplace_back(
        rows, comma == std::string::npos ? rows : number(shape.substr(comma + 1), "--size"));
  }
  std::vector<Index> counts{1000, 10000, 100000, 1000000};
  if (!particles.empty()) {
    counts.clear();
    std::istringstream words(particles);
    for (std::string word; std::getline(words, word, ',');) {
      counts.push_back(number(word, "--particles"));
    }
  }
  std::vector<FlowSize> sizes;
  for (const auto& [rows, cols] : blocks) {
    for (const Index count : counts) {
      const FlowSize size{rows, cols, count};
      if (state_bytes(size) <= kMostBytes) sizes.push_back(size);
    }
  }
  if (sizes.empty()) {
    throw ConfigError({.place = "--particles",
                       .expected = fmt::format("states of at most {:.0f} GB", 1e-9 * kMostBytes),
                       .found = particles});
  }
  return sizes;
}

int bench_flow(const BenchFlow& bench) {
  bench.output.prepare();
  catch_interrupts();
  FlowSession session(bench);
  for (const auto& size : bench.sizes) {
    if (!interrupted()) session.measure(size);
  }
  session.conclude();
  if (bench.ranks && !interrupted()) session.measure_ranks();
  bench.output.write(session.document());
  return 0;
}

}  // namespace muonflow::cli

#include "muonflow/cli/bench/kernels.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "muonflow/cli/bench/remote_peer.hpp"
#include "muonflow/cli/bench/torch_peer.hpp"
#include "muonflow/cli/interrupt.hpp"
#include "muonflow/cli/progress.hpp"
#include "muonflow/core/parallel.hpp"
#include "muonflow/linalg/diagnose.hpp"
#include "muonflow/linalg/peak.hpp"

namespace muonflow::cli {
namespace {

std::string full_name(const Contender& contender) {
  return contender.note.empty() ? contender.name : contender.name + ", " + contender.note;
}

struct Peak {
  double single = 0;
  double twofold = 0;  // double precision
};

// This program once more, with OpenBLAS's kernels chosen otherwise.
struct OpenBlasPeer {
  std::string name;  // "as installed (Prescott kernels)"
  std::shared_ptr<RemotePeer> peer;
};

// Where this process runs other kernels than OpenBLAS would choose by itself, those; where it runs
// kernels below what the processor can do, the right ones; else none.
std::optional<OpenBlasPeer> other_openblas() {
  const bool mended = std::getenv("MUONFLOW_BLAS_CORE") != nullptr;
  const auto blas = linalg::diagnose_blas(false);
  if (!mended && blas.core_fits) return std::nullopt;
  Environment environment{{"MUONFLOW_BLAS_CORE", "chosen"}, {"OPENBLAS_CORETYPE", std::nullopt}};
  if (!mended) environment[1].second = blas.right_core;
  const auto peer = std::make_shared<RemotePeer>(
      std::vector<std::string>{"/proc/self/exe", "bench", "serve"}, environment);
  if (!peer->about().is_object()) return std::nullopt;
  return OpenBlasPeer{fmt::format("{} ({} kernels)", mended ? "as installed" : "best configured",
                                  peer->about().value("core", "")),
                      peer};
}

class KernelSession {
 public:
  explicit KernelSession(const BenchKernels& bench) : bench_(bench), text_(bench.output.text()) {
    measure_peak();
    fmt::print(text_,
               "{} threads, {} instructions: at most {:.0f} GF/s in float, {:.0f} in double, "
               "measured. OpenBLAS runs its {} kernels.\n",
               threads(), linalg::vector_instructions(), peak_.single, peak_.twofold,
               linalg::blas_core_name());
    if (bench.peers.count(Peer::torch) != 0) torch_ = start_torch_peers(text_);
    if (bench.peers.count(Peer::openblas) != 0) openblas_ = other_openblas();
    document_ = describe_bench("bench kernels");
    document_["instructions"] = linalg::vector_instructions();
    document_["rounds"] = bench.turns.rounds;
    for (const auto& torch : torch_) document_["libraries"][torch.name] = torch.peer->about();
    document_["rows"] = Json::array();
    fmt::print(text_,
               "Medians of {} rounds, contenders in turn; spread: distance of the quartiles. GF/s "
               "counts the\nflops of the plain method for everybody; error: relative to the same "
               "map in double.\n",
               bench.turns.rounds);
  }

  void measure(const Work& work) {
    measure_peak();
    Matrices scratch = work.input;
    auto contenders = contenders_for(work, scratch);
    Progress progress(fmt::format("{}, {}", work.title, work.size), bench_.turns.rounds);
    take_turns(contenders, bench_.turns, [&](std::int64_t round) {
      progress.update(round, fmt::format("{} contenders", contenders.size()));
      return !interrupted();
    });
    progress.finish();
    print(work, contenders);
    document_["rows"].push_back(row(work, contenders));
  }

  Json document() const {
    Json out = document_;
    out["peak_gflops"] = {{"float", peak_.single}, {"double", peak_.twofold}};
    for (auto& entry : out["rows"]) {
      for (auto& contender : entry["contenders"]) {
        contender["fraction_of_peak"] = contender["gflops"].get<double>() / peak_.single;
      }
    }
    return out;
  }

 private:
  // The largest seen in the session counts: what else runs can only make it smaller.
  void measure_peak() {
    peak_.single = std::max(peak_.single, linalg::peak_gflops<float>());
    peak_.twofold = std::max(peak_.twofold, linalg::peak_gflops<double>());
  }

  // All in this process share one scratch copy of the input.
  std::vector<Contender> contenders_for(const Work& work, Matrices& scratch) {
    std::vector<Contender> contenders;
    for (const auto& way : work.ours) {
      contenders.push_back(here({.name = kOurs, .note = way.note, .ours = true, .turn = {}}, work,
                                scratch, way.run));
    }
    const auto known = rivals(work.task, work.input);
    for (const auto& rival : known) {
      if (bench_.peers.count(rival.peer) == 0) continue;
      contenders.push_back(
          here({.name = rival.name, .same_precision = rival.same_precision, .turn = {}}, work,
               scratch, [rival, number = work.number](Matrices& x) { rival.run(x, number); }));
    }
    if (openblas_ && openblas_->peer->load(work.input, work.number)) {
      for (const auto& rival : known) {
        if (rival.peer != Peer::openblas) continue;
        contenders.push_back(there({.name = rival.name, .note = openblas_->name, .turn = {}}, work,
                                   scratch, openblas_->peer, method_name(rival)));
      }
    }
    for (const auto& torch : torch_) {
      if (!torch.peer->load(work.input, work.number)) continue;
      const auto add = [&](const std::string& what, const std::string& method, bool same) {
        contenders.push_back(
            there({.name = torch.name + ", " + what, .same_precision = same, .turn = {}}, work,
                  scratch, torch.peer, method));
      };
      if (work.task == Task::polar) {
        add("float32", "muon", true);
        add("bfloat16", "muon_bfloat16", false);
      } else if (work.task == Task::inverse_root) {
        add("torch.linalg.eigh, float64", "root_double", true);
        add("torch.linalg.eigh, float32", "root", false);
      } else {
        add("torch.linalg.svd", "svd", true);
        if (work.input.count() > 1) add("batched products", "products", true);
      }
    }
    return contenders;
  }

  Contender here(Contender contender, const Work& work, Matrices& scratch,
                 std::function<void(Matrices&)> run) const {
    contender.turn = [&work, &scratch, run, least = bench_.seconds]() -> std::optional<double> {
      return seconds_of([&] { scratch.values() = work.input.values(); }, [&] { run(scratch); },
                        least);
    };
    scratch.values() = work.input.values();
    run(scratch);
    contender.error = relative_error(scratch, work.exact);
    return contender;
  }

  Contender there(Contender contender, const Work& work, Matrices& scratch,
                  const std::shared_ptr<RemotePeer>& peer, const std::string& method) const {
    contender.turn = [peer, method, least = bench_.seconds] { return peer->time(method, least); };
    if (peer->results(method, scratch)) contender.error = relative_error(scratch, work.exact);
    return contender;
  }

  void print(const Work& work, const std::vector<Contender>& contenders) const {
    fmt::print(text_, "\n{}, {}\n{:<66} {:>10} {:>7} {:>6} {:>5} {:>8} {:>7}\n", work.title,
               work.size, "",
               work.input.equal_shapes() && work.input.count() > 1 ? "us each" : "ms", "spread",
               "GF/s", "peak", "error", "time");
    const double unit = work.input.equal_shapes() && work.input.count() > 1
                            ? 1e6 / static_cast<double>(work.input.count())
                            : 1e3;
    for (const auto& contender : contenders) {
      const double time = median(contender.samples);
      if (!std::isfinite(time)) {
        fmt::print(text_, "{:<66} ended without an answer\n", full_name(contender));
        continue;
      }
      const double rate = 1e-9 * work.flops / time;
      fmt::print(text_, "{:<66} {:>10.4g} {:>6.1f}% {:>6.0f} {:>4.0f}% {:>8} {:>6.2f}x\n",
                 full_name(contender), unit * time, 100 * spread(contender.samples), rate,
                 100 * rate / peak_.single,
                 contender.error ? fmt::format("{:.1e}", *contender.error) : "-",
                 ratio(contender.samples, contenders.front().samples));
    }
    if (const auto best = best_rival(contenders)) {
      fmt::print(text_, "the best rival, {}, takes {:.2f} times as long\n",
                 full_name(contenders[*best]),
                 ratio(contenders[*best].samples, contenders.front().samples));
    }
    std::fflush(text_);
  }

  Json row(const Work& work, const std::vector<Contender>& contenders) const {
    Json out;
    out["work"] = std::string(enum_name(work.kind));
    out["title"] = work.title;
    out["size"] = work.size;
    out["shapes"] = work.input.runs();
    out["count"] = work.input.count();
    if (work.task == Task::regularized_polar) out["epsilon"] = work.number;
    if (work.task == Task::inverse_root) out["p"] = work.number;
    out["flops"] = work.flops;
    out["contenders"] = Json::array();
    for (const auto& contender : contenders) {
      const double time = median(contender.samples);
      const double rate = 1e-9 * work.flops / time;
      Json entry{{"name", contender.name}, {"ours", contender.ours}};
      if (!contender.note.empty()) entry["note"] = contender.note;
      entry["same_precision"] = contender.same_precision;
      entry["samples"] = contender.samples;  // not a number: it had no turn; written as null
      entry["median"] = time;
      entry["spread"] = spread(contender.samples);
      entry["gflops"] = rate;
      entry["fraction_of_peak"] = nullptr;  // known when the session ends
      entry["error"] = contender.error ? Json(*contender.error) : Json();
      entry["ratio"] = ratio(contender.samples, contenders.front().samples);
      out["contenders"].push_back(std::move(entry));
    }
    if (const auto best = best_rival(contenders)) {
      out["best_rival"] = full_name(contenders[*best]);
      out["best_ratio"] = ratio(contenders[*best].samples, contenders.front().samples);
    }
    return out;
  }

  const BenchKernels& bench_;
  std::FILE* text_;
  Peak peak_;
  std::vector<TorchPeer> torch_;
  std::optional<OpenBlasPeer> openblas_;
  Json document_;
};

}  // namespace

int bench_kernels(const BenchKernels& bench) {
  bench.output.prepare();
  // What was measured until then is still written, and no file of a peer stays behind.
  catch_interrupts();
  KernelSession session(bench);
  for (const auto& plan : bench.works) {
    if (!interrupted()) session.measure(make_work(plan));
  }
  bench.output.write(session.document());
  return 0;
}

}  // namespace muonflow::cli

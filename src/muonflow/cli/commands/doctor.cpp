// muonflow doctor: whether this machine computes right and as fast as it can, and the mend where it
// does not.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "muonflow/cli/command.hpp"
#include "muonflow/cli/plan_cache.hpp"
#include "muonflow/core/cpu.hpp"
#include "muonflow/core/parallel.hpp"
#include "muonflow/core/rng.hpp"
#include "muonflow/core/text.hpp"
#include "muonflow/core/version.hpp"
#include "muonflow/linalg/diagnose.hpp"
#include "muonflow/linalg/norms.hpp"
#include "muonflow/linalg/peak.hpp"
#include "muonflow/linalg/plan.hpp"
#include "muonflow/linalg/polar.hpp"

namespace muonflow::cli {
namespace {

namespace fs = std::filesystem;

enum class Verdict {
  ok,
  note,  // nothing wrong: optional, or a state that passes
  slow,  // right results, at a fraction of the speed
  wrong,
};

constexpr std::array<std::string_view, 4> kVerdicts{"ok", "note", "SLOW", "WRONG"};

struct Finding {
  Verdict verdict = Verdict::ok;
  std::string subject;
  std::string text;
  std::string mend;  // what to do; empty where nothing
};

Finding processor() {
  const auto& cpu = cpu_features();
  std::vector<std::string> sets;
  if (cpu.avx2) sets.emplace_back("AVX2");
  if (cpu.avx512) sets.emplace_back("AVX-512");
  if (cpu.avx512_bf16) sets.emplace_back("BF16");
  if (cpu.avx512_fp16) sets.emplace_back("FP16");
  const std::string name = cpu.model.empty() ? "unknown" : cpu.model;
  if (sets.empty()) {
    return {Verdict::slow, "processor", name + ", without AVX2",
            "none on this machine: products will run at a fraction of a newer processor's speed"};
  }
  return {Verdict::ok, "processor", name + ", " + join(sets), ""};
}

Finding build() {
  return {Verdict::ok, "build",
          fmt::format("muonflow {}, GCC {}, {}", kVersion, __VERSION__,
#ifdef __OPTIMIZE__
                      "optimized"
#else
                      "not optimized"
#endif
                      ),
          ""};
}

// Threads of the pool, and whether they get the processors that they count on.
std::vector<Finding> thread_findings() {
  std::vector<Finding> findings;
  const int available = available_processors();
  findings.push_back(
      {Verdict::ok, "threads", fmt::format("{} of {} processors", threads(), available), ""});
  if (threads() > available) {
    findings.back().verdict = Verdict::slow;
    findings.back().mend = "more threads than processors wait for each other: lower --threads";
  }

  // Processors that a container may use: "max 100000" or "200000 100000" (quota and period).
  long quota = 0;
  long period = 0;
  std::ifstream limit("/sys/fs/cgroup/cpu.max");
  if (limit >> quota >> period && period > 0) {
    const double allowed = static_cast<double>(quota) / static_cast<double>(period);
    if (allowed + 0.05 < threads()) {
      findings.push_back(
          {Verdict::slow, "quota",
           fmt::format("this container may use {:.1f} processors at a time", allowed),
           fmt::format("use --threads {}", std::max(1, static_cast<int>(allowed)))});
    }
  }

  std::array<double, 1> load{};
  if (getloadavg(load.data(), 1) == 1) {
    Finding finding{Verdict::ok, "load", fmt::format("{:.1f} processes want a processor", load[0]),
                    ""};
    if (load[0] > 0.5 * available) {
      finding.verdict = Verdict::note;
      finding.mend = "other work runs here: times below and in benchmarks are too pessimistic";
    }
    findings.push_back(finding);
  }
  return findings;
}

Finding memory() {
  const long pages = sysconf(_SC_PHYS_PAGES);
  const long free_pages = sysconf(_SC_AVPHYS_PAGES);
  const auto page = static_cast<double>(sysconf(_SC_PAGESIZE));
  return {Verdict::ok, "memory",
          fmt::format("{:.1f} GB, {:.1f} GB of it unused", 1e-9 * page * static_cast<double>(pages),
                      1e-9 * page * static_cast<double>(free_pages)),
          ""};
}

std::vector<Finding> blas_findings(const linalg::BlasReport& report) {
  std::vector<Finding> findings;
  findings.push_back({Verdict::ok, "OpenBLAS",
                      fmt::format("{} kernels, {}, {} threads, {}", report.openblas_core,
                                  report.threading, report.openblas_threads, report.openblas_path),
                      ""});
  if (std::getenv("MUONFLOW_BLAS_CORE") != nullptr && report.core_fits) {
    findings.back().verdict = Verdict::note;
    findings.back().mend =
        "OpenBLAS does not know this processor; this program chose the kernels itself. Programs "
        "that link the library need OPENBLAS_CORETYPE=" +
        report.openblas_core + " in their environment";
  }
  findings.push_back(
      {Verdict::ok, "oneDNN", fmt::format("{}, {}", report.onednn_version, report.onednn_isa), ""});
  if (report.onednn_f32_gflops > 0) {
    findings.push_back({Verdict::ok, "products",
                        fmt::format("{:.0f} GF/s in float, {:.0f} GF/s in double (384 x 384)",
                                    report.onednn_f32_gflops, report.openblas_f64_gflops),
                        ""});
  }
  findings.push_back(
      {Verdict::ok, "peak",
       fmt::format("{:.0f} GF/s in float, {:.0f} GF/s in double, multiply-adds of {}",
                   linalg::peak_gflops<float>(), linalg::peak_gflops<double>(),
                   linalg::vector_instructions()),
       ""});
  for (const auto& advice : report.advice) {
    findings.push_back({Verdict::slow, "OpenBLAS", "not as fast as this machine allows", advice});
  }
  return findings;
}

// Wrong kernels are rare and ruin everything, so they are looked for with numbers.
std::vector<Finding> result_findings() {
  std::vector<Finding> findings;
  Finding blas{Verdict::ok, "results", "product and eigendecomposition agree with plain loops", ""};
  if (!linalg::blas_self_check()) {
    blas = {Verdict::wrong, "results", "OpenBLAS computes wrong products or eigenvectors",
            "unset OPENBLAS_CORETYPE; if it is unset, set OPENBLAS_CORETYPE=Haswell"};
  }
  findings.push_back(blas);

  constexpr Index kSize = 192;
  Matrix<float> start(kSize, kSize);
  Rng rng(1);
  for (Index i = 0; i < start.size(); ++i) start.data()[i] = static_cast<float>(rng.normal());
  const int all = threads();
  linalg::Workspace<float> workspace;
  const auto polar_of = [&](linalg::PolarMethod method, int thread_count) {
    Matrix<float> x = start;
    set_threads(thread_count);
    const Outcome outcome = linalg::polar<float>(x, {.method = method}, workspace);
    set_threads(all);
    if (!outcome.ok()) x.setConstant(std::numeric_limits<float>::quiet_NaN());
    return x;
  };
  const Matrix<float> exact = polar_of(linalg::PolarMethod::svd, all);
  const Matrix<float> gram = exact * exact.transpose();
  // Rounding of n terms in each entry of the Gram matrix, with a generous constant.
  constexpr double kTolerance = 50 * kSize * 1.2e-7;
  const double error = linalg::frobenius_norm<float>(gram - Matrix<float>::Identity(kSize, kSize)) /
                       std::sqrt(static_cast<double>(kSize));
  Finding polar{Verdict::ok, "results", fmt::format("orthogonality error {:.1e}", error), ""};
  if (!(error <= kTolerance)) {
    polar.verdict = Verdict::wrong;
    polar.mend = "report it with this output: kernels of this processor round wrongly";
  }
  findings.push_back(polar);

  const bool same =
      polar_of(linalg::PolarMethod::jordan, 1) == polar_of(linalg::PolarMethod::jordan, 2);
  findings.push_back(same ? Finding{Verdict::ok, "results", "the same bits on 1 and 2 threads", ""}
                          : Finding{Verdict::wrong, "results", "other bits on 2 threads than on 1",
                                    "report it with this output; --threads 1 is reproducible"});
  return findings;
}

Finding polar_speed() {
  constexpr Index kSize = 512;
  const Matrix<float> start = Matrix<float>::Random(kSize, kSize);
  linalg::Workspace<float> workspace;
  double best = 1e9;
  for (int repeat = 0; repeat < 4; ++repeat) {
    Matrix<float> x = start;
    const auto began = std::chrono::steady_clock::now();
    if (!linalg::polar<float>(x, {}, workspace).ok()) break;
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - began;
    best = std::min(best, took.count());
  }
  return {Verdict::ok, "polar factor", fmt::format("{:.1f} ms for 512 x 512 by five steps", best),
          ""};
}

Finding folder() {
  const fs::path here = fs::current_path();
  std::error_code error;
  const auto space = fs::space(here, error);
  if (error || access(here.c_str(), W_OK) != 0) {
    return {Verdict::note, "folder", here.string() + " cannot be written",
            "give commands an --out folder that can"};
  }
  const double free = 1e-9 * static_cast<double>(space.available);
  return {free < 1 ? Verdict::note : Verdict::ok, "folder",
          fmt::format("{:.1f} GB free for runs in {}", free, here.string()),
          free < 1 ? "runs with checkpoints may fill the disk" : ""};
}

bool on_path(const std::string& program) {
  const char* const path = std::getenv("PATH");
  std::string folders = path == nullptr ? "" : path;
  while (!folders.empty()) {
    const auto end = folders.find(':');
    if (access((folders.substr(0, end) + "/" + program).c_str(), X_OK) == 0) return true;
    folders = end == std::string::npos ? "" : folders.substr(end + 1);
  }
  return false;
}

// What this program does without; the browser shows reports, PyTorch is compared with.
Finding optional_peers() {
  const bool browser = on_path("chromium") || on_path("google-chrome") || on_path("firefox");
  const bool torch = fs::exists("/usr/lib/python3/dist-packages/torch") ||
                     fs::exists("/usr/lib/x86_64-linux-gnu/libtorch.so");
  return {Verdict::ok, "optional",
          fmt::format("browser {}, PyTorch {}; this version uses neither MPI nor LibTorch",
                      browser ? "found" : "not found", torch ? "found" : "not found"),
          ""};
}

Finding plan_finding() {
  const auto& table = linalg::plan_table();
  return {Verdict::ok, "plan",
          fmt::format("{}: {} engine, Gram matrices from aspect {} on, depth blocks of {}",
                      table.source, enum_name(table.engine), shortest(table.gram_aspect),
                      table.depth_block),
          ""};
}

class Doctor final : public Command {
 public:
  void arguments(Arguments& a) override {
    a.option("threads", threads_, "threads to judge; 0: all");
    a.flag("json", json_, "prints JSON");
    a.flag("calibrate", calibrate_,
           "measures how matrices are best worked on here (a few seconds) and keeps the answer for "
           "every later command; removed by --forget");
    a.flag("forget", forget_, "goes back to the built-in choice");
  }

  int run() override {
    if (threads_ > 0) set_threads(static_cast<int>(threads_));
    if (forget_) forget_plan();
    if (calibrate_) {
      const auto table =
          linalg::calibrate([](const std::string& line) { fmt::print(stderr, "{}\n", line); });
      keep_plan(table);
      linalg::set_plan_table(table);
    }
    std::vector<Finding> findings{build(), processor(), memory(), folder()};
    const auto add = [&](const std::vector<Finding>& more) {
      findings.insert(findings.end(), more.begin(), more.end());
    };
    add(thread_findings());
    add(blas_findings(linalg::diagnose_blas()));
    findings.push_back(polar_speed());
    add(result_findings());
    findings.push_back(plan_finding());
    findings.push_back(optional_peers());
    print(findings);
    for (const auto& finding : findings) {
      if (finding.verdict == Verdict::slow || finding.verdict == Verdict::wrong) return 1;
    }
    return 0;
  }

 private:
  void print(const std::vector<Finding>& findings) const {
    if (json_) {
      Json all = Json::array();
      for (const auto& finding : findings) {
        all.push_back({{"verdict", kVerdicts[static_cast<std::size_t>(finding.verdict)]},
                       {"subject", finding.subject},
                       {"text", finding.text},
                       {"mend", finding.mend}});
      }
      fmt::print("{}\n", all.dump(2));
      return;
    }
    int trouble = 0;
    for (const auto& finding : findings) {
      fmt::print("{:<5}  {:<12}  {}\n", kVerdicts[static_cast<std::size_t>(finding.verdict)],
                 finding.subject, finding.text);
      if (!finding.mend.empty()) fmt::print("{:<5}  {:<12}  -> {}\n", "", "", finding.mend);
      if (finding.verdict == Verdict::slow || finding.verdict == Verdict::wrong) ++trouble;
    }
    fmt::print("\n{}\n",
               trouble == 0 ? "This machine is fine." : fmt::format("{} to mend.", trouble));
  }

  std::int64_t threads_ = 0;
  bool json_ = false;
  bool calibrate_ = false;
  bool forget_ = false;
};

const Enrolled<Doctor> enrolled_doctor{"doctor", "what is slow, wrong or missing on this machine",
                                       "muonflow doctor"};

}  // namespace
}  // namespace muonflow::cli

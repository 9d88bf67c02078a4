#include "tests/report/synthetic_runs.hpp"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <vector>

#include "muonflow/core/fields.hpp"
#include "muonflow/core/rng.hpp"
#include "muonflow/record/run_folder.hpp"

namespace muonflow::test {
namespace {

Json manifest(const std::string& kind, const Json& config) {
  return {{"format", 1},
          {"version", "0.1.0"},
          {"created", "2026-01-02T03:04:05Z"},
          {"kind", kind},
          {"command", "muonflow " + kind + " example.toml"},
          {"seed", 1},
          {"threads", 2},
          {"machine",
           {{"processor", "A processor of two cores"},
            {"instruction_sets", {"avx2", "avx512"}},
            {"processors", 2},
            {"memory_bytes", 8589934592}}},
          {"blas", {{"library", "libopenblas.so.0"}, {"core", "SkylakeX"}}},
          {"plan", {{"gemm", "onednn"}, {"symmetric", "blocked"}}},
          {"references", {{{"name", kind}, {"cite", "arXiv 2605.23871"}}}},
          {"config", config}};
}

Json routing(const SyntheticTraining& o) {
  Json rows = Json::array();
  const auto row = [&](const std::string& tensor, const Json& shape, const std::string& role,
                       const std::string& rule, double lr, const std::string& reason) {
    rows.push_back({{"tensor", tensor},
                    {"shape", shape},
                    {"role", role},
                    {"rule", rule},
                    {"lr", lr},
                    {"reason", reason}});
  };
  row("transformer.wte.weight", {256, 128}, "embedding", "adamw", 0.003, "role embedding");
  for (int layer = 0; layer < 4; ++layer) {
    const auto place = "transformer.h." + std::to_string(layer) + ".";
    row(place + "ln_1.weight", Json::array({128}), "norm", "adamw", 0.003, "a vector");
    row(place + "attn.c_attn.weight", {384, 128}, "matrix", o.rule, o.lr, "a hidden matrix");
    row(place + "mlp.c_fc.weight", {512, 128}, "matrix", o.rule, o.lr, "a hidden matrix");
  }
  return {{"kind", "routing"}, {"step", 0}, {"rows", rows}};
}

}  // namespace

void write_training_run(const std::filesystem::path& folder, const SyntheticTraining& o) {
  const Json config{{"run", {{"name", folder.filename().string()}, {"seed", o.seed}}},
                    {"data", {{"name", "austen"}}},
                    {"model", {{"kind", "gpt"}, {"n_layer", 4}, {"n_embd", 128}}},
                    {"optimizer", {{"rule", o.rule}, {"lr", o.lr}}},
                    {"train", {{"steps", o.steps}, {"eval_every", 25}}}};
  const std::string toml = "[optimizer]\nrule = \"" + o.rule +
                           "\"\n\n[train]\nsteps = " + std::to_string(o.steps) + "\n";
  auto run = record::RunFolder::create(folder, manifest("train", config), toml);
  run.event(routing(o));
  Rng rng(o.seed);
  constexpr double kTokens = 2048;
  double seconds = 0;
  const auto mean_loss = [&](double step) {
    const double fast = std::exp(-step / 6), slow = std::exp(-step / o.speed);
    return o.floor + 2.4 * fast + 1.3 * slow + 0.4 / std::sqrt(1 + step / 10);
  };
  for (std::int64_t step = 0; step <= o.done; ++step) {
    const auto s = static_cast<double>(step);
    if (step > 0) {
      const double spent = o.step_seconds * (1 + 0.05 * std::abs(rng.normal()));
      seconds += spent;
      const double warmup = std::min(1.0, s / 20);
      const double left = static_cast<double>(o.steps - step) / static_cast<double>(o.steps);
      run.event({{"kind", "step"},
                 {"step", step},
                 {"tokens", kTokens * s},
                 {"seconds", seconds},
                 {"loss", mean_loss(s) + 0.06 * rng.normal()},
                 {"lr", std::min(warmup, left / 0.3)},
                 {"grad_norm", 0.5 + 0.1 * rng.uniform()},
                 {"tokens_per_second", kTokens / spent},
                 {"optimizer_share", o.optimizer_share * (1 + 0.04 * rng.normal())}});
    }
    if (step % 25 == 0) {
      run.event({{"kind", "validation"},
                 {"step", step},
                 {"loss", mean_loss(s) + 0.05},
                 {"tokens", kTokens * s},
                 {"seconds", seconds}});
    }
  }
  if (o.done < o.steps) return;
  run.event({{"kind", "end"}, {"step", o.done}, {"ending", "finished"}});
  run.summary({{"ending", "finished"}, {"step", o.done}, {"sample", o.sample}});
}

void write_flow_run(const std::filesystem::path& folder, const SyntheticFlow& o) {
  constexpr double kGamma = 0.6, kEpsilon = 0.05, kStep = 0.01;
  const Json config{{"run", {{"name", folder.filename().string()}}},
                    {"objective", {{"kind", "quadratic"}, {"lambda", 1.0}}},
                    {"geometry", {{"kind", "smoothed_nuclear"}, {"epsilon", kEpsilon}}},
                    {"dynamics", {{"gamma", kGamma}, {"kind", "inertial"}}},
                    {"integrator", {{"kind", o.integrator}, {"step", kStep}, {"end_time", 20.0}}},
                    {"particles", {{"count", 1000}, {"shape", {o.modes, 2 * o.modes}}}},
                    {"record", {{"every", 0.1}, {"spectra", o.spectra}}}};
  auto run = record::RunFolder::create(folder, manifest("flow", config),
                                       "[integrator]\nkind = \"" + o.integrator + "\"\n");
  // Diagonal matrices: J = sum lambda w^2 / 2, Phi = sum sqrt(m^2 + eps^2) - eps.
  const auto modes = static_cast<std::size_t>(o.modes);
  std::vector<double> w(modes), m(modes, 0.0), lambda(modes);
  for (std::size_t k = 0; k < modes; ++k) {
    w[k] = 1.5 / (1 + 0.3 * static_cast<double>(k));
    lambda[k] = std::pow(0.62, static_cast<double>(k));
  }
  double dissipated = 0, start = 0;
  const auto half_kick = [&] {
    const double keep = std::exp(-kGamma * kStep / 2);
    for (std::size_t k = 0; k < modes; ++k) m[k] = keep * m[k] + (1 - keep) * lambda[k] * w[k];
  };
  const auto rate = [&] {
    double sum = 0;
    for (const double value : m) sum += value * value / std::hypot(value, kEpsilon);
    return sum;
  };
  constexpr int kStepsARecord = 10;
  for (std::int64_t r = 0; r <= o.records; ++r) {
    for (int i = 0; r > 0 && i < kStepsARecord; ++i) {
      const double before = rate();
      half_kick();
      for (std::size_t k = 0; k < modes; ++k) w[k] -= kStep * m[k] / std::hypot(m[k], kEpsilon);
      half_kick();
      dissipated += kStep * (before + rate()) / 2;
    }
    double objective = 0, kinetic = 0;
    std::vector<double> spectrum;
    for (std::size_t k = 0; k < modes; ++k) {
      objective += lambda[k] * w[k] * w[k] / 2;
      kinetic += (std::hypot(m[k], kEpsilon) - kEpsilon) / kGamma;
      spectrum.push_back(std::abs(m[k]));
    }
    std::sort(spectrum.rbegin(), spectrum.rend());
    const double energy = objective + kinetic;
    if (r == 0) start = energy;
    Json event{{"kind", "flow"},
               {"step", r * kStepsARecord},
               {"time", static_cast<double>(r) * kStepsARecord * kStep},
               {"objective", objective},
               {"kinetic", kinetic},
               {"energy", energy},
               {"dissipated", dissipated},
               {"ledger_error", start - energy - dissipated},
               {"relative_ledger_error", std::abs(start - energy - dissipated) / start},
               {"momentum_op_norm", spectrum.front()}};
    if (o.spectra) event["momentum_spectrum"] = spectrum;
    run.event(event);
  }
  if (!o.ended) return;
  run.summary({{"ending", "finished"},
               {"steps", o.records * kStepsARecord},
               {"objective_increases", 900},
               {"energy_increases", 0},
               {"largest_relative_ledger_error", 1.5e-4},
               {"fitted_rate", 0.57},
               {"fitted_rate_interval", {0.56, 0.58}},
               {"wall_seconds", 1.25}});
}

}  // namespace muonflow::test

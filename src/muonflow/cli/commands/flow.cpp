// muonflow flow: simulates the N-particle damped Hamiltonian flow of a TOML file in a run folder,
// with an energy ledger; interrupted runs go on with --resume.
#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "muonflow/cli/command.hpp"
#include "muonflow/cli/flow_records.hpp"
#include "muonflow/cli/flow_setup.hpp"
#include "muonflow/cli/interrupt.hpp"
#include "muonflow/cli/progress.hpp"
#include "muonflow/core/parallel.hpp"
#include "muonflow/core/safetensors.hpp"
#include "muonflow/flow/spread.hpp"
#include "muonflow/geometry/geometries.hpp"
#include "muonflow/linalg/diagnose.hpp"
#include "muonflow/record/checkpoint_folder.hpp"
#include "muonflow/record/manifest.hpp"
#include "muonflow/record/reader.hpp"
#include "muonflow/record/run_folder.hpp"

namespace muonflow::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kKeptCheckpoints = 2;

// Statistics of the particles take two more matrices [N, d] at every record: up to this size of W.
constexpr Index kMeasuredNumbers = Index{1} << 26;

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Writes what happens into the run folder and shows it on stderr.
template <class T>
class Recorder final : public flow::Observer<T> {
 public:
  Recorder(record::RunFolder& folder, const FlowSetup& setup, const flow::Problem<T>& problem,
           std::int64_t done, double seconds_before)
      : folder_(folder),
        options_(setup.options),
        problem_(problem),
        events_(setup.options.record.spectra),
        progress_("flow", options_.times().steps(), done),
        start_step_(done),
        seconds_before_(seconds_before) {}

  void record(const flow::System<T>&, const flow::State<T>& state,
              const flow::LedgerEntry& entry) override {
    auto event = events_.event(entry);
    event["particle_distance"] = flow::particle_distance(state.W);
    folder_.event(event);
    folder_.metric(entry.step, "objective", entry.objective);
    folder_.metric(entry.step, "energy", entry.energy);
    folder_.metric(entry.step, "ledger_error", entry.ledger_error);
  }

  bool after_step(const flow::State<T>& state, const flow::Cursor& cursor) override {
    const auto& ledger = cursor.ledger;
    const double rate =
        static_cast<double>((cursor.step - start_step_) * problem_.system.layout().particles()) /
        std::max(1e-9, seconds_since(began_));
    // Steps that choose their length count as many of the given one as fit into their time.
    const auto done = static_cast<std::int64_t>(state.time / options_.integrator.step + 1e-6);
    progress_.update(
        done,
        fmt::format("t {:.4g} | J {:.4e} | E {:.4e} | ledger {:.1e} | {} particles/s", state.time,
                    ledger.objective, ledger.energy, ledger.relative_error(), thousands(rate)));
    if (interrupted()) return false;
    const auto every = options_.run.checkpoint_every;
    if (every && cursor.step % *every == 0) save(state, cursor);
    return true;
  }

  fs::path save(const flow::State<T>& state, const flow::Cursor& cursor) {
    const auto tensors = flow::state_tensors(state);
    const auto path = record::write_checkpoint_folder(
        folder_.checkpoints(), cursor.step, {{"state", &tensors}},
        checkpoint_state(cursor, state.time, seconds(), problem_.data_digest), kKeptCheckpoints);
    folder_.event({{"kind", "checkpoint"},
                   {"step", cursor.step},
                   {"path", fs::relative(path, folder_.path()).string()}});
    return path;
  }

  void go_on(const Json* last) { events_.go_on(last); }
  double seconds() const { return seconds_before_ + seconds_since(began_); }
  Progress& progress() { return progress_; }

 private:
  record::RunFolder& folder_;
  const flow::FlowOptions& options_;
  const flow::Problem<T>& problem_;
  FlowEvents events_;
  Progress progress_;
  std::int64_t start_step_;
  double seconds_before_;
  std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
};

// The fitted rate and the certificate, from the records; the latter's records are events too.
template <class T>
void certify(const flow::Problem<T>& problem, const FlowSetup& setup, record::RunFolder& folder,
             Json& summary) {
  const auto& system = problem.system;
  const auto infimum = system.objective().infimum();
  summary["infimum"] = nullptr;
  if (!infimum) {
    summary["certificate_note"] = "the infimum of the objective is not known";
    return;
  }
  summary["infimum"] = *infimum;
  const auto run = record::RunReader::open(folder.path());
  const auto energies = run.series("flow", "time", "energy");
  if (const auto fit = flow::fit_rate(energies.x, energies.y, *infimum)) {
    summary["fitted_rate"] = fit->rate;
    summary["fitted_rate_interval"] = {fit->low, fit->high};
    summary["fitted_rate_times"] = {fit->from, fit->to};
  }
  const auto certificate =
      flow::certify(certificate_samples(run, *infimum), {.gamma = system.gamma(),
                                                         .inertial = system.inertial(),
                                                         .step = setup.options.integrator.step,
                                                         .hessian_bound = system.hessian_bound()});
  const auto& geometry = *setup.options.geometry;
  const bool smoothed = geometry.at("kind") == "smoothed_nuclear";
  summary["certificate"] = to_json(certificate, smoothed ? geometry.at("weight").get<double>() : 0);
  if (!certificate.unavailable.empty()) summary["certificate_note"] = certificate.unavailable;
  for (const auto& event : certificate_events(certificate)) folder.event(event);
}

template <class T>
Json summary_of(const flow::Problem<T>& problem, const flow::Cursor& cursor,
                const flow::LedgerEntry& last, const FlowSetup& setup, record::RunFolder& folder,
                double seconds) {
  const auto& info = problem.integrator->info();
  Json summary = {{"ending", "finished"},
                  {"steps", cursor.step},
                  {"time", last.time},
                  {"objective", last.objective},
                  {"kinetic", last.kinetic},
                  {"energy", last.energy},
                  {"dissipated", last.dissipated},
                  {"ledger_error", last.ledger_error},
                  {"relative_ledger_error", last.relative_ledger_error},
                  {"largest_relative_ledger_error", cursor.ledger.largest_relative_error},
                  {"momentum_op_norm", last.momentum_op_norm},
                  {"initial_energy", cursor.ledger.initial_energy},
                  {"objective_increases", cursor.ledger.objective_increases},
                  {"energy_increases", cursor.ledger.energy_increases},
                  {"integrator", info.name},
                  {"order", info.order},
                  {"gradient_evaluations", cursor.forces},
                  {"parts", cursor.parts},
                  {"fitted_rate", nullptr},
                  {"fitted_rate_interval", nullptr},
                  {"certificate", nullptr},
                  {"wall_seconds", seconds}};
  certify(problem, setup, folder, summary);
  return summary;
}

[[noreturn]] void fail_at(const std::string& place, const flow::LedgerEntry& last, Outcome outcome,
                          const std::string& advice) {
  throw DataError({.place = place,
                   .what = fmt::format("the step after step {} (time {}) failed: {}", last.step,
                                       last.time, to_string(outcome.status)),
                   .advice = advice});
}

class Flow final : public Command {
 public:
  void arguments(Arguments& arguments) override {
    arguments.positional("config", config_, "TOML file; see configs/flow/", false);
    arguments.repeated("set", assignments_, "key.path=value, over the file");
    arguments.option("out", out_, "run folder [runs/NAME]");
    arguments.option("resume", resume_, "run folder to go on with, from its newest checkpoint");
    arguments.option("threads", threads_, "threads; 0: all [the configuration's]");
    arguments.flag("dry_run", dry_run_, "check and show everything, compute and write nothing");
  }

  int run() override {
    if (threads_ < -1) {
      throw ConfigError(
          {.place = "--threads", .expected = "0 (all) or more", .found = std::to_string(threads_)});
    }
    if (threads_ >= 0) assignments_.push_back("run.threads=" + std::to_string(threads_));
    return resume_.empty() ? start() : resume();
  }

 private:
  int start() {
    if (config_.empty()) {
      throw ConfigError({.place = "flow",
                         .expected = "a TOML file, or --resume with a run folder",
                         .found = "neither",
                         .advice = "see configs/flow/"});
    }
    auto config = Config::from_file(config_);
    for (const auto& assignment : assignments_) config.set(assignment);
    FlowResume fresh;
    fresh.setup = read_flow(config, config_);
    const auto folder =
        out_.empty() ? fs::path("runs") / fresh.setup.options.run.name : fs::path(out_);
    return dispatch(fresh, folder, true);
  }

  int resume() {
    if (!out_.empty()) {
      throw ConfigError({.place = "--out",
                         .what = "a resumed run stays in its folder",
                         .advice = "leave --out away"});
    }
    const auto resumed = resume_flow(resume_, config_, assignments_);
    const auto before = record::RunReader::open(resume_);
    const double end = resumed.setup.options.integrator.end_time;
    if (before.summary() != nullptr && before.summary()->value("time", 0.0) >= end) {
      fmt::print("{} is finished: time {} is reached\n", resume_, end);
      return 0;
    }
    return dispatch(resumed, resume_, false);
  }

  int dispatch(const FlowResume& from, const fs::path& folder, bool fresh) {
    set_threads(static_cast<int>(from.setup.options.run.threads));
    return from.setup.options.run.dtype == flow::RealType::float32
               ? execute<float>(from, folder, fresh)
               : execute<double>(from, folder, fresh);
  }

  // Everything is built and evaluated once before the folder is touched.
  template <class T>
  int execute(const FlowResume& from, const fs::path& path, bool fresh) {
    const auto& setup = from.setup;
    auto problem = flow::make_problem<T>(setup.options, setup.data, setup.place);
    flow::Cursor cursor;
    Outcome outcome;
    if (from.cursor) {
      if (from.data_digest != problem.data_digest) {
        throw ConfigError({.place = setup.data.objective_place,
                           .what = "the objective's data are not those that the run began with",
                           .advice = "start a new run with --out"});
      }
      cursor = *from.cursor;
      problem.state.time = from.time;
      outcome = flow::resume(problem.system, problem.state, cursor);
    } else {
      outcome = flow::begin(problem.system, problem.state, cursor);
    }
    if (!outcome.ok()) {
      throw DataError({.place = setup.data.initial_place,
                       .what = "the objective or its gradient is not finite at the start"});
    }
    print_header(setup, problem, cursor);
    if (dry_run_) {
      fmt::print("\n{}", setup.to_toml());
      return 0;
    }
    // Without a checkpoint a resumed run begins again, and no event stays.
    const std::int64_t last_step = from.cursor ? cursor.step : -1;
    auto folder = fresh ? create(setup, path) : record::RunFolder::open(path, last_step);
    if (!fresh) {
      folder.config(setup.to_toml());
      folder.event({{"kind", "resume"}, {"step", cursor.step}});
    }
    fmt::print("folder     {}\n", path.string());
    std::fflush(stdout);
    catch_interrupts();
    Recorder<T> recorder(folder, setup, problem, cursor.step, from.seconds);
    if (!fresh) recorder.go_on(record::RunReader::open(path).last("flow"));
    auto times = setup.options.times();
    times.statistics = setup.options.record.spectra || problem.state.W.size() <= kMeasuredNumbers;
    const auto result = flow::simulate<T>(times, problem.system, *problem.integrator, problem.state,
                                          cursor, recorder);
    recorder.progress().finish();
    switch (result.ended) {
      case flow::Ended::failed:
        end_event(folder, cursor.step,
                  result.outcome.status == Status::not_converged ? "not-converged" : "non-finite");
        fail_at(path.string(), result.last, result.outcome,
                "its state was not saved; a smaller step may help");
      case flow::Ended::cancelled:
        recorder.save(problem.state, cursor);
        end_event(folder, cursor.step, "interrupted");
        fmt::print(stderr,
                   "muonflow: interrupted at time {:.6g} of {:.6g} (step {}), saved; go on with: "
                   "muonflow flow --resume {}\n",
                   result.last.time, setup.options.integrator.end_time, cursor.step, path.string());
        return 1;
      case flow::Ended::finished:
        break;
    }
    if (setup.options.run.checkpoint_every) recorder.save(problem.state, cursor);
    write_safetensors(path / "state.safetensors", flow::state_tensors(problem.state));
    const auto summary =
        summary_of(problem, cursor, result.last, setup, folder, recorder.seconds());
    end_event(folder, cursor.step, "finished");
    folder.summary(summary);
    print_result(summary);
    return 0;
  }

  record::RunFolder create(const FlowSetup& setup, const fs::path& path) const {
    const auto blas = linalg::diagnose_blas(false);
    auto manifest =
        record::make_manifest("flow", "muonflow flow " + config_, muonflow::to_json(setup.options),
                              setup.options.particles.seed,
                              {{"openblas", blas.openblas_config}, {"core", blas.openblas_core}});
    manifest["references"] = references(setup.options);
    return record::RunFolder::create(path, manifest, setup.to_toml());
  }

  // Where the parts of a flow come from.
  static Json references(const flow::FlowOptions& options) {
    const auto kind = [](const Json& table) { return table.at("kind").get<std::string>(); };
    const auto& objective = flow::objectives().at(kind(*options.objective));
    const auto& geometry = geometry::geometries().at(kind(*options.geometry));
    const auto& integrator = flow::integrators().at(options.integrator.kind);
    return Json::array({{{"name", "flow"}, {"cite", "arXiv:2605.23871"}},
                        {{"name", objective.name}, {"cite", objective.info.cite}},
                        {{"name", geometry.name}, {"cite", geometry.info.cite}},
                        {{"name", integrator.name}, {"cite", integrator.info.cite}}});
  }

  static void end_event(record::RunFolder& folder, std::int64_t step, const char* ending) {
    folder.event({{"kind", "end"}, {"step", step}, {"ending", ending}});
  }

  template <class T>
  static void print_header(const FlowSetup& setup, const flow::Problem<T>& problem,
                           const flow::Cursor& cursor) {
    const auto& options = setup.options;
    const auto& system = problem.system;
    const auto& info = problem.integrator->info();
    fmt::print("objective  {}, {} risk: {}\n", system.objective().info().name,
               enum_name(system.objective().risk().kind()), system.objective().info().equation);
    fmt::print("geometry   {}\n", options.geometry->dump());
    fmt::print("particles  {}, {}, {}\n", system.layout().text(), enum_name(options.run.dtype),
               fmt::format("{} threads", threads()));
    fmt::print("dynamics   {}, gamma {}\n", enum_name(options.dynamics.kind),
               options.dynamics.gamma);
    fmt::print("integrator {} (order {}), step {} to time {}: {} steps\n", info.name, info.order,
               options.integrator.step, options.integrator.end_time,
               thousands(static_cast<double>(options.times().steps())));
    if (cursor.step > 0) {
      fmt::print("resumed    after step {}, time {:.6g}\n", cursor.step, problem.state.time);
    }
  }

  static void print_result(const Json& summary) {
    fmt::print("finished   {} steps in {}: J {:.6g}, E {:.6g}, ledger error {:.2e} (relative)\n",
               thousands(summary["steps"].get<double>()),
               duration_text(summary["wall_seconds"].get<double>()),
               summary["objective"].get<double>(), summary["energy"].get<double>(),
               summary["relative_ledger_error"].get<double>());
    fmt::print("rises      energy {}, objective {}\n", summary["energy_increases"].dump(),
               summary["objective_increases"].dump());
    if (!summary["fitted_rate"].is_null()) {
      fmt::print("rate       {:.4g}, 95% [{:.4g}, {:.4g}]\n", summary["fitted_rate"].get<double>(),
                 summary["fitted_rate_interval"][0].get<double>(),
                 summary["fitted_rate_interval"][1].get<double>());
    }
    if (!summary["certificate"].is_null()) {
      fmt::print("{}", certificate_text(summary["certificate"]));
    } else {
      fmt::print("certified  nothing: {}\n", summary.value("certificate_note", "no records"));
    }
  }

  std::string config_, out_, resume_;
  std::vector<std::string> assignments_;
  std::int64_t threads_ = -1;
  bool dry_run_ = false;
};

const Enrolled<Flow> enrolled{"flow",
                              "simulates the damped Hamiltonian particle flow, with a ledger",
                              "muonflow flow configs/flow/quickstart.toml --out runs/quickstart"};

}  // namespace
}  // namespace muonflow::cli

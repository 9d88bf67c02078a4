// muonflow flow: simulates the N-particle damped Hamiltonian flow of a TOML file in a run folder,
// with an energy ledger; interrupted runs go on with --resume. Several processes may share the
// particles (mpirun).
#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "muonflow/cli/command.hpp"
#include "muonflow/cli/flow_recorder.hpp"
#include "muonflow/cli/flow_records.hpp"
#include "muonflow/cli/flow_setup.hpp"
#include "muonflow/cli/interrupt.hpp"
#include "muonflow/cli/progress.hpp"
#include "muonflow/cli/ranks.hpp"
#include "muonflow/core/parallel.hpp"
#include "muonflow/core/safetensors.hpp"
#include "muonflow/geometry/geometries.hpp"
#include "muonflow/linalg/diagnose.hpp"
#include "muonflow/record/manifest.hpp"
#include "muonflow/record/reader.hpp"
#include "muonflow/record/run_folder.hpp"

namespace muonflow::cli {
namespace {

namespace fs = std::filesystem;

// Statistics of the particles take two more matrices [N, d] at every record: up to this size of W.
constexpr Index kMeasuredNumbers = Index{1} << 26;

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

class Flow final : public Command {
 public:
  void arguments(Arguments& arguments) override {
    arguments.positional("config", config_, "TOML file; see configs/flow/", false);
    arguments.repeated("set", assignments_, "key.path=value, over the file");
    arguments.option("out", out_, "run folder [runs/NAME]");
    arguments.option("resume", resume_, "run folder to go on with, from its newest checkpoint");
    arguments.option("threads", threads_, "threads of a process; 0: all [the configuration's]");
    arguments.flag("dry_run", dry_run_, "check and show everything, compute and write nothing");
  }

  int run() override {
    return on_ranks([this](const Ranks& ranks) { return run_on(ranks); });
  }

 private:
  // What a run begins with; the same on all ranks.
  struct Start {
    FlowResume from;
    fs::path folder;
    bool fresh = true;  // a new run
    bool done = false;  // there is nothing left to do
  };

  int run_on(const Ranks& ranks) {
    Start start;
    together(*ranks, [&] { start = read(); });
    const bool speaks = ranks->rank() == 0;
    if (start.done) {
      if (speaks) {
        fmt::print("{} is finished: time {} is reached\n", resume_,
                   start.from.setup.options.integrator.end_time);
      }
      return 0;
    }
    const auto& run = start.from.setup.options.run;
    set_threads(static_cast<int>(run.threads));
    return run.dtype == flow::RealType::float32 ? execute<float>(std::move(start), ranks)
                                                : execute<double>(std::move(start), ranks);
  }

  Start read() {
    if (threads_ < -1) {
      throw ConfigError(
          {.place = "--threads", .expected = "0 (all) or more", .found = std::to_string(threads_)});
    }
    if (threads_ >= 0) assignments_.push_back("run.threads=" + std::to_string(threads_));
    return resume_.empty() ? read_new() : read_resumed();
  }

  Start read_new() const {
    if (config_.empty()) {
      throw ConfigError({.place = "flow",
                         .expected = "a TOML file, or --resume with a run folder",
                         .found = "neither",
                         .advice = "see configs/flow/"});
    }
    auto config = Config::from_file(config_);
    for (const auto& assignment : assignments_) config.set(assignment);
    Start start;
    start.from.setup = read_flow(config, config_);
    start.folder =
        out_.empty() ? fs::path("runs") / start.from.setup.options.run.name : fs::path(out_);
    return start;
  }

  Start read_resumed() const {
    if (!out_.empty()) {
      throw ConfigError({.place = "--out",
                         .what = "a resumed run stays in its folder",
                         .advice = "leave --out away"});
    }
    Start start{
        .from = resume_flow(resume_, config_, assignments_), .folder = resume_, .fresh = false};
    const auto before = record::RunReader::open(resume_);
    const double end = start.from.setup.options.integrator.end_time;
    start.done = before.summary() != nullptr && before.summary()->value("time", 0.0) >= end;
    return start;
  }

  // Everything is built and evaluated once before the folder is touched.
  template <class T>
  int execute(Start start, const Ranks& ranks) {
    auto& setup = start.from.setup;
    const bool speaks = ranks->rank() == 0;
    std::optional<flow::Problem<T>> made;
    together(*ranks, [&] { made.emplace(build<T>(start.from, ranks)); });
    auto& problem = *made;
    setup.data.initial.reset();  // the problem has its own
    setup.data.objective.reset();
    problem.state.keeps_forces = !setup.options.can_do_without_forces();
    flow::Cursor cursor;
    const auto outcome = first_evaluation(start.from, problem, cursor);
    together(*ranks, [&] {
      if (outcome.ok()) return;
      throw DataError({.place = setup.data.initial_place,
                       .what = "the objective or its gradient is not finite at the start"});
    });
    if (speaks) print_header(setup, problem, cursor);
    if (dry_run_) {
      if (speaks) fmt::print("\n{}", setup.to_toml());
      return 0;
    }
    std::optional<record::RunFolder> folder;
    together(*ranks, [&] {
      if (speaks) folder.emplace(open_folder(start, cursor, ranks->size()));
    });
    catch_interrupts();
    FlowRecorder<T> recorder(folder ? &*folder : nullptr, setup, problem, cursor.step,
                             start.from.seconds);
    if (speaks && !start.fresh) {
      recorder.go_on(record::RunReader::open(start.folder).last("flow"));
    }
    auto times = setup.options.times();
    const auto& layout = problem.system.layout();
    times.statistics =
        setup.options.record.spectra || layout.total() * layout.width() <= kMeasuredNumbers;
    const auto result = flow::simulate<T>(times, problem.system, *problem.integrator, problem.state,
                                          cursor, recorder);
    recorder.finish();
    const double seconds = recorder.seconds();
    if (result.ended == flow::Ended::failed) {
      together(*ranks, [&] { fail_after(result, cursor, start.folder, folder); });
    }
    if (result.ended == flow::Ended::cancelled || setup.options.run.checkpoint_every) {
      recorder.save(problem.state, cursor);
    }
    if (result.ended == flow::Ended::cancelled) {
      if (speaks) say_interrupted(result.last.time, setup, cursor, *folder);
      return 1;
    }
    const auto tensors = flow::last_tensors(std::move(problem.state), *ranks);
    if (!speaks) return 0;
    write_safetensors(start.folder / "state.safetensors", tensors);
    const auto summary = summary_of(problem, cursor, result.last, setup, *folder, seconds);
    end_event(*folder, cursor.step, result.last.time, "finished");
    folder->summary(summary);
    print_result(summary);
    return 0;
  }

  template <class T>
  static flow::Problem<T> build(const FlowResume& from, const Ranks& ranks) {
    const auto& setup = from.setup;
    auto problem = flow::make_problem<T>(setup.options, setup.data, setup.place, ranks);
    if (from.cursor && from.data_digest != problem.data_digest) {
      throw ConfigError({.place = setup.data.objective_place,
                         .what = "the objective's data are not those that the run began with",
                         .advice = "start a new run with --out"});
    }
    return problem;
  }

  template <class T>
  static Outcome first_evaluation(const FlowResume& from, flow::Problem<T>& problem,
                                  flow::Cursor& cursor) {
    if (!from.cursor) return flow::begin(problem.system, problem.state, cursor);
    cursor = *from.cursor;
    problem.state.time = from.time;
    return flow::resume(problem.system, problem.state, cursor);
  }

  // The run's folder, on rank 0: made, or cut back to the checkpoint. Without a checkpoint a
  // resumed run begins again, and no event stays.
  record::RunFolder open_folder(const Start& start, const flow::Cursor& cursor,
                                int processes) const {
    const auto& setup = start.from.setup;
    const std::int64_t last_step = start.from.cursor ? cursor.step : -1;
    auto folder = start.fresh ? create(setup, start.folder, processes)
                              : record::RunFolder::open(start.folder, last_step);
    if (!start.fresh) {
      folder.config(setup.to_toml());
      folder.event({{"kind", "resume"}, {"step", cursor.step}, {"processes", processes}});
    }
    fmt::print("folder     {}\n", start.folder.string());
    std::fflush(stdout);
    return folder;
  }

  record::RunFolder create(const FlowSetup& setup, const fs::path& path, int processes) const {
    const auto blas = linalg::diagnose_blas(false);
    auto manifest =
        record::make_manifest("flow", "muonflow flow " + config_, muonflow::to_json(setup.options),
                              setup.options.particles.seed,
                              {{"openblas", blas.openblas_config}, {"core", blas.openblas_core}});
    manifest["processes"] = processes;  // each of which has the threads
    manifest["references"] = references(setup.options);
    return record::RunFolder::create(path, manifest, setup.to_toml());
  }

  [[noreturn]] static void fail_after(const flow::SimulateResult& result,
                                      const flow::Cursor& cursor, const fs::path& path,
                                      std::optional<record::RunFolder>& folder) {
    const auto status = result.outcome.status;
    if (folder) {
      end_event(*folder, cursor.step, result.last.time,
                status == Status::not_converged ? "not-converged" : "non-finite");
    }
    throw DataError({.place = path.string(),
                     .what = fmt::format("the step after step {} (time {}) failed: {}",
                                         result.last.step, result.last.time, to_string(status)),
                     .advice = "its state was not saved; a smaller step may help"});
  }

  static void say_interrupted(double time, const FlowSetup& setup, const flow::Cursor& cursor,
                              record::RunFolder& folder) {
    end_event(folder, cursor.step, time, "interrupted");
    fmt::print(stderr,
               "muonflow: interrupted at time {:.6g} of {:.6g} (step {}), saved; go on with: "
               "muonflow flow --resume {}\n",
               time, setup.options.integrator.end_time, cursor.step, folder.path().string());
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

  static void end_event(record::RunFolder& folder, std::int64_t step, double time,
                        const char* ending) {
    folder.event({{"kind", "end"}, {"step", step}, {"time", time}, {"ending", ending}});
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
    const int processes = system.ranks().size();
    fmt::print("particles  {}, {}, {} threads{}\n", system.layout().text(),
               enum_name(options.run.dtype), threads(),
               processes > 1 ? fmt::format(" in each of {} processes", processes) : "");
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

const Enrolled<Flow> enrolled_flow{
    "flow", "simulates the damped Hamiltonian particle flow, with a ledger; mpirun shares it",
    "muonflow flow configs/flow/quickstart.toml --out runs/quickstart"};

}  // namespace
}  // namespace muonflow::cli

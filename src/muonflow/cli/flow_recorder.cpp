#include "muonflow/cli/flow_recorder.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "muonflow/cli/interrupt.hpp"
#include "muonflow/flow/spread.hpp"
#include "muonflow/record/checkpoint_folder.hpp"

namespace muonflow::cli {

template <class T>
FlowRecorder<T>::FlowRecorder(record::RunFolder* folder, const FlowSetup& setup,
                              const flow::Problem<T>& problem, std::int64_t done,
                              double seconds_before)
    : folder_(folder),
      options_(setup.options),
      problem_(problem),
      ranks_(problem.system.ranks()),
      events_(setup.options.record.spectra),
      start_step_(done),
      seconds_before_(seconds_before) {
  if (folder != nullptr) progress_.emplace("flow", options_.times().steps(), done);
}

template <class T>
void FlowRecorder<T>::record(const flow::System<T>&, const flow::State<T>& state,
                             const flow::LedgerEntry& entry) {
  const double distance = flow::particle_distance(state.W, &ranks_);
  if (folder_ == nullptr) return;
  auto event = events_.event(entry);
  event["particle_distance"] = distance;
  folder_->event(event);
  folder_->metric(entry.step, "objective", entry.objective);
  folder_->metric(entry.step, "energy", entry.energy);
  folder_->metric(entry.step, "ledger_error", entry.ledger_error);
}

template <class T>
bool FlowRecorder<T>::after_step(const flow::State<T>& state, const flow::Cursor& cursor) {
  if (progress_) show(state, cursor);
  // A signal may reach some ranks only, or reach them between different steps.
  double stop = interrupted() ? 1 : 0;
  ranks_.max({&stop, 1});
  if (stop > 0) return false;
  const auto every = options_.run.checkpoint_every;
  if (every && cursor.step % *every == 0) save(state, cursor);
  return true;
}

template <class T>
void FlowRecorder<T>::save(const flow::State<T>& state, const flow::Cursor& cursor) {
  constexpr std::int64_t kKept = 2;
  const auto tensors = flow::gathered_tensors(state, ranks_);
  if (folder_ == nullptr) return;
  const auto path = record::write_checkpoint_folder(
      folder_->checkpoints(), cursor.step, {{"state", &tensors}},
      checkpoint_state(cursor, state.time, seconds(), problem_.data_digest), kKept);
  folder_->event({{"kind", "checkpoint"},
                  {"step", cursor.step},
                  {"path", std::filesystem::relative(path, folder_->path()).string()}});
}

template <class T>
void FlowRecorder<T>::finish() {
  if (progress_) progress_->finish();
}

template <class T>
double FlowRecorder<T>::elapsed() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - began_).count();
}

template <class T>
void FlowRecorder<T>::show(const flow::State<T>& state, const flow::Cursor& cursor) {
  const auto& ledger = cursor.ledger;
  const double rate =
      static_cast<double>((cursor.step - start_step_) * problem_.system.layout().total()) /
      std::max(1e-9, elapsed());
  // Steps that choose their length count as many of the given one as fit into their time.
  const auto done = static_cast<std::int64_t>(state.time / options_.integrator.step + 1e-6);
  progress_->update(
      done,
      fmt::format("t {:.4g} | J {:.4e} | E {:.4e} | ledger {:.1e} | {} particles/s", state.time,
                  ledger.objective, ledger.energy, ledger.relative_error(), thousands(rate)));
}

template class FlowRecorder<float>;
template class FlowRecorder<double>;

}  // namespace muonflow::cli

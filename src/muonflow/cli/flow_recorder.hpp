// What a run of `muonflow flow` writes into its folder, and shows on stderr, while it goes.
#pragma once

#include <chrono>
#include <optional>

#include "muonflow/cli/flow_records.hpp"
#include "muonflow/cli/flow_setup.hpp"
#include "muonflow/cli/progress.hpp"
#include "muonflow/record/run_folder.hpp"

namespace muonflow::cli {

// T is float or double. Ranks that share the run each have one; the folder is rank 0's, and the
// others write and show nothing.
template <class T>
class FlowRecorder final : public flow::Observer<T> {
 public:
  // `folder`: null but on rank 0. `done` steps in `seconds_before` were taken before (a resumed
  // run). All that is given must outlive it.
  FlowRecorder(record::RunFolder* folder, const FlowSetup& setup, const flow::Problem<T>& problem,
               std::int64_t done, double seconds_before);

  void record(const flow::System<T>&, const flow::State<T>& state,
              const flow::LedgerEntry& entry) override;
  bool after_step(const flow::State<T>& state, const flow::Cursor& cursor) override;

  // A checkpoint. Collective.
  void save(const flow::State<T>& state, const flow::Cursor& cursor);
  // A resumed run's last record; may be null.
  void go_on(const Json* last) { events_.go_on(last); }
  void finish();
  double seconds() const { return seconds_before_ + elapsed(); }

 private:
  double elapsed() const;
  void show(const flow::State<T>& state, const flow::Cursor& cursor);

  record::RunFolder* folder_;
  const flow::FlowOptions& options_;
  const flow::Problem<T>& problem_;
  dist::Communicator& ranks_;
  FlowEvents events_;
  std::optional<Progress> progress_;
  std::int64_t start_step_;
  double seconds_before_;
  std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
};

extern template class FlowRecorder<float>;
extern template class FlowRecorder<double>;

}  // namespace muonflow::cli

#include "muonflow/train/saver.hpp"

#include "muonflow/train/checkpoint.hpp"

namespace muonflow::train {

void Saver::known(std::filesystem::path checkpoint, std::int64_t step) {
  newest_ = std::move(checkpoint);
  saved_step_ = step;
}

void Saver::on_boundary(const Saveable& run) {
  if (every_ > 0 && run.step() % every_ == 0) save(run);
}

void Saver::on_end(Ending, const Saveable& run) { save(run); }

void Saver::save(const Saveable& run) {
  if (!run.intact() || run.step() == saved_step_) return;
  newest_ = write_checkpoint(folder_, run.checkpoint(), keep_);
  saved_step_ = run.step();
  if (on_saved) on_saved(saved_step_, newest_);
}

}  // namespace muonflow::train

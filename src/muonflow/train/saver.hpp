// The observer that writes checkpoints: every few steps, and once more when the run ends.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>

#include "muonflow/train/observer.hpp"

namespace muonflow::train {

class Saver final : public Observer {
 public:
  // Checkpoints go to folder/step-XXXXXX; `every` 0: at the end only; `keep` 0: all stay.
  Saver(std::filesystem::path folder, std::int64_t every, std::int64_t keep)
      : folder_(std::move(folder)), every_(every), keep_(keep) {}

  // What is told of each checkpoint written.
  std::function<void(std::int64_t step, const std::filesystem::path& checkpoint)> on_saved;

  // The newest checkpoint written, or known from before; empty: none.
  const std::filesystem::path& newest() const { return newest_; }
  void known(std::filesystem::path checkpoint, std::int64_t step);

  void on_boundary(const Saveable& run) override;
  // Saves whatever the ending, unless the state is not that of whole, finite steps.
  void on_end(Ending ending, const Saveable& run) override;

 private:
  void save(const Saveable& run);

  std::filesystem::path folder_;
  std::int64_t every_;
  std::int64_t keep_;
  std::filesystem::path newest_;
  std::int64_t saved_step_ = -1;
};

}  // namespace muonflow::train

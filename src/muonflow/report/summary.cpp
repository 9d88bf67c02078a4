// The first paragraph: what happened, with the numbers that matter.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "muonflow/report/comparison.hpp"
#include "muonflow/report/markup.hpp"
#include "muonflow/report/sections.hpp"

namespace muonflow::report {
namespace {

std::string capital(std::string text) {
  if (!text.empty() && text.front() >= 'a' && text.front() <= 'z') {
    text.front() = static_cast<char>(text.front() - 'a' + 'A');
  }
  return text;
}

std::string strong(const std::string& markup) { return "<strong>" + markup + "</strong>"; }

std::string plural(std::size_t count, const std::string& noun) {
  return count_word(count) + " " + noun + (count == 1 ? "" : "s");
}

// Whether the run's numbers may stand beside the others'.
bool evaluated(const TrainingRun& run) { return std::isfinite(run.best_validation()); }

std::string one_training(const TrainingRun& run) {
  auto out = fmt::format("The training run {}", strong(escape(run.name)));
  if (!run.data.empty()) out += " on " + escape(run.data_label());
  if (!evaluated(run)) return out + " has not been evaluated yet.";
  const double best = run.best_validation();
  const auto at = arrival(run, best);
  out += fmt::format(" reached its lowest validation loss, {} nats per token, at step {}",
                     strong(fixed_html(best, 4)), count_html(at->step));
  if (std::isfinite(at->seconds)) {
    out += fmt::format(" after {} of training", duration_html(at->seconds));
  }
  return out + ".";
}

std::string many_trainings(std::span<const TrainingRun> all) {
  std::vector<const TrainingRun*> runs;
  std::set<std::string> data;
  for (const auto& run : all) {
    data.insert(run.data);
    if (evaluated(run)) runs.push_back(&run);
  }
  auto out = capital(plural(all.size(), "training run"));
  if (data.size() == 1 && !data.begin()->empty()) out += " on " + escape(all.front().data_label());
  if (data.size() > 1) return out + " on different texts; their losses are not comparable.";
  if (runs.size() < 2) return out + "; fewer than two of them have been evaluated.";
  const double common = *common_validation_loss(all);
  std::stable_sort(runs.begin(), runs.end(), [&](const TrainingRun* a, const TrainingRun* b) {
    return arrival(*a, common)->step < arrival(*b, common)->step;
  });
  std::vector<std::string> reached;
  for (const auto* run : runs) {
    const auto at = *arrival(*run, common);
    auto text = fmt::format("{} at step {}", strong(escape(run->name)), count_html(at.step));
    if (std::isfinite(at.seconds)) text += fmt::format(" ({})", duration_html(at.seconds));
    reached.push_back(std::move(text));
  }
  constexpr std::size_t kNamed = 6;
  if (reached.size() > kNamed) {
    const auto rest = reached.size() - kNamed + 1;
    reached.resize(kNamed - 1);
    reached.push_back(fmt::format("{} more later", count_word(rest)));
  }
  out += fmt::format(
      ". The lowest validation loss that {} reached, {} nats per token, was reached by {}.",
      runs.size() == all.size() ? "all" : "all that were evaluated", strong(fixed_html(common, 4)),
      prose_list(reached));
  const auto* best = *std::min_element(runs.begin(), runs.end(), [](const auto* a, const auto* b) {
    return a->best_validation() < b->best_validation();
  });
  return out + fmt::format(" The best of all is {} with {}.", strong(escape(best->name)),
                           strong(fixed_html(best->best_validation(), 4)));
}

std::string one_flow(const FlowRun& run) {
  const auto name = strong(escape(run.name));
  if (run.energy.empty()) return fmt::format("In the flow {} no time has been recorded yet.", name);
  auto out = fmt::format("In the flow {}", name);
  if (std::isfinite(run.particles)) {
    out +=
        fmt::format(" of {} particle{}", count_html(run.particles), run.particles == 1 ? "" : "s");
  }
  out += fmt::format(" the energy fell from {} to {} by time {}",
                     strong(number_html(run.energy.front())),
                     strong(number_html(run.energy.back())), number_html(run.time.back()));
  if (run.energy.back() >= run.energy.front()) {
    out = fmt::format("In the flow {} the energy went from {} to {}, not down, by time {}", name,
                      number_html(run.energy.front()), number_html(run.energy.back()),
                      number_html(run.time.back()));
  }
  const double error = run.relative_ledger_error;
  if (std::isfinite(error)) {
    out += fmt::format("; its ledger closes to a relative {}", strong(number_html(error, 2)));
  }
  if (std::isfinite(run.rate)) {
    out += fmt::format(". Towards the end the energy above its limit fell like exp(−{} t)",
                       strong(number_html(run.rate, 3)));
  }
  const auto& rises = run.rises;
  if (rises.objective > 0) {
    out += fmt::format(". The objective alone rose at {} of {} {}, the energy at {}",
                       count_html(rises.objective), count_html(rises.out_of), rises.unit,
                       rises.energy == 0 ? "none" : count_html(rises.energy));
  }
  return out + ".";
}

std::string paragraph(const std::string& markup) {
  return "<p class=\"lead\">" + markup + "</p>\n";
}

}  // namespace

std::string summary_html(std::span<const TrainingRun> training, std::span<const FlowRun> flows) {
  constexpr std::size_t kFlowsTold = 3;
  std::string out;
  if (training.size() == 1) out += paragraph(one_training(training.front()));
  if (training.size() > 1) out += paragraph(many_trainings(training));
  for (std::size_t i = 0; i < flows.size() && i < kFlowsTold; ++i) {
    out += paragraph(one_flow(flows[i]));
  }
  if (flows.size() > kFlowsTold) {
    const auto rest = flows.size() - kFlowsTold;
    out += paragraph(capital(plural(rest, "more flow")) + (rest == 1 ? " is" : " are") +
                     " in the table of flows.");
  }
  return out;
}

}  // namespace muonflow::report

// Which tensors an audit looks at.
#include <algorithm>
#include <map>
#include <utility>

#include "muonflow/optim/audit/auditor.hpp"
#include "muonflow/optim/audit/detail/composed.hpp"

namespace muonflow::optim {
namespace {

// Tensors of no more entries are looked at in every audit where their rule works entry by entry,
// and no more of them.
constexpr std::int64_t kSmall = 4096;
constexpr std::size_t kSmallOnes = 24;

}  // namespace

template <class T>
void Auditor<T>::choose(const Optimizer<T>& optimizer) {
  const auto& rows = optimizer.routing().rows;
  std::vector<std::size_t> small, others;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const bool entrywise = has(rows[i].resolved.rule->info().traits, Trait::elementwise);
    (entrywise && element_count(rows[i].shape) <= kSmall ? small : others).push_back(i);
  }
  watched_.clear();
  draw(optimizer, others, turn_, static_cast<std::size_t>(options_.tensors));
  draw_more(optimizer, others);
  draw(optimizer, small, small_turn_, kSmallOnes);
}

// What looking at a tensor takes, in multiply-adds or so.
template <class T>
double Auditor<T>::work_of(const Route& row) const {
  constexpr double kPasses = 64;
  const auto count = static_cast<double>(element_count(row.shape));
  if (has(row.resolved.rule->info().traits, Trait::elementwise)) return kPasses * count;
  const auto matrices = detail::cutouts(row);
  const auto sampled = std::min(matrices.size(), static_cast<std::size_t>(options_.matrices));
  const auto rows = static_cast<double>(matrices.front().rows);
  const auto cols = static_cast<double>(matrices.front().cols);
  return kPasses * count + static_cast<double>(sampled) * rows * cols * std::min(rows, cols);
}

// Before every tensor has been met, more than were asked for.
template <class T>
void Auditor<T>::draw_more(const Optimizer<T>& optimizer, const std::vector<std::size_t>& from) {
  if (!all_met_ && rate_ > 0) {
    const auto& rows = optimizer.routing().rows;
    double left = (options_.free_seconds - totals_.seconds) / 2;
    for (const auto& w : watched_) left -= rate_ * work_of(rows[w.index]);
    while (!turn_.empty()) {
      left -= rate_ * work_of(rows[turn_.back()]);
      if (left < 0) break;
      watched_.push_back({.index = turn_.back(), .evidence = {}, .sum = {}});
      turn_.pop_back();
    }
  }
  all_met_ = all_met_ || turn_.empty() || from.empty();
}

// Draws without return, rules alternating, so that every rule is met early; the largest and the
// smallest tensor of each come first, for there a driver that works in the order of size begins and
// ends.
template <class T>
void Auditor<T>::draw(const Optimizer<T>& optimizer, const std::vector<std::size_t>& from,
                      std::vector<std::size_t>& turn, std::size_t count) {
  const auto& rows = optimizer.routing().rows;
  const auto first = watched_.size();
  const auto wanted = first + std::min(count, from.size());
  while (watched_.size() < wanted) {
    if (turn.empty()) {
      auto mixed = from;
      for (std::size_t i = mixed.size(); i > 1; --i) {
        std::swap(mixed[i - 1], mixed[static_cast<std::size_t>(rng_.below(i))]);
      }
      std::map<std::string, std::pair<std::size_t, std::size_t>> extremes;  // smallest, largest
      for (const auto i : mixed) {
        auto& [least, most] = extremes.try_emplace(rows[i].rule, i, i).first->second;
        const auto size = element_count(rows[i].shape);
        if (size < element_count(rows[least].shape)) least = i;
        if (size > element_count(rows[most].shape)) most = i;
      }
      std::stable_partition(mixed.begin(), mixed.end(), [&](auto i) {
        const auto& [least, most] = extremes.at(rows[i].rule);
        return i == least || i == most;
      });
      std::map<std::string, std::size_t> seen;  // how many of a rule came before
      std::map<std::size_t, std::size_t> round;
      for (const auto i : mixed) round[i] = seen[rows[i].rule]++;
      std::stable_sort(mixed.begin(), mixed.end(),
                       [&](auto a, auto b) { return round[a] < round[b]; });
      turn.assign(mixed.rbegin(), mixed.rend());
    }
    const auto index = turn.back();
    turn.pop_back();
    const bool again =
        std::any_of(watched_.begin() + static_cast<std::ptrdiff_t>(first), watched_.end(),
                    [&](const Watched& w) { return w.index == index; });
    if (!again) watched_.push_back({.index = index, .evidence = {}, .sum = {}});
  }
}

#define MUONFLOW_INSTANTIATE(T)                                                              \
  template void Auditor<T>::choose(const Optimizer<T>&);                                     \
  template void Auditor<T>::draw(const Optimizer<T>&, const std::vector<std::size_t>&,       \
                                 std::vector<std::size_t>&, std::size_t);                    \
  template void Auditor<T>::draw_more(const Optimizer<T>&, const std::vector<std::size_t>&); \
  template double Auditor<T>::work_of(const Route&) const;
MUONFLOW_INSTANTIATE(float)
MUONFLOW_INSTANTIATE(double)
#undef MUONFLOW_INSTANTIATE

}  // namespace muonflow::optim

#include "muonflow/optim/transforms/delay_threshold.hpp"

#include "muonflow/core/error.hpp"

namespace muonflow::optim {
namespace {

constexpr Range kAtLeastOne{.lo = 1};

}  // namespace

void DelayThreshold::fields(FieldVisitor& v) {
  v.optional_integer("threshold", threshold, kAtLeastOne,
                     "steps since its weights were read at which a gradient is dropped; off: none");
}

template <class T>
DelayedSteps<T>::DelayedSteps(Optimizer<T>& optimizer, const DelayThreshold& options)
    : optimizer_(optimizer), options_(options) {
  if (!options.threshold || *options.threshold >= 1) return;
  throw ConfigError({.place = "delay_threshold.threshold",
                     .expected = "at least 1",
                     .found = std::to_string(*options.threshold)});
}

template <class T>
bool DelayedSteps<T>::takes(std::int64_t version) const {
  if (version < 0 || version > optimizer_.steps()) {
    throw ConfigError({.place = "version",
                       .expected = "0 to " + std::to_string(optimizer_.steps()) + ", steps taken",
                       .found = std::to_string(version)});
  }
  return !options_.threshold || optimizer_.steps() - version < *options_.threshold;
}

template <class T>
std::optional<StepReport> DelayedSteps<T>::add(std::int64_t version, double schedule) {
  if (takes(version)) return optimizer_.step(schedule);
  ++dropped_;
  return {};
}

template class DelayedSteps<float>;
template class DelayedSteps<double>;

}  // namespace muonflow::optim

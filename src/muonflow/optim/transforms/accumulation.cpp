#include "muonflow/optim/transforms/accumulation.hpp"

#include "muonflow/core/error.hpp"
#include "muonflow/optim/detail/borrowed.hpp"

namespace muonflow::optim {

template <class T>
Accumulator<T>::Accumulator(Optimizer<T>& optimizer, std::int64_t micro_batches)
    : optimizer_(optimizer), micro_batches_(micro_batches) {
  if (micro_batches < 1) {
    throw ConfigError({.place = "micro_batches",
                       .expected = "at least 1",
                       .found = std::to_string(micro_batches)});
  }
  if (micro_batches == 1) return;
  for (const auto& parameter : optimizer.parameters()) {
    const auto rows = detail::weight_rows(parameter);
    sums_.push_back(Matrix<T>::Zero(rows.rows(), rows.cols()));
  }
  given_.resize(sums_.size(), nullptr);
}

template <class T>
std::optional<StepReport> Accumulator<T>::add(double schedule) {
  if (micro_batches_ == 1) return optimizer_.step(schedule);
  auto& parameters = optimizer_.parameters();
  const T part = static_cast<T>(1.0 / static_cast<double>(micro_batches_));
  for (std::size_t i = 0; i < sums_.size(); ++i) {
    if (!parameters[i].gradient) continue;
    sums_[i] += part * detail::gradient_rows(parameters[i]);
    given_[i] = parameters[i].gradient;
  }
  if (++pending_ < micro_batches_) return {};
  std::vector<T*> own(sums_.size());
  for (std::size_t i = 0; i < sums_.size(); ++i) {
    auto& parameter = parameters[i];
    own[i] = parameter.gradient;
    parameter.gradient = given_[i];
    if (given_[i]) detail::gradient_rows(parameter) = sums_[i];
  }
  const auto report = optimizer_.step(schedule);
  for (std::size_t i = 0; i < sums_.size(); ++i) {
    parameters[i].gradient = own[i];
    sums_[i].setZero();
    given_[i] = nullptr;
  }
  pending_ = 0;
  return report;
}

template class Accumulator<float>;
template class Accumulator<double>;

}  // namespace muonflow::optim

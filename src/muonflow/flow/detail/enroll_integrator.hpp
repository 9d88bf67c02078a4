// Turns an integrator's class template into a line of the registry. The class names `static
// constexpr IntegratorInfo kInfo` and is built from IntegratorOptions.
#pragma once

#include "muonflow/flow/integrator.hpp"

namespace muonflow::flow::detail {

template <template <class> class I, class T>
std::unique_ptr<Integrator<T>> make_integrator(const IntegratorOptions& options) {
  return std::make_unique<I<T>>(options);
}

template <template <class> class I>
void enroll_integrator(Registry<IntegratorEntry>& registry) {
  registry.add({.name = std::string(I<double>::kInfo.name),
                .info = I<double>::kInfo,
                .make_float = make_integrator<I, float>,
                .make_double = make_integrator<I, double>});
}

}  // namespace muonflow::flow::detail

// Steps whose length follows their error: any integrator that advances the time by exactly its
// step, compared with itself at half the step.
#pragma once

#include <memory>

#include "muonflow/flow/integrator.hpp"

namespace muonflow::flow {

// Each step of length h is taken once whole and once in two halves; the difference over 2^p - 1, p
// the order, estimates the error of the halves, which are what is kept:
//   error^2 = mean of |dW|^2 + |dM|^2 over all entries,  accepted where
//   error <= tolerance (1 + root mean square of W and M);
// the next step is h times 0.9 (tolerance / error)^(1 / (p + 1)), within 1/5 and 5, and a refused
// step is tried again with it. Three times the forces of the integrator's own step.
// `tolerance` is options.tolerance, 1e-6 unless given; the integrator inside has its own.
// A step below 1e-12 of the first is not_converged. Throws ConfigError for an integrator that
// relaxes the time; one that controls its error is returned as it is. Messages begin with `place`.
template <class T>
std::unique_ptr<Integrator<T>> make_adaptive(const IntegratorEntry& entry,
                                             const IntegratorOptions& options,
                                             const std::string& place);

}  // namespace muonflow::flow

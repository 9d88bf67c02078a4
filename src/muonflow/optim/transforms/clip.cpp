#include "muonflow/optim/transforms/clip.hpp"

#include <cmath>

#include "muonflow/core/error.hpp"
#include "muonflow/linalg/norms.hpp"
#include "muonflow/optim/detail/borrowed.hpp"

namespace muonflow::optim {
namespace {

template <class T>
double norm_of(const Parameter<T>& parameter) {
  return linalg::frobenius_norm<T>(detail::gradient_rows(parameter));
}

}  // namespace

void ClipOptions::fields(FieldVisitor& v) {
  v.optional_real("max_norm", max_norm, kPositive, "gradients of a larger norm are scaled to it");
  v.choice("kind", kind, "one norm over all gradients, or one for each tensor");
  v.choice("when", when, "before the rule; after it is refused");
}

void ClipOptions::check(const std::string& place) const {
  if (when == ClipWhen::before) return;
  throw ConfigError({.place = place,
                     .what = "clipping after the rule",
                     .expected = "before",
                     .found = "after",
                     .advice = "the size of a normalized step is its learning rate, not its "
                               "gradient's: clipped, it is that step no longer; lower lr instead"});
}

double ClipOptions::factor(double norm) const {
  return max_norm && std::isfinite(norm) && norm > *max_norm ? *max_norm / norm : 1;
}

template <class T>
double clip_gradients(std::span<Parameter<T>> parameters, double max_norm) {
  double norm = 0;  // by hypot: squares of double norms could overflow
  for (const auto& parameter : parameters) {
    if (parameter.gradient) norm = std::hypot(norm, norm_of(parameter));
  }
  const double factor = ClipOptions{.max_norm = max_norm}.factor(norm);
  if (factor == 1) return norm;
  for (auto& parameter : parameters) {
    if (parameter.gradient) scale_gradient<T>(detail::gradient_rows(parameter), factor);
  }
  return norm;
}

template <class T>
double clip_each_gradient(std::span<Parameter<T>> parameters, double max_norm) {
  const ClipOptions clip{.max_norm = max_norm};
  double largest = 0;
  for (auto& parameter : parameters) {
    if (!parameter.gradient) continue;
    const double norm = norm_of(parameter);
    const double factor = clip.factor(norm);
    if (factor != 1) scale_gradient<T>(detail::gradient_rows(parameter), factor);
    // A norm that is not finite is the largest of all.
    if (!(norm <= largest)) largest = norm;
  }
  return largest;
}

template <class T>
void scale_gradient(MatrixRef<T> gradient, double factor) {
  gradient = (gradient.template cast<double>() * factor).template cast<T>();
}

template double clip_gradients<float>(std::span<Parameter<float>>, double);
template double clip_gradients<double>(std::span<Parameter<double>>, double);
template double clip_each_gradient<float>(std::span<Parameter<float>>, double);
template double clip_each_gradient<double>(std::span<Parameter<double>>, double);
template void scale_gradient<float>(MatrixRef<float>, double);
template void scale_gradient<double>(MatrixRef<double>, double);

}  // namespace muonflow::optim

#include "muonflow/optim/clip.hpp"

#include <algorithm>
#include <cmath>

#include "muonflow/linalg/norms.hpp"
#include "muonflow/optim/detail/borrowed.hpp"

namespace muonflow::optim {
namespace {

template <class T>
double norm_of(const Parameter<T>& parameter) {
  return linalg::frobenius_norm<T>(detail::gradient_rows(parameter));
}

template <class T>
void scale(Parameter<T>& parameter, double factor) {
  auto gradient = detail::gradient_rows(parameter);
  // In double: the factor of a huge gradient is no normal float.
  gradient = (gradient.template cast<double>() * factor).template cast<T>();
}

}  // namespace

void ClipOptions::fields(FieldVisitor& v) {
  v.optional_real("max_norm", max_norm, kPositive, "gradients of a larger norm are scaled to it");
  v.choice("kind", kind, "one norm over all gradients, or one for each tensor");
}

template <class T>
double clip_gradients(std::span<Parameter<T>> parameters, double max_norm) {
  double norm = 0;  // by hypot: squares of double norms could overflow
  for (const auto& parameter : parameters) {
    if (parameter.gradient) norm = std::hypot(norm, norm_of(parameter));
  }
  if (std::isfinite(norm) && norm > max_norm) {
    for (auto& parameter : parameters) {
      if (parameter.gradient) scale(parameter, max_norm / norm);
    }
  }
  return norm;
}

template <class T>
double clip_each_gradient(std::span<Parameter<T>> parameters, double max_norm) {
  double largest = 0;
  for (auto& parameter : parameters) {
    if (!parameter.gradient) continue;
    const double norm = norm_of(parameter);
    if (std::isfinite(norm) && norm > max_norm) scale(parameter, max_norm / norm);
    // A norm that is not finite is the largest of all.
    if (!(norm <= largest)) largest = norm;
  }
  return largest;
}

template double clip_gradients<float>(std::span<Parameter<float>>, double);
template double clip_gradients<double>(std::span<Parameter<double>>, double);
template double clip_each_gradient<float>(std::span<Parameter<float>>, double);
template double clip_each_gradient<double>(std::span<Parameter<double>>, double);

}  // namespace muonflow::optim

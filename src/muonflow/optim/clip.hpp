// Gradient clipping: gradients whose norm is too large are scaled down, in place, before any rule
// sees them. Never after: a clipped orthogonalized step is no longer that step.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string_view>

#include "muonflow/core/fields.hpp"
#include "muonflow/core/parameter.hpp"

namespace muonflow::optim {

enum class ClipKind {
  global,  // one norm over all gradients together
  tensor,  // each gradient by its own norm
};

struct ClipOptions {
  std::optional<double> max_norm{};  // off: no clipping
  ClipKind kind = ClipKind::global;

  void fields(FieldVisitor& v);
};

// Scales all gradients by max_norm / norm where the norm over all of them together is larger.
// Returns the norm before, in double and in the order of the parameters; parameters without a
// gradient are left out. Where the norm is not finite nothing is scaled.
template <class T>
double clip_gradients(std::span<Parameter<T>> parameters, double max_norm);

// Scales every gradient whose own norm is larger. Returns the largest norm before.
template <class T>
double clip_each_gradient(std::span<Parameter<T>> parameters, double max_norm);

}  // namespace muonflow::optim

template <>
struct muonflow::EnumNames<muonflow::optim::ClipKind> {
  static constexpr std::array<std::string_view, 2> names{"global", "tensor"};
};

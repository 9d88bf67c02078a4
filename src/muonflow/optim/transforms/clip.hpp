// Gradient clipping: gradients whose norm is too large are scaled down before any rule sees them.
//
//   kind    G <- G min(1, max_norm / norm)
//   global  norm of all gradients together
//   tensor  norm of each gradient
//
// Before the rule, never after: an orthogonalized or normalized step has the size that the learning
// rate gives it whatever the gradient was, so clipping it bounds no gradient and only rescales the
// learning rate, from step to step and unseen. Asked for, it is refused. Identity: max_norm off.
//
// References: R. Pascanu, T. Mikolov, Y. Bengio, arXiv:1211.5063.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string_view>

#include "muonflow/core/fields.hpp"
#include "muonflow/core/parameter.hpp"
#include "muonflow/optim/transforms/transform.hpp"

namespace muonflow::optim {

enum class ClipKind {
  global,  // one norm over all gradients together
  tensor,  // each gradient by its own norm
};

enum class ClipWhen {
  before,  // the rule sees clipped gradients
  after,   // refused
};

struct ClipOptions {
  static constexpr TransformInfo info{.name = "clip",
                                      .summary = "gradients of a bounded norm, before any rule",
                                      .keys = "optimizer.clip",
                                      .cite = "arXiv:1211.5063"};

  std::optional<double> max_norm{};  // off: no clipping
  ClipKind kind = ClipKind::global;
  ClipWhen when = ClipWhen::before;

  void fields(FieldVisitor& v);
  // Throws ConfigError where clipping after the rule is asked for; `place` is where `when` stands.
  void check(const std::string& place) const;
  // What a gradient of this norm is multiplied by; 1 where the norm is not finite.
  double factor(double norm) const;
};

// Scales all gradients by max_norm / norm where the norm over all of them together is larger.
// Returns the norm before, in double and in the order of the parameters; parameters without a
// gradient are left out. Where the norm is not finite nothing is scaled. The driver does the same
// with the norms that it has measured already.
template <class T>
double clip_gradients(std::span<Parameter<T>> parameters, double max_norm);

// Scales every gradient whose own norm is larger. Returns the largest norm before.
template <class T>
double clip_each_gradient(std::span<Parameter<T>> parameters, double max_norm);

// G <- factor G, in double: the factor of a huge gradient is no normal float.
template <class T>
void scale_gradient(MatrixRef<T> gradient, double factor);

}  // namespace muonflow::optim

template <>
struct muonflow::EnumNames<muonflow::optim::ClipKind> {
  static constexpr std::array<std::string_view, 2> names{"global", "tensor"};
};
template <>
struct muonflow::EnumNames<muonflow::optim::ClipWhen> {
  static constexpr std::array<std::string_view, 2> names{"before", "after"};
};

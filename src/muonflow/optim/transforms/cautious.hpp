// Cautious updates and cautious decay: leave out what points the wrong way.
//
//   updates   D <- D m / max(mean(m), 0.001),  m_ij = 1 where D_ij G_ij > 0, else 0
//   decay     only entries with D_ij W_ij >= 0 decay: those that the step moves towards 0
//
// D is what the rule gives and G what it was given. The division keeps the mean size of an update;
// m is over one matrix, so cautious updates need the whole of it. The mask of the decay is taken
// from the weights before the step, or, for decay after it, after it. Identity: both false.
//
// References: K. Liang et al., arXiv:2411.16085 (updates); L. Chen et al., arXiv:2510.12402
// (decay).
#pragma once

#include <memory>

#include "muonflow/optim/transforms/transform.hpp"

namespace muonflow::optim {

struct Cautious {
  static constexpr TransformInfo info{.name = "cautious",
                                      .summary = "updates or decay only where signs agree",
                                      .keys = "transforms.cautious of a group",
                                      .cite = "arXiv:2411.16085, arXiv:2510.12402"};

  bool updates = false;
  bool decay = false;

  void fields(FieldVisitor& v);
};

// Cautious updates around a rule that gives steps.
template <class T>
std::unique_ptr<RuleKernel<T>> cautious(std::unique_ptr<RuleKernel<T>> rule);

// D <- W - by D with cautious decay: entries that decay keep the part `kept`. `first`: decay comes
// before the step, else after it.
template <class T>
void cautious_step(const ConstMatrixRef<T>& W, MatrixRef<T> D, double by, double kept, bool first);

}  // namespace muonflow::optim

// Grafting: the direction of one rule, the size of another one's step.
//
//   D <- D |N|_F / |D|_F,   N the step of the grafted rule on the same gradient;  0 where D = 0
//
// Norms are over one matrix of the layout, whole even where the direction is blocked. Both rules
// step with the same gradient, weights and random numbers, so a rule grafted on itself keeps its
// bits. Unless a group says otherwise, the shape scale is the grafted rule's. Both rules must give
// the same kind of result. Identity: no rule. State: that of the grafted rule as graft.FIELD.
//
// References: N. Agarwal et al., arXiv:2002.11803; arXiv:2512.05620 (Shampoo on Adam).
#pragma once

#include <memory>
#include <string>

#include "muonflow/optim/options_tree.hpp"
#include "muonflow/optim/transforms/transform.hpp"

namespace muonflow::optim {

struct Grafting {
  static constexpr TransformInfo info{
      .name = "grafting",
      .summary = "the step's direction of one rule, its norm of another",
      .keys = "transforms.grafting of a group",
      .cite = "arXiv:2002.11803"};

  std::string rule{};  // whose norm; empty: off
  OptionsTree options{};

  void fields(FieldVisitor& v);
};

template <class T>
std::unique_ptr<RuleKernel<T>> grafted(std::unique_ptr<RuleKernel<T>> direction,
                                       std::unique_ptr<RuleKernel<T>> size);

}  // namespace muonflow::optim

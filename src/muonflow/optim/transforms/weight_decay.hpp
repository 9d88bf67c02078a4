// Weight decay: where it enters, and how much of a weight a step keeps.
//
//   s = schedule, lr_t = lr s, wd = weight_decay, D the rule's step
//
//   form         step                                                           kept
//   before       W <- kept W - lr_t scale D                                     1 - lr_t wd
//   after        W <- kept (W - lr_t scale D)                                   1 - lr_t wd
//   coupled      G <- G + wd W, then the rule (L2)                              1
//   independent  W <- kept W - lr_t scale D, not multiplied by lr               1 - s wd
//   corrected    W <- kept W - lr_t scale D, with lr_t^2 over the peak rate     1 - lr_t s wd
//
// A norm that updates feed and decay drains settles at a level that depends on lr_t wd / lr_t^2;
// the corrected form keeps that level while the learning rate falls. s is lr_t over the peak
// learning rate, for every schedule peaks at 1; so at s = 1 corrected and before are the same bits.
// Identity: weight_decay = 0.
//
// References: I. Loshchilov, F. Hutter, arXiv:1711.05101 (before); arXiv:2512.05620 (independent);
// A. Defazio, arXiv:2506.02285, and facebookresearch/optimizers (corrected).
#pragma once

#include "muonflow/optim/rule.hpp"
#include "muonflow/optim/transforms/transform.hpp"

namespace muonflow::optim {

struct WeightDecay {
  static constexpr TransformInfo info{
      .name = "weight_decay",
      .summary = "decay of the weights, in one of five forms",
      .keys = "weight_decay and decay of a group",
      .cite = "arXiv:1711.05101, arXiv:2512.05620, arXiv:2506.02285"};

  double weight_decay = 0;
  Decay decay = Decay::automatic;

  void fields(FieldVisitor& v);  // for `list`: a group has these among its own
};

// Whether the weights shrink before the step: before, independent, corrected.
constexpr bool decays_first(Decay form) {
  return form == Decay::before || form == Decay::independent || form == Decay::corrected;
}

// The part of a weight that a step keeps; 1 for coupled decay, which is the gradient's. `lr` is the
// group's, times the schedule.
double kept_weight(Decay form, double lr, double schedule, double weight_decay);

}  // namespace muonflow::optim

// Error feedback, EF21: the rule sees an estimate of the gradient that compressed messages build.
//
//   (1)  C_t = compress(G_t - E_{t-1})         the message: its bytes are counted
//   (2)  E_t = E_{t-1} + C_t,  E_0 = 0         the rule's gradient
//
//   symbol  field     shape            meaning                       default from
//   E       estimate  [out, in]        what the receiver knows of G  -
//   -       basis     [rank, in]       of the power iteration, low_rank only; random, from the seed
//
// What a message leaves out is in the next difference, so a contractive compressor makes E follow
// G. What is compressed is what the rule would see: clipped, and with coupled decay in it.
// Identity: off; and with the compressor `identity`, (2) is E_t = G_t itself, not rounded.
//
// References: P. Richtarik, I. Sokolov, I. Fatkhullin, arXiv:2106.05203; EF21-Muon,
// arXiv:2510.00643.
#pragma once

#include <memory>

#include "muonflow/optim/transforms/compression.hpp"
#include "muonflow/optim/transforms/transform.hpp"

namespace muonflow::optim {

struct ErrorFeedback {
  static constexpr TransformInfo info{.name = "error_feedback",
                                      .summary = "EF21: an estimate of the gradient from messages",
                                      .keys = "transforms.error_feedback of a group",
                                      .cite = "arXiv:2106.05203"};

  bool on = false;
  Compression compression{};

  void fields(FieldVisitor& v);
};

template <class T>
std::unique_ptr<RuleKernel<T>> fed_back(std::unique_ptr<RuleKernel<T>> rule,
                                        const Compression& compression);

}  // namespace muonflow::optim

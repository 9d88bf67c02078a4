// Blocking: a matrix cut into blocks of at most size x size, each a matrix to the rule, with a
// state of its own.
//
//   D_kl = rule(W_kl, G_kl),  k = 1..ceil(m / size),  l = 1..ceil(n / size), row by row
//
// What a rule costs beyond linear then stays bounded, and factors of the size of a block fit where
// those of the matrix do not. The shape scale stays the whole matrix's. Elementwise rules and
// vectors know no blocks. Identity: a size of at least m and n. State: that of each block k as
// block.k.FIELD; of a single block as FIELD.
//
// References: R. Anil et al., arXiv:2002.09018; size 512 in arXiv:2512.05620.
#pragma once

#include <memory>
#include <optional>

#include "muonflow/optim/transforms/transform.hpp"

namespace muonflow::optim {

struct Blocking {
  static constexpr TransformInfo info{.name = "blocking",
                                      .summary = "a matrix as blocks, each with its own state",
                                      .keys = "transforms.blocking of a group",
                                      .cite = "arXiv:2002.09018"};

  std::optional<std::int64_t> size{};  // off: whole

  void fields(FieldVisitor& v);
};

// `result`: what the rule gives.
template <class T>
std::unique_ptr<RuleKernel<T>> blocked(std::unique_ptr<RuleKernel<T>> rule, std::int64_t size,
                                       Result result);

}  // namespace muonflow::optim

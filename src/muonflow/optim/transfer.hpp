// Hyperparameter transfer: how learning rate, epsilon, weight decay and initial weights of a tensor
// go with width and depth, so that those tuned on a base model hold for a larger one (muP).
//
// What is asked of every rule is one thing (arXiv:2310.17813): a step changes the weights by
// |dW|_op ~ sqrt(out / in), so that features move by an amount that does not depend on the width. A
// rule says how the operator norm of its D grows (Transfer::step); the rest is arithmetic. With the
// residual branches divided by the number of blocks, gradients of features that have entries of
// order 1 obey
//
//   g = |G|_op ~ sqrt(in / out) / depth
//
//   learning rate  sqrt(out / in) / |D|_op        in, out, depth: ratios to the base model
//   epsilon        as the quantity it is added to (Transfer::epsilon)
//
// as long as the rank of the gradient, at most the number of examples or tokens in a batch, is
// below the widths. docs/theory/transfer.md derives the multiplier of each rule and says what
// becomes of it beyond; tests/laws/transfer_law_test.cpp measures it.
//
// Blocks (and heads) of a matrix, with as many times more of them down and across as the base has:
// a block sees g / sqrt(down across), and steps of the blocks add up to sqrt(down across) of one
// (arXiv:2512.05620).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "muonflow/core/fans.hpp"
#include "muonflow/core/fields.hpp"

namespace muonflow::optim {

// A product of powers.
struct Growth {
  double gradient = 0;  // of |G|_op
  double rows = 0;  // of the matrix as it is stored, [rows, cols] = [out, in] but for embeddings
  double cols = 0;
  double shorter = 0;  // of min(rows, cols)
};

// What a rule says of itself.
struct Transfer {
  std::string_view family{};          // empty: nothing is known, and transfer is refused
  Growth step{};                      // of |D|_op, without the shape scale
  std::string_view epsilon_option{};  // the option that is compared with a gradient; empty: none
  Growth epsilon{};                   // of what it is compared with
  // What is left where the gradient's rank grows with the width instead, its singular values of one
  // order: steps then change features by width^beyond. 0: any rank will do.
  double beyond = 0;
  std::string_view note{};  // what else it takes
  // Side of the blocks that the rule works on; off: whole matrices.
  std::optional<std::int64_t> block_size{};
  bool whole_step = false;  // the step is brought to size over the whole matrix, blocks or not
};

// How weight decay goes with width.
enum class DecayTransfer {
  inverse_width,  // 1 / width: runs whose length goes with width (arXiv:2512.05620)
  constant,       // runs of one length
};

struct TransferOptions {
  DecayTransfer weight_decay = DecayTransfer::inverse_width;
  bool epsilon = true;

  void fields(FieldVisitor& v);
};

// A matrix of the tensor (a head, an expert, a part of a fused projection, or the whole), its sizes
// here and in the base model.
struct TransferShape {
  FanRatios fans{};  // of the whole tensor (of one matrix of a stack)
  double depth = 1;  // residual blocks over the base model's
  double rows = 1, cols = 1;
  double base_rows = 1, base_cols = 1;
  double pieces = 1;  // times more matrices that the whole is cut into, one below the other
};

// Everything is a factor on the value given for the base model.
struct Multipliers {
  double lr = 1;
  double epsilon = 1;
  double weight_decay = 1;
  double initial = 1;  // of the standard deviation of initial weights

  bool operator==(const Multipliers&) const = default;
};

// `here` and `base`: the rule at both shapes. Coupled decay is a part of the gradient and goes as
// it does. `initial` is left at 1.
Multipliers multipliers_of(const Transfer& here, const Transfer& base, const TransferShape& shape,
                           bool coupled_decay, const TransferOptions& options);

// "lr 1 / in, eps 1 / (out depth)" for matrices [out, in].
std::string to_text(const Transfer& transfer);
// "any batch rank", or "batch rank below the width; beyond, steps go with width^-0.5".
std::string regime_text(const Transfer& transfer);

}  // namespace muonflow::optim

template <>
struct muonflow::EnumNames<muonflow::optim::DecayTransfer> {
  static constexpr std::array<std::string_view, 2> names{"inverse_width", "constant"};
};

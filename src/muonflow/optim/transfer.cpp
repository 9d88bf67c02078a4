#include "muonflow/optim/transfer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>
#include <vector>

#include "muonflow/core/text.hpp"

namespace muonflow::optim {
namespace {

// A rule's matrix cut into blocks, in absolute numbers.
struct Cut {
  double rows, cols;    // of a block
  double down, across;  // how many

  Cut(const Transfer& transfer, double m, double n) : rows(m), cols(n), down(1), across(1) {
    if (!transfer.block_size) return;
    const auto size = static_cast<double>(*transfer.block_size);
    down = std::ceil(m / size);
    across = std::ceil(n / size);
    rows = m / down;
    cols = n / across;
  }
};

// Powers of the sizes alone; those of the gradient are the same here and in the base model.
double sizes(const Growth& growth, double rows, double cols) {
  return std::pow(rows, growth.rows) * std::pow(cols, growth.cols) *
         std::pow(std::min(rows, cols), growth.shorter);
}

// The power of each name in a product, written as a fraction: "sqrt(out / in)", "1 / (out depth)".
std::string product(const std::vector<std::pair<std::string, double>>& powers) {
  std::map<double, std::array<std::vector<std::string>, 2>, std::greater<>> by_size;
  for (const auto& [name, power] : powers) {
    const double size = std::round(1e6 * std::abs(power)) / 1e6;  // 0.5, whatever it came from
    if (size != 0) by_size[size][power > 0 ? 0 : 1].push_back(name);
  }
  std::vector<std::string> factors;
  for (const auto& [size, sides] : by_size) {
    const auto above = sides[0].empty() ? "1" : join(sides[0], " ");
    const auto below = join(sides[1], " ");
    const auto fraction =
        below.empty() ? above : above + " / " + (sides[1].size() > 1 ? "(" + below + ")" : below);
    if (size == 1) {
      factors.push_back(fraction);
    } else if (size == 0.5) {
      factors.push_back("sqrt(" + fraction + ")");
    } else {
      factors.push_back(fmt::format("({})^{:.3g}", fraction, size));
    }
  }
  return factors.empty() ? "1" : join(factors, " ");
}

std::string text_of(const Growth& growth, double sign, double root) {
  const double g = sign * growth.gradient / 2;
  return product({{"out", root / 2 + sign * growth.rows - g},
                  {"in", -root / 2 + sign * growth.cols + g},
                  {"min(out, in)", sign * growth.shorter},
                  {"depth", -2 * g}});
}

}  // namespace

void TransferOptions::fields(FieldVisitor& v) {
  v.choice("weight_decay", weight_decay, "how weight decay goes with width");
  v.boolean("epsilon", epsilon, "scale the rules' epsilon too");
}

Multipliers multipliers_of(const Transfer& here, const Transfer& base, const TransferShape& shape,
                           bool coupled_decay, const TransferOptions& options) {
  const Cut cut(here, shape.rows, shape.cols);
  const Cut base_cut(base, shape.base_rows, shape.base_cols);
  const auto [in, out] = shape.fans;
  // What a block sees of the gradient, and how many blocks add up: heads above, blocks within.
  const double blocks = cut.down * cut.across / (base_cut.down * base_cut.across);
  const double gradient = std::sqrt(in / out) / shape.depth;
  const double step_blocks = shape.pieces * (here.whole_step ? 1 : blocks);
  const Cut whole({}, shape.rows, shape.cols);
  const Cut base_whole({}, shape.base_rows, shape.base_cols);
  const Cut& of_step = here.whole_step ? whole : cut;
  const Cut& of_base = base.whole_step ? base_whole : base_cut;

  Multipliers by;
  const double step = std::pow(gradient / std::sqrt(step_blocks), here.step.gradient) *
                      std::sqrt(step_blocks) * sizes(here.step, of_step.rows, of_step.cols) /
                      sizes(base.step, of_base.rows, of_base.cols);
  by.lr = std::sqrt(out / in) / step;
  if (options.epsilon && !here.epsilon_option.empty()) {
    by.epsilon = std::pow(gradient / std::sqrt(shape.pieces * blocks), here.epsilon.gradient) *
                 sizes(here.epsilon, cut.rows, cut.cols) /
                 sizes(base.epsilon, base_cut.rows, base_cut.cols);
  }
  // Decay beside the step takes the same part of the weights whatever the multiplier of the step.
  // Within the gradient it keeps its share of it: |G|_op / |W|_op.
  if (coupled_decay) by.weight_decay = in / (out * shape.depth);
  if (options.weight_decay == DecayTransfer::inverse_width) {
    by.weight_decay /= std::abs(std::log(out)) > std::abs(std::log(in)) ? out : in;
  }
  return by;
}

std::string to_text(const Transfer& transfer) {
  if (transfer.family.empty()) return "";
  auto text = "lr " + text_of(transfer.step, -1, 1);
  if (!transfer.epsilon_option.empty()) {
    text += ", " + std::string(transfer.epsilon_option) + " " + text_of(transfer.epsilon, 1, 0);
  }
  return text;
}

std::string regime_text(const Transfer& transfer) {
  auto text = transfer.beyond == 0
                  ? std::string("any batch rank")
                  : fmt::format("batch rank below the width; beyond, steps go with width^{:.3g}",
                                transfer.beyond);
  if (!transfer.note.empty()) text += "; " + std::string(transfer.note);
  return text;
}

}  // namespace muonflow::optim

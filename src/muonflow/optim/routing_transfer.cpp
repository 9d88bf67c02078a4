// Hyperparameter transfer of a routed tensor: from its base shape to its multipliers.
#include "muonflow/optim/detail/routing_transfer.hpp"

#include <cmath>
#include <nlohmann/json.hpp>

#include "muonflow/optim/shape_scale.hpp"

namespace muonflow::optim {
namespace {

// What a rule with its transforms says of a matrix of this shape.
Transfer transfer_of(const ResolvedRule& resolved, const MatrixShape& shape) {
  const auto& around = resolved.transforms;
  const RuleInfo& info = resolved.rule->info();
  Transfer own = resolved.rule->transfer(shape.rows, shape.cols);
  if (around.blocking.size && !has(info.traits, Trait::elementwise)) {
    own.block_size = around.blocking.size;
  }
  // Where a transform sets the size of a step, the rule's own no longer matters.
  if (around.spectral_normalization.kind == NormKind::spectral) {
    own.step = {};
    own.whole_step = true;
  } else if (around.spectral_normalization.kind == NormKind::rms) {
    own.step = {.rows = 0.5, .cols = 0.5};
    own.whole_step = true;
  } else if (resolved.graft) {
    own.step = resolved.graft->transfer(shape.rows, shape.cols).step;
    own.whole_step = true;
  }
  return own;
}

// The same rule with its epsilon times `factor`.
std::shared_ptr<const AnyRule> with_epsilon(const AnyRule& rule, std::string_view option,
                                            double factor) {
  auto values = fields_to_json([&](FieldVisitor& v) { const_cast<AnyRule&>(rule).fields(v); });
  auto& epsilon = values[std::string(option)];
  epsilon = epsilon.get<double>() * factor;
  auto scaled = find_rule(rule.info().name).entry->make();
  read_fields(values, [&](FieldVisitor& v) { scaled->fields(v); });
  return scaled;
}

Index scaled(Index size, double ratio) {
  return std::max<Index>(1, std::llround(static_cast<double>(size) * ratio));
}

}  // namespace

double Route::step_multiplier(Index rows, Index cols) const {
  // The scale of a vector is no matter of shape.
  const auto scale = [&](Index m, Index n) {
    return shape.size() < 2 ? 1 : shape_scale(resolved.adjust_lr, m, n);
  };
  if (!has_base) return scale(rows, cols);
  // Those of one tensor differ by their shape scale alone.
  return transfer_lr * scale(scaled(rows, base_rows), scaled(cols, base_cols));
}

void detail::scale_route(Route& row, const std::vector<MatrixShape>& matrices,
                         const Shape& base_shape, double depth_ratio,
                         const TransferOptions& options) {
  const auto [rows, cols] = matrices.front();
  row.multiplier = row.step_multiplier(rows, cols);
  if (base_shape.empty()) return;
  const auto refuse = [&](const std::string& what, const std::string& expected) {
    throw ConfigError({.what = what, .expected = expected, .found = to_string(base_shape)});
  };
  if (base_shape.size() != row.shape.size() || element_count(base_shape) < 1) {
    refuse("base shape", "positive sizes, as many as of " + to_string(row.shape));
  }
  if (!std::isfinite(depth_ratio) || depth_ratio <= 0) {
    refuse("depth ratio " + shortest(depth_ratio), "above 0");
  }
  if (row.resolved.rule->info().transfer.family.empty()) {
    refuse("rule '" + row.rule + "' does not say how its steps go with width",
           "a rule whose info has a transfer");
  }
  // The base model's whole matrix, and of it the part that is one of `matrices`: heads stay of one
  // size and grow in number, parts of a fused projection grow.
  const auto layout = row.resolved.layout;
  const auto whole = matrices_of(row.shape, row.role, layout).front();
  const auto base_whole = matrices_of(base_shape, row.role, layout).front();
  const auto ratio = [](Index here, Index base) {
    return static_cast<double>(here) / static_cast<double>(base);
  };
  const double down = ratio(whole.rows, base_whole.rows);
  const double across = ratio(whole.cols, base_whole.cols);
  row.has_base = true;
  row.base_cols = 1 / across;
  row.base_rows = row.num_heads ? 1 : 1 / down;

  TransferShape shape{.fans = fan_ratios(row.shape, base_shape, row.role), .depth = depth_ratio};
  if (row.shape.size() >= 2 && row.role != Role::embedding) shape.fans = {across, down};
  const MatrixShape base{scaled(rows, row.base_rows), scaled(cols, row.base_cols)};
  shape.rows = static_cast<double>(rows);
  shape.cols = static_cast<double>(cols);
  shape.base_rows = static_cast<double>(base.rows);
  shape.base_cols = static_cast<double>(base.cols);
  shape.pieces = row.num_heads ? down : 1;

  auto& resolved = row.resolved;
  const bool coupled = resolved.decay == Decay::coupled;
  const auto by = multipliers_of(transfer_of(resolved, {rows, cols}), transfer_of(resolved, base),
                                 shape, coupled, options);
  row.transfer_lr = by.lr;
  row.transfer = by;
  row.transfer.lr = row.step_multiplier(rows, cols) / row.multiplier;
  row.transfer.initial = initial_scale(shape.fans, row.shape, row.role);
  row.weight_decay *= by.weight_decay;
  const auto option = resolved.rule->transfer(rows, cols).epsilon_option;
  if (by.epsilon != 1) resolved.rule = with_epsilon(*resolved.rule, option, by.epsilon);
  if (!resolved.graft) return;
  const auto graft = resolved.graft->transfer(rows, cols);
  const auto of_graft = multipliers_of(graft, resolved.graft->transfer(base.rows, base.cols), shape,
                                       coupled, options);
  if (of_graft.epsilon != 1) {
    resolved.graft = with_epsilon(*resolved.graft, graft.epsilon_option, of_graft.epsilon);
  }
}

}  // namespace muonflow::optim

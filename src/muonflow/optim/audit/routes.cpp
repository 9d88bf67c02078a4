#include "muonflow/optim/audit/routes.hpp"

#include <cmath>

#include "muonflow/core/text.hpp"
#include "muonflow/optim/audit/detail/catalogue.hpp"
#include "muonflow/optim/audit/detail/composed.hpp"
#include "muonflow/optim/audit/detail/plan.hpp"
#include "muonflow/optim/rule_registry.hpp"

namespace muonflow::optim {
namespace {

using detail::Described;
using detail::Plan;

// Compares until something differs.
class Comparison {
 public:
  explicit Comparison(AuditCheck check) : check_(std::move(check)) {}

  void number(const std::string& quantity, double expected, double found) {
    if (differs_) return;
    const double bound = 1e-12 * std::abs(expected);
    if (std::abs(found - expected) <= bound) return;
    check_.expected = expected;
    check_.found = found;
    check_.bound = bound;
    fail(quantity);
  }
  void words(const std::string& quantity, std::string expected, std::string found) {
    if (differs_ || expected == found) return;
    check_.expected_words = std::move(expected);
    check_.found_words = std::move(found);
    fail(quantity);
  }
  // Two trees of options; numbers up to a rounding.
  void tree(const std::string& quantity, const Json& expected, const Json& found) {
    if (expected.is_number() && found.is_number()) {
      return number(quantity, expected.get<double>(), found.get<double>());
    }
    if (expected.is_array() && found.is_array() && expected.size() == found.size()) {
      for (std::size_t i = 0; i < expected.size(); ++i) tree(quantity, expected[i], found[i]);
      return;
    }
    if (!expected.is_object() || !found.is_object()) {
      return words(quantity, expected.dump(), found.dump());
    }
    for (const auto& [key, value] : expected.items()) {
      tree(quantity + " " + key, value, found.contains(key) ? found.at(key) : Json());
    }
  }
  AuditCheck take() { return std::move(check_); }

 private:
  void fail(const std::string& quantity) {
    differs_ = true;
    check_.quantity = quantity;
    check_.verdict = Verdict::failed;
    check_.note = "the routing table is not what the configuration says";
  }

  AuditCheck check_;
  bool differs_ = false;
};

Json options_of(const AnyRule& rule) {
  return fields_to_json([&](FieldVisitor& v) { const_cast<AnyRule&>(rule).fields(v); });
}

std::string sizes_text(const std::vector<std::int64_t>& sizes) {
  return sizes.empty() ? "none" : to_string(sizes);
}

void scale_option(Json& options, double by) {
  for (const char* name : {"epsilon", "eps"}) {
    if (options.contains(name)) {
      options[name] = options[name].get<double>() * by;
      return;
    }
  }
}

void compare_transfer(const Plan& plan, const Route& row, Comparison& compare) {
  compare.words("base model", plan.transfer ? "one" : "none", row.has_base ? "one" : "none");
  const auto own_scale = [&](double rows, double cols) {
    if (row.shape.size() < 2) return 1.0;
    return detail::scale_of(plan.adjust_lr, detail::base_side(plan.rows, rows),
                            detail::base_side(plan.cols, cols));
  };
  compare.number("shape scale", own_scale(1, 1), row.multiplier);
  if (!plan.transfer || !row.has_base) return;
  const auto& by = *plan.transfer;
  compare.number("transfer: rows of the base model", by.base_rows, row.base_rows);
  compare.number("transfer: columns of the base model", by.base_cols, row.base_cols);
  compare.number("transfer: learning rate", by.lr, row.transfer_lr);
  compare.number("transfer: learning rate as shown",
                 by.lr * own_scale(by.base_rows, by.base_cols) / own_scale(1, 1), row.transfer.lr);
  compare.number("transfer: epsilon", by.epsilon, row.transfer.epsilon);
  compare.number("transfer: weight decay", by.weight_decay, row.transfer.weight_decay);
}

AuditCheck judge(const Described& tensor, const Route& row, const RoutingOptions& options) {
  Comparison compare({.tensor = tensor.name, .rule = row.rule, .quantity = "route"});
  const auto plan = plan_of(tensor, options);
  if (!plan) {
    auto check = compare.take();
    check.verdict = Verdict::off;
    check.note = "what a rule is that the catalogue has not, its own file alone says";
    return check;
  }
  compare.words("tensor of the route", tensor.name, row.tensor);
  compare.words("shape of the route", to_string(tensor.shape), to_string(row.shape));
  compare.words("role of the route", std::string(name_of(tensor.role)),
                std::string(name_of(row.role)));
  compare.words("rule", plan->rule, row.rule);
  const auto& resolved = row.resolved;
  const auto base = [](const std::string& name) {
    return std::string(detail::entry_of(name)->name);
  };
  compare.words("rule", base(plan->rule), std::string(resolved.rule->info().name));
  compare.number("learning rate", plan->lr, row.lr);
  const double wd = plan->weight_decay * (plan->transfer ? plan->transfer->weight_decay : 1);
  compare.number("weight decay", wd, row.weight_decay);
  compare.words("decay form", std::string(enum_name(plan->decay)),
                std::string(enum_name(resolved.decay)));
  compare.words("adjust_lr", std::string(enum_name(plan->adjust_lr)),
                std::string(enum_name(resolved.adjust_lr)));
  compare.words("layout", std::string(enum_name(plan->layout)),
                std::string(enum_name(resolved.layout)));
  compare.words("split_sizes", sizes_text(plan->split_sizes), sizes_text(row.split_sizes));
  compare.number("num_heads", static_cast<double>(plan->num_heads.value_or(0)),
                 static_cast<double>(row.num_heads.value_or(0)));
  compare.number("momentum warmup: steps", static_cast<double>(plan->warmup.steps),
                 static_cast<double>(row.momentum_warmup.steps));
  if (plan->warmup.steps > 0) {
    compare.number("momentum warmup: start", plan->warmup.start, row.momentum_warmup.start);
  }
  compare_transfer(*plan, row, compare);
  Json own = plan->options;
  if (plan->transfer && plan->transfer->epsilon != 1) scale_option(own, plan->transfer->epsilon);
  compare.tree("option", own, options_of(*resolved.rule));
  auto around = resolved.transforms;
  compare.tree("transform", plan->transforms,
               fields_to_json([&](FieldVisitor& v) { around.fields(v); }));
  compare.words("grafted rule", plan->graft.empty() ? "none" : base(plan->graft),
                resolved.graft ? std::string(resolved.graft->info().name) : "none");
  // With a base model its epsilon is scaled by its own rule's powers, which are not looked at here.
  if (resolved.graft && !plan->transfer) {
    compare.tree("grafted rule: option", plan->graft_options, options_of(*resolved.graft));
  }
  return compare.take();
}

}  // namespace

template <class T>
AuditReport audit_routes(const RoutingTable& table, const std::vector<Parameter<T>>& parameters,
                         const RoutingOptions& options) {
  AuditReport report;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const auto& p = parameters[i];
    report.checks.push_back(judge({.name = p.name,
                                   .shape = p.shape,
                                   .role = p.role,
                                   .base_shape = p.base_shape,
                                   .depth_ratio = p.depth_ratio},
                                  table.rows.at(i), options));
  }
  return report;
}

template AuditReport audit_routes(const RoutingTable&, const std::vector<Parameter<float>>&,
                                  const RoutingOptions&);
template AuditReport audit_routes(const RoutingTable&, const std::vector<Parameter<double>>&,
                                  const RoutingOptions&);

}  // namespace muonflow::optim

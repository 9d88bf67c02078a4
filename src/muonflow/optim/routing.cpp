#include "muonflow/optim/routing.hpp"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "muonflow/optim/detail/routing_transfer.hpp"

namespace muonflow::optim {
namespace {

constexpr std::array<std::string_view, 7> kRoleNames{"hidden", "embedding", "head",       "norm",
                                                     "bias",   "router",    "convolution"};

// Where options stand, for messages.
struct Places {
  const PlaceOf& place_of;
  std::string path;

  std::string operator()(const std::string& name) const {
    const auto full = path.empty() ? name : path + "." + name;
    return place_of ? place_of(full) : full;
  }
  std::string child(const std::string& name) const {
    return path.empty() ? name : path + "." + name;
  }
  // A parameter that the option of this full path decides; where no file is known, itself.
  std::string of(const std::string& full, const std::string& parameter) const {
    return place_of ? place_of(full) + ": " + parameter : parameter;
  }
};

ApplyOptions apply_of(const GroupOptions& group) {
  return {.lr = group.lr,
          .weight_decay = group.weight_decay,
          .decay = group.decay,
          .adjust_lr = group.adjust_lr,
          .layout = group.layout,
          .transforms = group.transforms};
}

// The transforms that a group may go without.
const std::vector<std::string> kInherited{"error_feedback", "blocking", "spectral_normalization",
                                          "grafting",       "cautious", "momentum_warmup"};

bool goes_without(const GroupOptions& group, std::string_view name) {
  return std::find(group.without.begin(), group.without.end(), name) != group.without.end();
}

Transforms kept(Transforms base, const GroupOptions& group) {
  if (goes_without(group, "error_feedback")) base.error_feedback = {};
  if (goes_without(group, "blocking")) base.blocking = {};
  if (goes_without(group, "spectral_normalization")) base.spectral_normalization = {};
  if (goes_without(group, "grafting")) base.grafting = {};
  if (goes_without(group, "cautious")) base.cautious = {};
  return base;
}

// Each transform of `over` that is on, over the preset's.
Transforms overlaid(Transforms base, const Transforms& over) {
  const Transforms off{};
  if (over.error_feedback.on) base.error_feedback = over.error_feedback;
  if (over.blocking.size) base.blocking = over.blocking;
  if (over.spectral_normalization.kind != off.spectral_normalization.kind) {
    base.spectral_normalization = over.spectral_normalization;
  }
  if (!over.grafting.rule.empty()) base.grafting = over.grafting;
  if (over.cautious.updates || over.cautious.decay) base.cautious = over.cautious;
  return base;
}

// A group that names no rule changes what the preset gives: its values over the preset's.
GroupOptions overlaid(GroupOptions base, const GroupOptions& over) {
  for (const auto& [key, value] : over.options.json().items()) base.options.json()[key] = value;
  if (over.lr) base.lr = over.lr;
  if (over.weight_decay) base.weight_decay = over.weight_decay;
  if (over.decay != Decay::automatic) base.decay = over.decay;
  if (over.adjust_lr != Scale::automatic) base.adjust_lr = over.adjust_lr;
  if (over.layout != Layout::automatic) base.layout = over.layout;
  base.transforms = overlaid(kept(std::move(base.transforms), over), over.transforms);
  base.without = over.without;
  if (over.momentum_warmup.steps > 0) base.momentum_warmup = over.momentum_warmup;
  if (!over.split_sizes.empty()) base.split_sizes = over.split_sizes;
  if (over.num_heads) base.num_heads = over.num_heads;
  return base;
}

struct Choice {
  GroupOptions group;  // `rule` filled in
  std::string path;    // where it stands
  std::string rule_path;
  std::string reason;
};

class Router {
 public:
  Router(const RoutingOptions& options, const PlaceOf& place_of, const std::string& path)
      : options_(options), places_{place_of, path}, hidden_(options.hidden), other_(options.other) {
    const auto& preset = options.preset;
    const auto plus = preset.find('+');
    if (hidden_.rule.empty()) hidden_.rule = preset.substr(0, plus);
    if (plus != std::string::npos && other_.rule.empty()) other_.rule = preset.substr(plus + 1);
    groups_alone_ = preset.empty() && hidden_.rule.empty() && !options.groups.empty();
    if (other_.rule.find('+') != std::string::npos || (hidden_.rule.empty() && !groups_alone_) ||
        (plus != std::string::npos && other_.rule.empty())) {
      throw ConfigError({.place = places_("preset"),
                         .expected = "RULE or RULE+RULE, such as muon+adamw",
                         .found = "'" + preset + "'"});
    }
    refuse_names(hidden_, "hidden");
    refuse_names(other_, "other");
    if (!groups_alone_) {
      hidden_takes_matrices_ =
          find_rule(hidden_.rule, places_("preset")).entry->info.takes == Takes::matrices;
    }
    if (!other_.rule.empty()) find_rule(other_.rule, places_("preset"));
    for (std::size_t i = 0; i < options.groups.size(); ++i) check_group(i);
    used_.resize(options.groups.size());
  }

  Choice choose(const std::string& name, const Shape& shape, Role role) {
    std::optional<std::size_t> mine;
    for (std::size_t i = 0; i < options_.groups.size(); ++i) {
      if (!names(options_.groups[i], name, role)) continue;
      used_[i] = true;
      if (mine) {
        throw ConfigError({.place = places_.of(places_.child("groups"), name),
                           .what = "two rules for one parameter",
                           .expected = "one group that names it",
                           .found = places_(group_name(*mine)) + " and " + places_(group_name(i))});
      }
      mine = i;
    }
    if (!mine) {
      if (groups_alone_) refuse_without_rule(name, role);
      return by_preset(shape, role, options_.hidden.layout);
    }
    const auto& group = options_.groups[*mine];
    const std::string reason = why(group, name, role);
    if (!group.rule.empty()) {
      return {group, group_path(*mine), group_path(*mine) + ".rule", reason};
    }
    if (groups_alone_) refuse_without_rule(group_path(*mine) + ": " + name, role);
    const auto layout = group.layout == Layout::automatic ? options_.hidden.layout : group.layout;
    Choice choice = by_preset(shape, role, layout);
    choice.group = overlaid(std::move(choice.group), group);
    choice.path = group_path(*mine);
    choice.reason += "; " + reason;
    return choice;
  }

  void refuse_idle_groups() const {
    for (std::size_t i = 0; i < used_.size(); ++i) {
      if (used_[i]) continue;
      const auto& group = options_.groups[i];
      throw ConfigError({.place = places_(group_name(i)),
                         .what = "no parameter matches",
                         .found = join(group.patterns.empty() ? group.roles : group.patterns),
                         .advice = "the names are those of the routing table"});
    }
  }

 private:
  static std::string group_name(std::size_t i) { return "groups[" + std::to_string(i) + "]"; }
  std::string group_path(std::size_t i) const { return places_.child(group_name(i)); }

  [[noreturn]] void refuse_without_rule(const std::string& name, Role role) const {
    throw ConfigError({.place = places_.of(places_.child("groups"), name),
                       .what = "no rule for this parameter",
                       .expected = "a group with a rule that names it, or a preset",
                       .found = "role " + std::string(name_of(role))});
  }

  void refuse_names(const GroupOptions& group, const std::string& name) const {
    if (group.patterns.empty() && group.roles.empty() && group.without.empty()) return;
    throw ConfigError({.place = places_(name),
                       .what = group.without.empty() ? "patterns and roles do not belong here"
                                                     : "without does not belong here",
                       .expected = "an entry of groups"});
  }

  void check_group(std::size_t i) const {
    const auto& group = options_.groups[i];
    if (group.patterns.empty() && group.roles.empty()) {
      throw ConfigError(
          {.place = places_(group_name(i)), .what = "a group needs patterns or roles"});
    }
    if (!group.rule.empty()) find_rule(group.rule, places_(group_name(i) + ".rule"));
    check_names(i, "roles", "role", group.roles, {kRoleNames.begin(), kRoleNames.end()});
    check_names(i, "without", "transform", group.without, kInherited);
    for (const auto& name : group.without) {
      if (group.rule.empty() || name == "momentum_warmup") continue;
      throw ConfigError({.place = places_(group_name(i) + ".without"),
                         .what = "a group with a rule of its own inherits no " + name,
                         .expected = "momentum_warmup, or no rule"});
    }
  }

  void check_names(std::size_t i, const std::string& key, const std::string& noun,
                   const std::vector<std::string>& names,
                   const std::vector<std::string>& known) const {
    for (const auto& name : names) {
      if (std::find(known.begin(), known.end(), name) != known.end()) continue;
      const auto near = nearest_name(name, known);
      throw ConfigError({.place = places_(group_name(i) + "." + key),
                         .what = "unknown " + noun + " '" + name + "'",
                         .expected = "one of " + join(known),
                         .advice = near.empty() ? "" : "did you mean '" + near + "'?"});
    }
  }

  static bool names(const GroupOptions& group, const std::string& name, Role role) {
    const auto by_name =
        group.patterns.empty() ||
        std::any_of(group.patterns.begin(), group.patterns.end(),
                    [&](const std::string& pattern) { return matches(pattern, name); });
    const auto by_role = group.roles.empty() || std::find(group.roles.begin(), group.roles.end(),
                                                          name_of(role)) != group.roles.end();
    return by_name && by_role;
  }

  static std::string why(const GroupOptions& group, const std::string& name, Role role) {
    for (const auto& pattern : group.patterns) {
      if (matches(pattern, name)) return "name matches " + pattern;
    }
    return "role " + std::string(name_of(role));
  }

  Choice hidden(std::string reason) const {
    return {hidden_, places_.child("hidden"), rule_path(options_.hidden, "hidden"),
            std::move(reason)};
  }
  Choice other(std::string reason) const {
    return {other_, places_.child("other"), rule_path(options_.other, "other"), std::move(reason)};
  }
  std::string rule_path(const GroupOptions& group, const std::string& name) const {
    return places_.child(group.rule.empty() ? "preset" : name + ".rule");
  }

  Choice by_preset(const Shape& shape, Role role, Layout layout) const {
    if (other_.rule.empty()) return hidden("the only rule");
    if (role != Role::hidden && role != Role::convolution) {
      return other("role " + std::string(name_of(role)));
    }
    if (shape.size() < 2) return other("rank 1");
    const auto matrices = matrices_of(shape, role, layout);
    const auto [rows, cols] = matrices.front();
    const auto size = "[" + std::to_string(rows) + ", " + std::to_string(cols) + "]";
    if (hidden_takes_matrices_) {
      const bool conv = shape.size() > 2 && matrices.size() == 1;
      if (conv && shape[0] > 1 && shape[1] == 1) return other("depthwise convolution");
      if (shape.size() > 2 && shape[0] == 1) return other("leading dimension of 1");
      const auto least = std::min(rows, cols);
      const auto most = std::max(rows, cols);
      if (least < options_.min_dim) {
        return other(size + " has a dimension below " + std::to_string(options_.min_dim));
      }
      if (static_cast<double>(most) > options_.max_aspect * static_cast<double>(least)) {
        return other(size + " has an aspect beyond " + shortest(options_.max_aspect));
      }
    }
    if (matrices.size() > 1) {
      return hidden("stack of " + std::to_string(matrices.size()) + " matrices " + size);
    }
    return hidden(shape.size() == 2 ? "hidden matrix" : "convolution as " + size);
  }

  const RoutingOptions& options_;
  Places places_;
  GroupOptions hidden_;
  GroupOptions other_;
  bool hidden_takes_matrices_ = false;
  bool groups_alone_ = false;
  std::vector<bool> used_;
};

// "3 matrices [64, 64]"
std::string matrices_text(const std::vector<MatrixShape>& matrices) {
  const auto& first = matrices.front();
  return std::to_string(matrices.size()) + " matrices [" + std::to_string(first.rows) + ", " +
         std::to_string(first.cols) + "]" +
         (matrices.back().rows == first.rows ? "" : " and smaller");
}

void check_shape(const std::string& name, const Shape& shape) {
  const bool sound = !shape.empty() && shape.size() <= 4 &&
                     std::all_of(shape.begin(), shape.end(), [](auto d) { return d > 0; });
  if (sound) return;
  throw ShapeError({.place = name,
                    .what = "parameter",
                    .expected = "rank 1 to 4 and no empty dimension",
                    .found = to_string(shape)});
}

void check_takes(const Route& row, const std::string& place) {
  if (row.resolved.rule->info().takes == Takes::tensors || row.shape.size() >= 2) return;
  throw ConfigError(
      {.place = place,
       .what = "rule '" + row.rule + "' takes matrices",
       .expected = "rank 2 or more",
       .found = to_string(row.shape),
       .advice = "vectors need an elementwise rule, as in preset " + row.rule + "+adamw"});
}

}  // namespace

void GroupOptions::fields(FieldVisitor& v) {
  v.text("rule", rule, "rule or rule.preset; empty: the preset's");
  auto apply = apply_of(*this);
  apply.fields(v);
  lr = apply.lr;
  weight_decay = apply.weight_decay;
  decay = apply.decay;
  adjust_lr = apply.adjust_lr;
  layout = apply.layout;
  transforms = std::move(apply.transforms);
  v.tree("options", options.json(), "the rule's own options");
  v.group("momentum_warmup", momentum_warmup, "0 steps: the optimizer's");
  v.text_list("without", without, "inherited transforms that the group leaves out");
  v.text_list("patterns", patterns, "parameters by name, with * and ?");
  v.text_list("roles", roles, "parameters by role");
  v.integer_list("split_sizes", split_sizes, {.lo = 1}, "rows that are matrices of their own");
  v.optional_integer("num_heads", num_heads, {.lo = 1},
                     "heads that are matrices of their own, of the first part; off: not cut");
}

void RoutingOptions::fields(FieldVisitor& v) {
  v.text("preset", preset,
         "RULE, or RULE+RULE: hidden matrices + everything else; empty: groups alone");
  v.group("hidden", hidden, "what the preset's first rule gets");
  v.group("other", other, "what the preset's second rule gets");
  v.list("groups", groups, "parameters that the preset does not decide");
  v.real("max_aspect", max_aspect, {.lo = 1}, "hidden matrices beyond it go to the second rule");
  v.integer("min_dim", min_dim, {.lo = 1}, "hidden matrices below it go to the second rule");
  v.group("clip", clip, "gradient clipping, before any rule");
  v.group("momentum_warmup", momentum_warmup, "momentum that rises to the rule's own");
  v.group("qk_clip", qk_clip, "attention logits of a bounded size, after every rule");
  v.choice("non_finite", non_finite, "what a NaN gradient stops: the step, or that tensor's");
}

template <class T>
RoutingTable route(const std::vector<Parameter<T>>& parameters, const RoutingOptions& options,
                   const PlaceOf& place_of, const std::string& path) {
  Router router(options, place_of, path);
  RoutingTable table;
  std::map<std::string, bool> seen;
  options.clip.check(place_of ? place_of(path + ".clip.when") : path + ".clip.when");
  for (const auto& parameter : parameters) {
    if (!seen.emplace(parameter.name, true).second) {
      throw ConfigError({.place = parameter.name, .what = "two parameters have this name"});
    }
    check_shape(parameter.name, parameter.shape);
    Choice choice = router.choose(parameter.name, parameter.shape, parameter.role);
    Route row{.tensor = parameter.name, .shape = parameter.shape, .role = parameter.role};
    row.rule = choice.group.rule;
    row.resolved = resolve_rule(row.rule, apply_of(choice.group), choice.group.options.json(),
                                place_of, choice.path);
    row.lr = row.resolved.lr;
    row.weight_decay = row.resolved.weight_decay;
    row.split_sizes = choice.group.split_sizes;
    row.num_heads = choice.group.num_heads;
    row.momentum_warmup = choice.group.momentum_warmup;
    if (row.momentum_warmup.steps == 0 && !goes_without(choice.group, "momentum_warmup")) {
      row.momentum_warmup = options.momentum_warmup;
    }
    row.reason = std::move(choice.reason);
    const Places places{place_of, path};
    check_takes(row, places.of(choice.rule_path, row.tensor));
    try {
      const auto first =
          matrices_of(row.shape, row.role, row.resolved.layout, row.split_sizes, row.num_heads);
      if (first.size() > 1 && row.shape.size() == 2) row.reason += "; " + matrices_text(first);
      detail::scale_route(row, first, parameter.base_shape, parameter.depth_ratio,
                          options.transfer);
    } catch (const ConfigError& error) {
      auto parts = error.parts();
      parts.place = place_of ? places.of(choice.path, row.tensor) : row.tensor + ", " + choice.path;
      throw ConfigError(parts);
    }
    table.rows.push_back(std::move(row));
  }
  router.refuse_idle_groups();
  return table;
}
template RoutingTable route<float>(const std::vector<Parameter<float>>&, const RoutingOptions&,
                                   const PlaceOf&, const std::string&);
template RoutingTable route<double>(const std::vector<Parameter<double>>&, const RoutingOptions&,
                                    const PlaceOf&, const std::string&);

std::vector<MatrixShape> matrices_of(const Shape& shape, Role role, Layout layout,
                                     const std::vector<std::int64_t>& split_sizes,
                                     std::optional<std::int64_t> num_heads) {
  if (!split_sizes.empty() || num_heads) {
    std::int64_t sum = 0;
    for (const auto rows : split_sizes) sum += rows;
    if (shape.size() != 2 || (!split_sizes.empty() && sum != shape[0])) {
      throw ConfigError({.what = split_sizes.empty() ? "num_heads " + std::to_string(*num_heads)
                                                     : "split_sizes " + to_string(split_sizes),
                         .expected = split_sizes.empty()
                                         ? "a matrix"
                                         : "sizes that add up to the rows of a matrix",
                         .found = to_string(shape)});
    }
    const auto sizes = split_sizes.empty() ? std::vector{shape[0]} : split_sizes;
    const auto head = sizes.front() / num_heads.value_or(1);  // rows of a matrix, where heads are
    std::vector<MatrixShape> matrices;
    for (const auto rows : sizes) {
      if (num_heads && (sizes.front() % *num_heads != 0 || head == 0 || rows % head != 0)) {
        throw ConfigError({.what = "num_heads " + std::to_string(*num_heads),
                           .expected = "a divisor of the rows, with heads of one size",
                           .found = to_string(sizes)});
      }
      const auto each = num_heads ? head : rows;
      for (std::int64_t row = 0; row < rows; row += each) matrices.push_back({each, shape[1]});
    }
    return matrices;
  }
  const auto rank = shape.size();
  if (rank <= 1) return {{1, element_count(shape)}};
  const bool conv = rank == 2 || layout == Layout::conv ||
                    (layout == Layout::automatic && role == Role::convolution);
  if (conv) return {{shape[0], element_count(shape) / shape[0]}};
  const MatrixShape each{shape[rank - 2], shape[rank - 1]};
  return std::vector<MatrixShape>(
      static_cast<std::size_t>(element_count(shape) / (each.rows * each.cols)), each);
}

bool matches(std::string_view pattern, std::string_view name) {
  // Greedy with one point of return: the last star and where its text began.
  std::size_t p = 0;
  std::size_t n = 0;
  std::optional<std::size_t> star;
  std::size_t star_end = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      star_end = n;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == name[n])) {
      ++p;
      ++n;
    } else if (star) {
      p = *star + 1;
      n = ++star_end;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

std::string_view name_of(Role role) { return kRoleNames[static_cast<std::size_t>(role)]; }

}  // namespace muonflow::optim

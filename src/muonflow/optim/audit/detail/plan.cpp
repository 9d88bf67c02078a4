#include "muonflow/optim/audit/detail/plan.hpp"

#include <algorithm>
#include <cmath>

#include "muonflow/optim/audit/detail/catalogue.hpp"
#include "muonflow/optim/audit/detail/composed.hpp"

namespace muonflow::optim::detail {
namespace {

bool fits(std::string_view pattern, std::string_view name) {
  if (pattern.empty()) return name.empty();
  if (pattern.front() == '*') {
    return fits(pattern.substr(1), name) || (!name.empty() && fits(pattern, name.substr(1)));
  }
  if (name.empty() || (pattern.front() != '?' && pattern.front() != name.front())) return false;
  return fits(pattern.substr(1), name.substr(1));
}

std::string_view word_of(Role role) {
  switch (role) {
    case Role::hidden:
      return "hidden";
    case Role::embedding:
      return "embedding";
    case Role::head:
      return "head";
    case Role::norm:
      return "norm";
    case Role::bias:
      return "bias";
    case Role::router:
      return "router";
    case Role::convolution:
      return "convolution";
  }
  return "";
}

bool speaks_of(const GroupOptions& group, const Described& tensor) {
  const auto any = [](const std::vector<std::string>& texts, const auto& holds) {
    return texts.empty() || std::any_of(texts.begin(), texts.end(), holds);
  };
  return any(group.patterns, [&](const auto& pattern) { return fits(pattern, tensor.name); }) &&
         any(group.roles, [&](const auto& role) { return role == word_of(tensor.role); });
}

struct Sides {
  Index rows = 1, cols = 1;
};
// The first matrix of a tensor that is neither split nor cut into heads.
Sides uncut(const Shape& shape, Role role, Layout layout) {
  Index count = 1;
  for (const auto size : shape) count *= size;
  if (shape.size() < 2) return {1, count};
  const bool one = shape.size() == 2 || layout == Layout::conv ||
                   (layout == Layout::automatic && role == Role::convolution);
  if (one) return {shape.front(), count / shape.front()};
  return {shape[shape.size() - 2], shape.back()};
}

// Whether the preset's first rule has this tensor.
bool is_hidden(const Described& tensor, const RoutingOptions& options, bool of_matrices,
               Layout layout) {
  if (tensor.role != Role::hidden && tensor.role != Role::convolution) return false;
  if (tensor.shape.size() < 2) return false;
  if (!of_matrices) return true;
  const auto [rows, cols] = uncut(tensor.shape, tensor.role, layout);
  Index count = 1;
  for (const auto size : tensor.shape) count *= size;
  if (tensor.shape.size() > 2) {
    const bool one = count == rows * cols;
    if ((one && tensor.shape[0] > 1 && tensor.shape[1] == 1) || tensor.shape[0] == 1) return false;
  }
  const Index least = std::min(rows, cols), most = std::max(rows, cols);
  return least >= options.min_dim &&
         static_cast<double>(most) <= options.max_aspect * static_cast<double>(least);
}

bool leaves_out(const GroupOptions& group, std::string_view name) {
  return std::find(group.without.begin(), group.without.end(), name) != group.without.end();
}

// What two groups say together; the later one wins. `base` null: it stands alone.
struct Layers {
  const GroupOptions* base = nullptr;
  const GroupOptions* own = nullptr;
  std::string rule;

  template <class Get>
  auto first(const Get& get) const {
    auto value = get(*own);
    if (!value && base) value = get(*base);
    return value;
  }
};

template <class V>
std::optional<V> unless(V value, V otherwise) {
  return value == otherwise ? std::optional<V>() : std::optional<V>(value);
}

std::optional<Layers> layers_of(const Described& tensor, const RoutingOptions& options) {
  const GroupOptions* named = nullptr;
  for (const auto& group : options.groups) {
    if (!named && speaks_of(group, tensor)) named = &group;
  }
  if (named && !named->rule.empty()) return Layers{nullptr, named, named->rule};
  const auto plus = options.preset.find('+');
  std::string hidden = options.hidden.rule, other = options.other.rule;
  if (hidden.empty()) hidden = options.preset.substr(0, plus);
  if (other.empty() && plus != std::string::npos) other = options.preset.substr(plus + 1);
  const auto* entry = entry_of(hidden);
  if (!entry) return {};
  Layout layout = options.hidden.layout;
  if (named && named->layout != Layout::automatic) layout = named->layout;
  const bool first = other.empty() || is_hidden(tensor, options, !entry->any_rank, layout);
  const GroupOptions* preset = first ? &options.hidden : &options.other;
  const auto& rule = first ? hidden : other;
  return named ? Layers{preset, named, rule} : Layers{nullptr, preset, rule};
}

Transforms transforms_of(const Layers& layers) {
  Transforms t = layers.base ? layers.base->transforms : layers.own->transforms;
  if (!layers.base) return t;
  const Transforms& own = layers.own->transforms;
  const Transforms none{};
  const auto pick = [&](auto Transforms::*member, const char* name, bool on) {
    if (on) {
      t.*member = own.*member;
    } else if (leaves_out(*layers.own, name)) {
      t.*member = none.*member;
    }
  };
  pick(&Transforms::error_feedback, "error_feedback", own.error_feedback.on);
  pick(&Transforms::blocking, "blocking", own.blocking.size.has_value());
  pick(&Transforms::spectral_normalization, "spectral_normalization",
       own.spectral_normalization.kind != NormKind::off);
  pick(&Transforms::grafting, "grafting", !own.grafting.rule.empty());
  pick(&Transforms::cautious, "cautious", own.cautious.updates || own.cautious.decay);
  return t;
}

// Option values of a rule: defaults, then those of the preset, then those given. What the preset
// says of anything else goes to `rest`.
Json options_of(const std::string& rule, const std::vector<const Json*>& given, Json& rest) {
  Json values = Json::parse(entry_of(rule)->options);
  rest = Json::object();
  if (const auto preset = catalogue_preset(rule); !preset.empty()) {
    const Json said = Json::parse(preset);
    for (const auto& [key, value] : said.items()) {
      (values.contains(key) ? values : rest)[key] = value;
    }
  }
  for (const auto* options : given) {
    for (const auto& [key, value] : options->items()) values[key] = value;
  }
  return values;
}

template <class E>
E choice_of(const Json& value) {
  const auto text = value.get<std::string>();
  for (std::size_t i = 0; i < EnumNames<E>::names.size(); ++i) {
    if (EnumNames<E>::names[i] == text) return static_cast<E>(i);
  }
  return E{};
}

double ratio(Index here, Index base) {
  return static_cast<double>(here) / static_cast<double>(base);
}

// A matrix in blocks of one size: how many, and the sides of one.
struct Tiling {
  double count = 1, rows = 1, cols = 1;
  Tiling(Index m, Index n, const std::optional<std::int64_t>& side)
      : rows(static_cast<double>(m)), cols(static_cast<double>(n)) {
    if (!side) return;
    const double down = std::ceil(rows / static_cast<double>(*side));
    const double across = std::ceil(cols / static_cast<double>(*side));
    count = down * across;
    rows /= down;
    cols /= across;
  }
};

// (3) of docs/theory/transfer.md, for a tensor whose first matrix is [m, n].
std::optional<PlannedTransfer> planned_transfer(const Described& tensor,
                                                const RoutingOptions& options, const Plan& plan,
                                                const Transforms& around) {
  PlannedTransfer by;
  const Sides whole = uncut(tensor.shape, tensor.role, plan.layout);
  const Sides base_whole = uncut(tensor.base_shape, tensor.role, plan.layout);
  const double down = ratio(whole.rows, base_whole.rows);
  const double across = ratio(whole.cols, base_whole.cols);
  double in = across, out = down;
  if (tensor.shape.size() < 2) in = 1, out = across;
  if (tensor.role == Role::embedding && tensor.shape.size() >= 2) in = down, out = across;
  by.base_rows = plan.num_heads ? 1 : 1 / down;  // heads keep their size and grow in number
  by.base_cols = 1 / across;
  const Index m = plan.rows, n = plan.cols;
  const Index base_m = base_side(m, by.base_rows), base_n = base_side(n, by.base_cols);

  const std::string rule{entry_of(plan.rule)->name};
  auto here = catalogue_powers(rule, plan.options, m, n);
  auto base = catalogue_powers(rule, plan.options, base_m, base_n);
  if (!here || !base) return {};
  std::optional<std::int64_t> side;
  if (rule == "shampoo" && plan.options.at("grafting") == "none" &&
      plan.options.at("block_size").is_number()) {
    side = plan.options.at("block_size").get<std::int64_t>();
  }
  if (around.blocking.size && !entry_of(plan.rule)->entrywise) side = around.blocking.size;
  bool whole_step = true;  // brought to size after the blocks
  if (around.spectral_normalization.kind == NormKind::spectral) {
    here->step = base->step = {};
  } else if (around.spectral_normalization.kind == NormKind::rms) {
    here->step = base->step = {.rows = 0.5, .cols = 0.5};
  } else if (!plan.graft.empty()) {
    const std::string other{entry_of(plan.graft)->name};
    here->step = catalogue_powers(other, plan.graft_options, m, n)->step;
    base->step = catalogue_powers(other, plan.graft_options, base_m, base_n)->step;
  } else {
    whole_step = false;
  }

  const double gradient = std::sqrt(in / out) / tensor.depth_ratio;
  const double pieces = plan.num_heads ? down : 1;
  const auto grown = [](const CataloguePowers::Of& p, double rows, double cols) {
    return std::pow(rows, p.rows) * std::pow(cols, p.cols) *
           std::pow(std::min(rows, cols), p.shorter);
  };
  const Tiling tiles(m, n, side), base_tiles(base_m, base_n, side);
  const double blocks = tiles.count / base_tiles.count;
  double step = 1;  // |D|_op here over that of the base model
  {
    const double more = std::sqrt(pieces * (whole_step ? 1 : blocks));
    const Tiling cut = whole_step ? Tiling(m, n, {}) : tiles;
    const Tiling base_cut = whole_step ? Tiling(base_m, base_n, {}) : base_tiles;
    step = std::pow(gradient / more, here->step.gradient) * more *
           grown(here->step, cut.rows, cut.cols) / grown(base->step, base_cut.rows, base_cut.cols);
  }
  by.lr = std::sqrt(out / in) / step;
  if (options.transfer.epsilon && !here->epsilon.empty()) {
    by.epsilon = std::pow(gradient / std::sqrt(pieces * blocks), here->of_epsilon.gradient) *
                 grown(here->of_epsilon, tiles.rows, tiles.cols) /
                 grown(base->of_epsilon, base_tiles.rows, base_tiles.cols);
  }
  if (plan.decay == Decay::coupled) by.weight_decay = in / (out * tensor.depth_ratio);
  if (options.transfer.weight_decay == DecayTransfer::inverse_width) {
    by.weight_decay /= std::abs(std::log(out)) > std::abs(std::log(in)) ? out : in;
  }
  return by;
}

}  // namespace

std::optional<Plan> plan_of(const Described& tensor, const RoutingOptions& options) {
  const auto layers = layers_of(tensor, options);
  if (!layers || !entry_of(layers->rule)) return {};
  const GroupOptions& own = *layers->own;
  const CatalogueEntry& entry = *entry_of(layers->rule);
  Plan plan;
  plan.rule = layers->rule;
  Json rest;
  std::vector<const Json*> given;
  if (layers->base) given.push_back(&layers->base->options.json());
  given.push_back(&own.options.json());
  plan.options = options_of(plan.rule, given, rest);

  const auto number = [&](const char* key, double otherwise) {
    return rest.contains(key) ? rest.at(key).get<double>() : otherwise;
  };
  plan.lr =
      layers->first([](const auto& group) { return group.lr; }).value_or(number("lr", entry.lr));
  plan.weight_decay = layers->first([](const auto& group) { return group.weight_decay; })
                          .value_or(number("weight_decay", 0));
  plan.decay =
      layers->first([](const auto& group) { return unless(group.decay, Decay::automatic); })
          .value_or(rest.contains("decay") ? choice_of<Decay>(rest.at("decay")) : entry.decay);
  plan.layout =
      layers->first([](const auto& group) { return unless(group.layout, Layout::automatic); })
          .value_or(Layout::automatic);
  const auto scale =
      layers->first([](const auto& group) { return unless(group.adjust_lr, Scale::automatic); });

  const Transforms around = transforms_of(*layers);
  plan.transforms =
      fields_to_json([&](FieldVisitor& v) { const_cast<Transforms&>(around).fields(v); });
  Scale own_scale = entry.adjust_lr;
  bool built_in = entry.scale_built_in;
  if (around.spectral_normalization.kind != NormKind::off) {
    own_scale =
        around.spectral_normalization.kind == NormKind::spectral ? Scale::spectral : Scale::none;
    built_in = false;
  }
  if (!around.grafting.rule.empty()) {
    const auto* graft = entry_of(around.grafting.rule);
    if (!graft) return {};
    Json ignored;
    plan.graft = around.grafting.rule;
    plan.graft_options = options_of(plan.graft, {&around.grafting.options.json()}, ignored);
    own_scale = ignored.contains("adjust_lr") ? choice_of<Scale>(ignored.at("adjust_lr"))
                                              : graft->adjust_lr;
    built_in = graft->scale_built_in;
  }
  const bool preset_scale = rest.contains("adjust_lr");
  plan.adjust_lr = built_in       ? Scale::none
                   : scale        ? *scale
                   : preset_scale ? choice_of<Scale>(rest.at("adjust_lr"))
                                  : own_scale;

  const auto warmup = layers->first([](const auto& group) {
    return group.momentum_warmup.steps > 0 ? std::optional(group.momentum_warmup) : std::nullopt;
  });
  if (warmup) {
    plan.warmup = *warmup;
  } else if (!leaves_out(own, "momentum_warmup")) {
    plan.warmup = options.momentum_warmup;
  }
  plan.split_sizes = own.split_sizes;
  if (plan.split_sizes.empty() && layers->base) plan.split_sizes = layers->base->split_sizes;
  plan.num_heads = layers->first([](const auto& group) { return group.num_heads; });

  const auto [rows, cols] = uncut(tensor.shape, tensor.role, plan.layout);
  plan.rows = plan.split_sizes.empty() ? rows : plan.split_sizes.front();
  if (plan.num_heads) plan.rows /= *plan.num_heads;
  plan.cols = cols;
  if (!tensor.base_shape.empty()) plan.transfer = planned_transfer(tensor, options, plan, around);
  return plan;
}

}  // namespace muonflow::optim::detail

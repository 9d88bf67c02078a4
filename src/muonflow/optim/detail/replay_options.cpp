#include "muonflow/optim/detail/replay_options.hpp"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "muonflow/core/error.hpp"

namespace muonflow::optim::detail {
namespace {

// Transforms that no list of gradients can show.
constexpr std::array<std::pair<std::string_view, std::string_view>, 2> kForeign{{
    {"qk_clip",
     "recorded gradients have no attention logits; a training run has optimizer.qk_clip"},
    {"accumulation", "a step is one recorded gradient; a training run has train.accumulation"},
}};

std::string place_at(const ReplayRequest& request, const std::string& path) {
  return request.place_of ? request.place_of(path) : path;
}

// "transforms.blocking.size" -> "transforms"
std::vector<std::string> names_of(const std::vector<FieldInfo>& fields) {
  std::vector<std::string> names;
  for (const auto& field : fields) names.push_back(field.name.substr(0, field.name.find('.')));
  return names;
}

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

void ReplayOptions::fields(FieldVisitor& v) {
  apply.fields(v);
  v.group("clip", clip, "of the recorded gradients, before the rule");
  v.group("momentum_warmup", momentum_warmup, "momentum that rises to the rule's own");
  v.group("schedule", schedule, "of the learning rate");
  v.integer_list("split_sizes", split_sizes, {.lo = 1}, "rows that are matrices of their own");
  v.optional_integer("num_heads", num_heads, {.lo = 1}, "heads that are matrices of their own");
}

ReplaySetup read_request(const ReplayRequest& request) {
  if (request.rule.find('+') != std::string::npos) {
    throw ConfigError({.place = "rule",
                       .expected = "one rule: every tensor gets it",
                       .found = "'" + request.rule + "'"});
  }
  const auto& flat = request.options.json();
  if (!flat.contains("lr")) {
    throw ConfigError({.place = place_at(request, "lr"),
                       .what = "missing option",
                       .expected = "a learning rate, such as {\"lr\": 0.02}"});
  }
  for (const auto& [name, why] : kForeign) {
    if (!flat.contains(name)) continue;
    throw ConfigError({.place = place_at(request, std::string(name)), .what = std::string(why)});
  }
  // The whole tree at once, so that an unknown option is compared with every known one.
  ReplayOptions options{.schedule = request.schedule};
  const auto rule = find_rule(request.rule, "rule").entry->make();
  read_fields(
      flat,
      [&](FieldVisitor& v) {
        rule->fields(v);
        options.fields(v);
      },
      request.place_of);
  options.clip.check(place_at(request, "clip.when"));
  const auto ours = names_of(describe(ReplayOptions{}));
  const auto applied = names_of(describe(ApplyOptions{}));
  Json own = Json::object();      // the rule's
  Json of_rule = Json::object();  // and how it is applied
  for (const auto& [key, value] : flat.items()) {
    if (!contains(ours, key)) own[key] = value;
    if (!contains(ours, key) || contains(applied, key)) of_rule[key] = value;
  }
  resolve_rule(request.rule, of_rule, request.place_of);

  ReplaySetup setup{
      .routing = {.preset = request.rule}, .clip = options.clip, .schedule = options.schedule};
  auto& all = setup.routing.hidden;
  const auto& apply = options.apply;
  all.options = OptionsTree(own);
  all.lr = apply.lr;
  all.weight_decay = apply.weight_decay;
  all.decay = apply.decay;
  all.adjust_lr = apply.adjust_lr;
  all.transforms = apply.transforms;
  all.layout = apply.layout == Layout::automatic ? Layout::conv : apply.layout;
  all.split_sizes = options.split_sizes;
  all.num_heads = options.num_heads;
  setup.routing.momentum_warmup = options.momentum_warmup;
  return setup;
}

}  // namespace muonflow::optim::detail

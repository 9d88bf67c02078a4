#include "muonflow/optim/resolve.hpp"

#include <nlohmann/json.hpp>

namespace muonflow::optim {
namespace {

std::string place_at(const PlaceOf& place_of, const std::string& path) {
  return place_of ? place_of(path) : path;
}

std::string child(const std::string& path, const std::string& name) {
  return path.empty() ? name : path + "." + name;
}

// A rule with the preset's option values, and the preset's apply options.
struct Start {
  std::unique_ptr<AnyRule> rule;
  ApplyOptions apply;
};

Start start_of(const NamedRule& named) {
  Start start{named.entry->make(), {}};
  if (named.preset) {
    read_fields(
        Json::parse(named.preset->options),
        [&](FieldVisitor& v) {
          start.rule->fields(v);
          start.apply.fields(v);
        },
        {}, named.entry->name + "." + std::string(named.preset->name));
  }
  return start;
}

ResolvedRule finish(const std::string& name, Start start, bool scale_asked_for,
                    const PlaceOf& place_of, const std::string& path) {
  const RuleInfo& info = start.rule->info();
  const auto& apply = start.apply;
  const auto& transforms = apply.transforms;
  transforms.check(info, place_at(place_of, child(path, "transforms")));
  // Where a transform sets the size of a step, the scale is a matter of that size.
  RuleInfo sized = info;
  std::shared_ptr<const AnyRule> graft;
  if (transforms.spectral_normalization.kind != NormKind::off) {
    const bool spectral = transforms.spectral_normalization.kind == NormKind::spectral;
    sized.adjust_lr = spectral ? Scale::spectral : Scale::none;
    sized.scale_built_in = false;
  }
  if (!transforms.grafting.rule.empty()) {
    const auto at = child(path, "transforms.grafting");
    const auto size = resolve_rule(transforms.grafting.rule, ApplyOptions{},
                                   transforms.grafting.options.json(), place_of, at);
    if (size.rule->info().result != info.result) {
      throw ConfigError({.place = place_at(place_of, at),
                         .what = "rules '" + std::string(info.name) + "' and '" + size.name +
                                 "' give results of different kinds",
                         .expected = "two rules that use the learning rate alike"});
    }
    graft = size.rule;
    sized.adjust_lr = size.adjust_lr;
    sized.scale_built_in = graft->info().scale_built_in;
  }
  if (scale_asked_for && sized.scale_built_in) {
    throw ConfigError({.place = place_at(place_of, child(path, "adjust_lr")),
                       .what = "rule '" + std::string(info.name) + "' scales by shape itself",
                       .expected = "no adjust_lr"});
  }
  start.rule->check(place_at(place_of, path));
  ResolvedRule resolved;
  resolved.name = name;
  resolved.lr = apply.lr.value_or(info.lr);
  resolved.weight_decay = apply.weight_decay.value_or(0);
  resolved.decay = apply.decay == Decay::automatic ? info.decay : apply.decay;
  resolved.adjust_lr = sized.scale_built_in                  ? Scale::none
                       : apply.adjust_lr == Scale::automatic ? sized.adjust_lr
                                                             : apply.adjust_lr;
  resolved.layout = apply.layout;
  resolved.transforms = transforms;
  resolved.graft = std::move(graft);
  resolved.rule = std::move(start.rule);
  return resolved;
}

}  // namespace

void ApplyOptions::fields(FieldVisitor& v) {
  v.optional_real("lr", lr, kNonNegative, "learning rate; off: the rule's own");
  v.optional_real("weight_decay", weight_decay, kNonNegative, "off: 0, or the preset's");
  v.choice("decay", decay, "where weight decay enters");
  v.choice("adjust_lr", adjust_lr, "how the step depends on the matrix's shape");
  v.choice("layout", layout, "how a tensor of rank 3 or 4 is a matrix, or several");
  v.group("transforms", transforms, "what goes around the rule");
}

ResolvedRule resolve_rule(const std::string& name, const ApplyOptions& apply, const Json& options,
                          const PlaceOf& place_of, const std::string& path) {
  Start start = start_of(find_rule(name, place_at(place_of, child(path, "rule"))));
  read_fields(
      options, [&](FieldVisitor& v) { start.rule->fields(v); }, place_of, child(path, "options"));
  if (apply.lr) start.apply.lr = apply.lr;
  if (apply.weight_decay) start.apply.weight_decay = apply.weight_decay;
  if (apply.decay != Decay::automatic) start.apply.decay = apply.decay;
  if (apply.adjust_lr != Scale::automatic) start.apply.adjust_lr = apply.adjust_lr;
  if (apply.layout != Layout::automatic) start.apply.layout = apply.layout;
  start.apply.transforms = apply.transforms;
  auto resolved =
      finish(name, std::move(start), apply.adjust_lr != Scale::automatic, place_of, path);
  resolved.options = options.dump();
  return resolved;
}

ResolvedRule resolve_rule(const std::string& name, const Json& flat, const PlaceOf& place_of,
                          const std::string& path) {
  Start start = start_of(find_rule(name, path.empty() ? "rule" : place_at(place_of, path)));
  read_fields(
      flat,
      [&](FieldVisitor& v) {
        start.rule->fields(v);
        start.apply.fields(v);
      },
      place_of, path);
  auto resolved = finish(name, std::move(start), flat.contains("adjust_lr"), place_of, path);
  resolved.options = flat.dump();
  return resolved;
}

}  // namespace muonflow::optim

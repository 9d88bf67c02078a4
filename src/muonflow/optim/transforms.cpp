#include "muonflow/optim/transforms.hpp"

#include <nlohmann/json.hpp>

#include "muonflow/core/text.hpp"
#include "muonflow/optim/resolve.hpp"
#include "muonflow/optim/schedule.hpp"
#include "muonflow/optim/transforms/accumulation.hpp"
#include "muonflow/optim/transforms/clip.hpp"
#include "muonflow/optim/transforms/delay_threshold.hpp"
#include "muonflow/optim/transforms/momentum_warmup.hpp"
#include "muonflow/optim/transforms/qk_clip.hpp"
#include "muonflow/optim/transforms/weight_decay.hpp"

namespace muonflow::optim {
namespace {

template <class S>
TransformEntry described() {
  if constexpr (requires(S s, FieldVisitor & v) { s.fields(v); }) return {S::info, describe<S>()};
  return {S::info, {}};
}

}  // namespace

void Transforms::fields(FieldVisitor& v) {
  v.group("error_feedback", error_feedback, "EF21: gradients as compressed messages");
  v.group("blocking", blocking, "a matrix as blocks, each with its own state");
  v.group("spectral_normalization", spectral_normalization, "a step of known norm");
  v.group("grafting", grafting, "the norm of another rule's step");
  v.group("cautious", cautious, "updates or decay only where signs agree");
}

bool Transforms::need_whole() const {
  return error_feedback.on || spectral_normalization.kind != NormKind::off ||
         !grafting.rule.empty() || cautious.updates;
}

void Transforms::check(const RuleInfo& rule, const std::string& place) const {
  const bool normalizes = spectral_normalization.kind != NormKind::off;
  if (normalizes && !grafting.rule.empty()) {
    throw ConfigError({.place = place,
                       .what = "grafting and spectral_normalization both set the size of a step",
                       .expected = "one of them"});
  }
  if (rule.result != Result::weights) return;
  for (const auto& [on, name] : {std::pair{normalizes, "spectral_normalization"},
                                 std::pair{!grafting.rule.empty(), "grafting"},
                                 std::pair{cautious.updates, "cautious.updates"},
                                 std::pair{cautious.decay, "cautious.decay"}}) {
    if (!on) continue;
    throw ConfigError({.place = place + "." + name,
                       .what = "rule '" + std::string(rule.name) + "' gives new weights",
                       .expected = "a rule that gives steps"});
  }
}

std::string Transforms::to_text() const {
  std::vector<std::string> on;
  if (error_feedback.on) {
    on.push_back("error feedback " + std::string(enum_name(error_feedback.compression.kind)));
  }
  if (blocking.size) on.push_back("blocks of " + std::to_string(*blocking.size));
  if (spectral_normalization.kind != NormKind::off) {
    on.push_back(std::string(enum_name(spectral_normalization.kind)) + " norm 1");
  }
  if (!grafting.rule.empty()) on.push_back("norm of " + grafting.rule);
  if (cautious.updates) on.emplace_back("cautious updates");
  if (cautious.decay) on.emplace_back("cautious decay");
  return join(on);
}

template <class T>
std::unique_ptr<RuleKernel<T>> make_kernel(const ResolvedRule& resolved) {
  const auto& t = resolved.transforms;
  const RuleInfo& info = resolved.rule->info();
  auto kernel = resolved.rule->kernel(T{});
  if (t.blocking.size && !has(info.traits, Trait::elementwise)) {
    kernel = blocked<T>(std::move(kernel), *t.blocking.size, info.result);
  }
  if (t.spectral_normalization.kind != NormKind::off) {
    kernel = normalized<T>(std::move(kernel), t.spectral_normalization);
  }
  if (resolved.graft) kernel = grafted<T>(std::move(kernel), resolved.graft->kernel(T{}));
  if (t.cautious.updates) kernel = cautious<T>(std::move(kernel));
  if (t.error_feedback.on) kernel = fed_back<T>(std::move(kernel), t.error_feedback.compression);
  return kernel;
}
template std::unique_ptr<RuleKernel<float>> make_kernel<float>(const ResolvedRule&);
template std::unique_ptr<RuleKernel<double>> make_kernel<double>(const ResolvedRule&);

const std::vector<TransformEntry>& transforms() {
  static const std::vector<TransformEntry> all{described<DelayThreshold>(),
                                               described<Accumulation>(),
                                               described<ClipOptions>(),
                                               described<ErrorFeedback>(),
                                               described<MomentumWarmup>(),
                                               described<Blocking>(),
                                               described<SpectralNormalization>(),
                                               described<Grafting>(),
                                               described<Cautious>(),
                                               described<Schedule>(),
                                               described<WeightDecay>(),
                                               described<QkClip>()};
  return all;
}

}  // namespace muonflow::optim

#include "muonflow/optim/audit/detail/catalogue.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace muonflow::optim::detail {
namespace {

constexpr std::array<CatalogueEntry, 20> kRules{{
    {.name = "adamuon",
     .lr = 1e-3,
     .options = R"({"momentum": 0.95, "beta2": 0.95, "eps": 1e-8, "sign_input": true})",
     .scale_built_in = true},
    {.name = "adamw",
     .lr = 1e-3,
     .options = R"({"betas": [0.9, 0.999], "eps": 1e-8})",
     .any_rank = true,
     .entrywise = true},
    {.name = "asgo",
     .lr = 0.01,
     .options = R"({"momentum": 0.9, "beta2": 0.8, "eps": 1e-10})",
     .scale_built_in = true},
    {.name = "dasgo",
     .lr = 0.01,
     .options = R"({"momentum": 0.9, "beta2": 0.95, "eps": 1e-8})",
     .scale_built_in = true},
    {.name = "dion",
     .lr = 0.01,
     .options = R"({"mu": 0.95, "rank_fraction": 0.25, "eps": 1e-8})",
     .adjust_lr = Scale::spectral},
    {.name = "ef_muon", .lr = 0.02, .options = R"({"momentum": 0.9})"},
    {.name = "freon",
     .lr = 0.02,
     .options = R"({"c": 0.66666666666666666, "momentum": 0.95, "nesterov": true,
                    "normalization": "covariant", "floor": 1e-7})"},
    {.name = "kaon",
     .lr = 0.02,
     .options = R"({"momentum": 0.95, "nesterov": true, "ns_steps": 5, "gain": 4.1,
                    "divisor": 1.175, "eps": 1e-12})"},
    {.name = "lion",
     .lr = 1e-4,
     .options = R"({"betas": [0.9, 0.99]})",
     .any_rank = true,
     .entrywise = true},
    {.name = "muon",
     .lr = 0.02,
     .options = R"({"momentum": 0.95, "nesterov": true, "momentum_form": "ema", "polar": "jordan",
                    "ns_steps": "off", "eps": 1e-7, "eps_mode": "add"})",
     .adjust_lr = Scale::original},
    {.name = "normalized_sgd",
     .lr = 0.02,
     .options = R"({"momentum": 0.95, "eps": 1e-12})",
     .any_rank = true},
    {.name = "normuon",
     .lr = 0.02,
     .options = R"({"momentum": 0.95, "beta2": 0.95, "eps": 1e-10})",
     .adjust_lr = Scale::original},
    {.name = "pion",
     .lr = 1e-3,
     .options = R"({"betas": [0.9, 0.95], "eps": 1e-8, "rms": 0.2, "retraction": "taylor2",
                    "sides": "alternating"})",
     .scale_built_in = true},
    {.name = "polargrad", .lr = 0.02, .options = R"({"momentum": 0.95})"},
    {.name = "regularized_muon",
     .lr = 0.02,
     .options = R"({"momentum": 0.95, "nesterov": false, "epsilon": 0.01,
                    "epsilon_mode": "absolute"})"},
    {.name = "scion",
     .lr = 1e-3,
     .options = R"({"momentum": 0.9, "norm": "spectral", "radius": 1, "constrained": false})",
     .scale_built_in = true},
    {.name = "sgd",
     .lr = 0.01,
     .options = R"({"momentum": 0, "dampening": 0, "nesterov": false})",
     .decay = Decay::coupled,
     .any_rank = true,
     .entrywise = true},
    {.name = "shampoo",
     .lr = 0.01,
     .options = R"({"beta1": 0.9, "beta2": 0.95, "k": 0.25, "epsilon": 1e-12,
                    "precondition_frequency": 1, "grafting": "adam", "block_size": "off",
                    "one_sided": "none"})"},
    {.name = "signum",
     .lr = 1e-3,
     .options = R"({"momentum": 0.95, "nesterov": false})",
     .any_rank = true,
     .entrywise = true},
    {.name = "soap",
     .lr = 3e-3,
     .options = R"({"betas": [0.95, 0.95], "shampoo_beta": "off", "eps": 1e-8,
                    "precondition_frequency": 10, "max_precond_dim": 10000,
                    "correct_bias": true})",
     .decay = Decay::after},
}};

struct Preset {
  std::string_view name, options;
};
constexpr std::array<Preset, 21> kPresets{{
    {"adam", R"({"decay": "coupled"})"},
    {"adamuon.kozistr",
     R"({"momentum": 0.9, "beta2": 0.95, "eps": 1e-10, "sign_input": false, "lr": 0.02})"},
    {"adamuon.paper", R"({"momentum": 0.95, "beta2": 0.95, "eps": 1e-8, "sign_input": true})"},
    {"asgo.official",
     R"({"momentum": 0.9, "beta2": 0.8, "eps": 1e-10, "lr": 0.01, "weight_decay": 0.1})"},
    {"dasgo.official",
     R"({"momentum": 0.9, "beta2": 0.95, "eps": 1e-8, "lr": 0.01, "weight_decay": 0.1})"},
    {"dion.official", R"({"mu": 0.95, "rank_fraction": 0.25, "eps": 1e-8, "lr": 0.01,
                          "weight_decay": 0.01, "adjust_lr": "spectral"})"},
    {"freon.cifar", R"({"c": 0.66666666666666666, "momentum": 0.95, "nesterov": true,
                        "normalization": "covariant", "lr": 0.02, "adjust_lr": "none"})"},
    {"kaon.cifar", R"({"momentum": 0.95, "nesterov": true, "ns_steps": 5, "gain": 4.1,
                       "divisor": 1.175, "eps": 1e-12, "lr": 0.02, "adjust_lr": "none"})"},
    {"muon.jordan", R"({"momentum": 0.95, "nesterov": true, "momentum_form": "ema",
                        "polar": "jordan", "ns_steps": 5, "eps": 1e-7, "eps_mode": "add",
                        "lr": 0.02, "adjust_lr": "original"})"},
    {"muon.moonlight", R"({"momentum": 0.95, "nesterov": true, "momentum_form": "sum",
                           "polar": "jordan", "ns_steps": 5, "eps": 1e-7, "eps_mode": "add",
                           "lr": 1e-3, "weight_decay": 0.1, "adjust_lr": "match_rms_adamw"})"},
    {"muon.pytorch", R"({"momentum": 0.95, "nesterov": true, "momentum_form": "ema",
                         "polar": "jordan", "ns_steps": 5, "eps": 1e-7, "eps_mode": "max",
                         "lr": 1e-3, "weight_decay": 0.1, "adjust_lr": "original"})"},
    {"normuon.official", R"({"momentum": 0.95, "beta2": 0.95, "eps": 1e-10, "lr": 0.02,
                             "adjust_lr": "original"})"},
    {"pion.alternating", R"({"betas": [0.9, 0.95], "eps": 1e-8, "rms": 0.2,
                             "retraction": "taylor2", "sides": "alternating", "lr": 1e-3})"},
    {"pion.bilateral", R"({"betas": [0.9, 0.95], "eps": 1e-8, "rms": 0.2,
                           "retraction": "taylor2", "sides": "both", "lr": 1e-3})"},
    {"scion.mlp_hidden", R"({"norm": "spectral", "radius": 1, "momentum": 0.9,
                             "constrained": true, "lr": 0.015625})"},
    {"scion.mlp_output", R"({"norm": "sign", "radius": 1024, "momentum": 0.9,
                             "constrained": true, "lr": 0.015625})"},
    {"scion.nanogpt_head", R"({"norm": "sign", "radius": 3000, "momentum": 0.9,
                               "constrained": true, "lr": 0.000244140625})"},
    {"scion.nanogpt_hidden", R"({"norm": "spectral", "radius": 50, "momentum": 0.9,
                                 "constrained": true, "lr": 0.000244140625})"},
    {"shampoo.half", R"({"beta1": 0.9, "beta2": 0.95, "k": 0.5, "epsilon": 1e-12,
                         "precondition_frequency": 1, "grafting": "adam", "lr": 0.01})"},
    {"shampoo.quarter", R"({"beta1": 0.9, "beta2": 0.95, "k": 0.25, "epsilon": 1e-12,
                            "precondition_frequency": 1, "grafting": "adam", "lr": 0.01})"},
    {"soap.reference", R"({"betas": [0.95, 0.95], "eps": 1e-8, "precondition_frequency": 10,
                           "max_precond_dim": 10000, "correct_bias": true, "lr": 3e-3,
                           "weight_decay": 0.01})"},
}};

using Of = CataloguePowers::Of;
constexpr Of kArea{.rows = 0.5, .cols = 0.5};  // sqrt(rows cols)
constexpr Of kGradient{.gradient = 1};

CataloguePowers powers_of_freon(const Json& o) {
  const auto normalization = o.at("normalization").get<std::string>();
  const double c = o.at("c").get<double>();
  if (normalization == "none") return {.step = {.gradient = 1 - 2 * c}};
  if (normalization == "schatten" || c == 1) return {};
  return {.step = {.shorter = (1 - 2 * c) / (2 - 2 * c)}};
}

CataloguePowers powers_of_soap(const Json& o, Index m, Index n) {
  const double longest = o.at("max_precond_dim").get<double>();
  CataloguePowers p{.epsilon = "eps", .of_epsilon = kGradient};
  if (static_cast<double>(m) > longest) p.step.rows = 0.5, p.of_epsilon.rows = -0.5;
  if (static_cast<double>(n) > longest) p.step.cols = 0.5, p.of_epsilon.cols = -0.5;
  return p;
}

}  // namespace

const CatalogueEntry* catalogue_entry(std::string_view rule) {
  const auto it = std::find_if(kRules.begin(), kRules.end(),
                               [&](const CatalogueEntry& entry) { return entry.name == rule; });
  return it == kRules.end() ? nullptr : &*it;
}

const CatalogueEntry* entry_of(std::string_view name) {
  return catalogue_entry(name == "adam" ? "adamw" : name.substr(0, name.find('.')));
}

std::string_view catalogue_preset(std::string_view name) {
  for (const auto& preset : kPresets) {
    if (preset.name == name) return preset.options;
  }
  return {};
}

std::optional<CataloguePowers> catalogue_powers(std::string_view rule, const Json& o, Index m,
                                                Index n) {
  if (rule == "sgd" || rule == "polargrad" || rule == "ef_muon") return {{.step = kGradient}};
  if (rule == "normalized_sgd" || rule == "muon" || rule == "dion" || rule == "kaon") {
    return {{.epsilon = "eps", .of_epsilon = kGradient}};
  }
  if (rule == "regularized_muon") {
    if (o.at("epsilon_mode") == "relative") return {CataloguePowers{}};
    return {{.epsilon = "epsilon", .of_epsilon = kGradient}};
  }
  if (rule == "normuon") return {{.epsilon = "eps", .of_epsilon = {.rows = -0.5, .cols = -0.5}}};
  if (rule == "adamw") {
    return {{.step = kArea,
             .epsilon = "eps",
             .of_epsilon = {.gradient = 1, .rows = -0.5, .cols = -0.5}}};
  }
  if (rule == "signum" || rule == "lion" || rule == "asgo") return {{.step = kArea}};
  if (rule == "dasgo") {
    return {{.step = kArea, .epsilon = "eps", .of_epsilon = {.gradient = 2, .cols = -1}}};
  }
  if (rule == "pion") {
    return {{.step = kArea, .epsilon = "eps", .of_epsilon = {.gradient = 1, .cols = -1}}};
  }
  if (rule == "adamuon") {
    const double full = o.at("sign_input").get<bool>() ? 0.5 : 0;
    return {{.step = {.rows = 0.5, .cols = 0.5, .shorter = -full},
             .epsilon = "eps",
             .of_epsilon = {.rows = -0.5, .cols = -0.5, .shorter = full}}};
  }
  if (rule == "scion") {
    const bool column = o.at("norm") == "column";
    return {{.step = {.rows = 0.5, .cols = column ? 0.5 : -0.5}}};
  }
  if (rule == "shampoo") {
    if (o.at("grafting") != "none") return {{.step = kArea}};
    const double sides = o.at("one_sided") == "none" ? 2 : 1;
    return {{.step = {.gradient = 1 - 2 * sides * o.at("k").get<double>()}}};
  }
  if (rule == "freon") return powers_of_freon(o);
  if (rule == "soap") return powers_of_soap(o, m, n);
  return {};
}

}  // namespace muonflow::optim::detail

// What every rule of the catalogue is by default, typed a second time.
//
// The audit must not take from a rule's own file what that file is to be judged by: a default that
// is wrong there would be wrong here too. So defaults, presets, decay forms, shape scales and the
// powers of hyperparameter transfer stand here once more, and a test holds both side by side. A
// rule that is not here (somebody's own) is judged by what its file says.
#pragma once

#include <array>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string_view>

#include "muonflow/core/fields.hpp"
#include "muonflow/optim/rule.hpp"

namespace muonflow::optim::detail {

struct CatalogueEntry {
  std::string_view name{};
  double lr = 0;
  std::string_view options{};  // with their defaults, as JSON
  Decay decay = Decay::before;
  Scale adjust_lr = Scale::none;
  bool scale_built_in = false;
  bool any_rank = false;   // takes vectors too
  bool entrywise = false;  // an entry of a step depends on that entry of the gradient alone
};

// Null: not of the catalogue.
const CatalogueEntry* catalogue_entry(std::string_view rule);

// The same of a rule or preset as a configuration names it: "muon", "muon.jordan", "adam".
const CatalogueEntry* entry_of(std::string_view name);

// Option values of "muon.jordan", or of "adam"; empty: no such name.
std::string_view catalogue_preset(std::string_view name);

// |D|_op ~ g^gradient rows^rows cols^cols min(rows, cols)^shorter, and the same of what an epsilon
// is compared with: docs/theory/transfer.md. `epsilon` empty: nothing is compared.
struct CataloguePowers {
  struct Of {
    double gradient = 0, rows = 0, cols = 0, shorter = 0;
  };
  Of step{};
  std::string_view epsilon{};
  Of of_epsilon{};
};
// Of a rule with these options on a matrix [m, n]; none: not of the catalogue.
std::optional<CataloguePowers> catalogue_powers(std::string_view rule, const Json& options, Index m,
                                                Index n);

}  // namespace muonflow::optim::detail

// Every rule: one line a rule, in alphabetical order. Include rule_registry.hpp to look rules up by
// name; this file is for the registry itself and for code that names a rule struct.
#pragma once

#include "muonflow/optim/rules/adamw.hpp"
#include "muonflow/optim/rules/muon.hpp"
#include "muonflow/optim/rules/regularized_muon.hpp"
#include "muonflow/optim/rules/sgd.hpp"

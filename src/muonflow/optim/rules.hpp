// Every rule: one line a rule, in alphabetical order. Include rule_registry.hpp to look rules up by
// name; this file is for the registry itself and for code that names a rule struct.
#pragma once

#include "muonflow/optim/rules/adamuon.hpp"
#include "muonflow/optim/rules/adamw.hpp"
#include "muonflow/optim/rules/asgo.hpp"
#include "muonflow/optim/rules/dasgo.hpp"
#include "muonflow/optim/rules/dion.hpp"
#include "muonflow/optim/rules/ef_muon.hpp"
#include "muonflow/optim/rules/freon.hpp"
#include "muonflow/optim/rules/kaon.hpp"
#include "muonflow/optim/rules/lion.hpp"
#include "muonflow/optim/rules/muon.hpp"
#include "muonflow/optim/rules/normalized_sgd.hpp"
#include "muonflow/optim/rules/normuon.hpp"
#include "muonflow/optim/rules/pion.hpp"
#include "muonflow/optim/rules/polargrad.hpp"
#include "muonflow/optim/rules/regularized_muon.hpp"
#include "muonflow/optim/rules/scion.hpp"
#include "muonflow/optim/rules/sgd.hpp"
#include "muonflow/optim/rules/shampoo.hpp"
#include "muonflow/optim/rules/signum.hpp"
#include "muonflow/optim/rules/soap.hpp"

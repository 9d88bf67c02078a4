// Six novels of Jane Austen, from the Debian package r-cran-janeaustenr: four million bytes of
// plain English, five books to train on and a whole book, Persuasion, held out.
#pragma once

#include "muonflow/data/datasets.hpp"

namespace muonflow::data {

DatasetEntry austen();

}  // namespace muonflow::data

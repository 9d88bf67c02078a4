#include "muonflow/data/datasets/austen.hpp"

#include "muonflow/core/error.hpp"
#include "muonflow/data/rdb.hpp"

namespace muonflow::data {
namespace {

constexpr std::size_t kNovels = 6;  // in alphabetical order of their titles, Emma first
constexpr std::size_t kPersuasion = 3;

// Splitting by book leaves no sentence on both sides, which a split of one text by place could.
Corpus decode(const std::filesystem::path& file) {
  const auto novels = read_rdb_texts(file);
  if (novels.size() != kNovels) {
    throw IoError({.place = file.string(),
                   .expected = std::to_string(kNovels) + " novels",
                   .found = std::to_string(novels.size())});
  }
  Corpus text;
  for (std::size_t i = 0; i < novels.size(); ++i) {
    auto& part = i == kPersuasion ? text.validation : text.training;
    part.insert(part.end(), novels[i].begin(), novels[i].end());
  }
  return text;
}

}  // namespace

DatasetEntry austen() {
  return {.name = "austen",
          .summary = "six novels of Jane Austen; Persuasion is the validation text",
          .licence = "text in the public domain, package janeaustenr under the MIT licence",
          .obtain = "apt-get download r-cran-janeaustenr && dpkg -x r-cran-janeaustenr_*.deb DIR",
          .digest = "b51cdff68e61cb0a5255d86f07e416833c4742823864448f5ee9e534084ff38b",
          .bytes = 4'025'029,
          .installed = "/usr/lib/R/site-library/janeaustenr/data/Rdata.rdb",
          .layouts = {"austen/Rdata.rdb", "usr/lib/R/site-library/janeaustenr/data/Rdata.rdb",
                      "janeaustenr/data/Rdata.rdb", "data/Rdata.rdb", "Rdata.rdb"},
          .decode = decode};
}

}  // namespace muonflow::data

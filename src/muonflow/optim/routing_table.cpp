#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "muonflow/optim/routing.hpp"

namespace muonflow::optim {

std::string RoutingTable::to_text() const {
  using Line = std::array<std::string, 7>;
  std::vector<Line> lines{
      {"tensor", "shape", "role", "rule", "learning rate", "multiplier", "reason"}};
  for (const auto& row : rows) {
    const auto around = row.resolved.transforms.to_text();
    lines.push_back({row.tensor, to_string(row.shape), std::string(name_of(row.role)),
                     around.empty() ? row.rule : row.rule + " (" + around + ")", shortest(row.lr),
                     fmt::format("{:.4g}", row.multiplier), row.reason});
  }
  std::array<std::size_t, 7> width{};
  for (const auto& line : lines) {
    for (std::size_t i = 0; i < line.size(); ++i) width[i] = std::max(width[i], line[i].size());
  }
  std::string text;
  for (const auto& line : lines) {
    std::string out;
    for (std::size_t i = 0; i + 1 < line.size(); ++i) {
      out += fmt::format("{:<{}}  ", line[i], width[i]);
    }
    text += out + line.back() + "\n";
  }
  return text;
}

}  // namespace muonflow::optim

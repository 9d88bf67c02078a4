#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "muonflow/optim/routing.hpp"

namespace muonflow::optim {

namespace {

// "lr 0.25, eps 0.25, decay 0.25, init 0.5": what is not 1, and lr always.
std::string transfer_text(const Route& row) {
  if (!row.has_base) return "-";
  const auto& by = row.transfer;
  auto text = fmt::format("lr {:.4g}", by.lr);
  for (const auto& [name, value] : {std::pair{"eps", by.epsilon},
                                    {"decay", row.weight_decay == 0 ? 1 : by.weight_decay},
                                    {"init", by.initial}}) {
    const auto shown = fmt::format("{:.4g}", value);
    if (shown != "1") text += fmt::format(", {} {}", name, shown);
  }
  return text;
}

}  // namespace

RoutingTable::Messages RoutingTable::messages(std::size_t scalar) const {
  Messages all;
  for (const auto& row : rows) {
    const auto& feedback = row.resolved.transforms.error_feedback;
    if (!feedback.on) continue;
    for (const auto [m, n] :
         matrices_of(row.shape, row.role, row.resolved.layout, row.split_sizes, row.num_heads)) {
      all.bytes += feedback.compression.bytes(m, n, scalar);
      all.plain += Compression{}.bytes(m, n, scalar);
    }
  }
  return all;
}

std::string RoutingTable::to_text() const {
  using Line = std::array<std::string, 8>;
  const bool transferred =
      std::any_of(rows.begin(), rows.end(), [](const Route& row) { return row.has_base; });
  std::vector<Line> lines{
      {"tensor", "shape", "role", "rule", "learning rate", "multiplier", "transfer", "reason"}};
  for (const auto& row : rows) {
    const auto around = row.resolved.transforms.to_text();
    lines.push_back({row.tensor, to_string(row.shape), std::string(name_of(row.role)),
                     around.empty() ? row.rule : row.rule + " (" + around + ")", shortest(row.lr),
                     fmt::format("{:.4g}", row.multiplier), transfer_text(row), row.reason});
  }
  std::array<std::size_t, 8> width{};
  for (const auto& line : lines) {
    for (std::size_t i = 0; i < line.size(); ++i) width[i] = std::max(width[i], line[i].size());
  }
  std::string text;
  for (const auto& line : lines) {
    std::string out;
    for (std::size_t i = 0; i + 1 < line.size(); ++i) {
      if (i == 6 && !transferred) continue;
      out += fmt::format("{:<{}}  ", line[i], width[i]);
    }
    text += out + line.back() + "\n";
  }
  return text;
}

}  // namespace muonflow::optim

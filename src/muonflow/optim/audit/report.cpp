#include "muonflow/optim/audit/report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "muonflow/core/text.hpp"

namespace muonflow::optim {

std::string AuditCheck::to_line() const {
  if (verdict == Verdict::off) return fmt::format("{}: {}: not judged: {}", tensor, quantity, note);
  const auto why = note.empty() ? "" : " (" + note + ")";
  if (!expected_words.empty()) {
    return fmt::format("{}: {}: expected {}, found {}{}", tensor, quantity, expected_words,
                       found_words, why);
  }
  return fmt::format("{}: {}: expected {:.6g} within {:.2g}, found {:.6g}{}", tensor, quantity,
                     expected, bound, found, why);
}

const AuditCheck* AuditReport::failure() const {
  const auto it = std::find_if(checks.begin(), checks.end(), [](const AuditCheck& check) {
    return check.verdict == Verdict::failed;
  });
  return it == checks.end() ? nullptr : &*it;
}

std::int64_t AuditReport::judged() const {
  return std::count_if(checks.begin(), checks.end(),
                       [](const AuditCheck& check) { return check.verdict != Verdict::off; });
}

std::int64_t AuditReport::failed() const {
  return std::count_if(checks.begin(), checks.end(),
                       [](const AuditCheck& check) { return check.verdict == Verdict::failed; });
}

std::string AuditReport::to_text() const {
  std::size_t tensor = 6, rule = 4, quantity = 8;
  for (const auto& check : checks) {
    tensor = std::max(tensor, check.tensor.size());
    rule = std::max(rule, check.rule.size());
    quantity = std::max(quantity, check.quantity.size());
  }
  std::string text =
      fmt::format("{:<{}}  {:<{}}  {:<{}}  {:>12}  {:>12}  {:>9}  verdict\n", "tensor", tensor,
                  "rule", rule, "quantity", quantity, "expected", "found", "bound");
  for (const auto& check : checks) {
    const bool off = check.verdict == Verdict::off;
    const auto number = [&](double value, int digits, const std::string& words = {}) {
      if (!words.empty()) return words;
      return off ? std::string("-") : fmt::format("{:.{}g}", value, digits);
    };
    text += fmt::format("{:<{}}  {:<{}}  {:<{}}  {:>12}  {:>12}  {:>9}  {}{}\n", check.tensor,
                        tensor, check.rule, rule, check.quantity, quantity,
                        number(check.expected, 6, check.expected_words),
                        number(check.found, 6, check.found_words), number(check.bound, 2),
                        enum_name(check.verdict), check.note.empty() ? "" : ": " + check.note);
  }
  return text;
}

Json AuditReport::to_json() const {
  Json rows = Json::array();
  const auto number = [](double value, const std::string& words = {}) {
    return !words.empty() ? Json(words) : std::isfinite(value) ? Json(value) : Json();
  };
  for (const auto& check : checks) {
    rows.push_back({{"tensor", check.tensor},
                    {"rule", check.rule},
                    {"quantity", check.quantity},
                    {"expected", number(check.expected, check.expected_words)},
                    {"found", number(check.found, check.found_words)},
                    {"bound", number(check.bound)},
                    {"verdict", enum_name(check.verdict)},
                    {"note", check.note}});
  }
  return rows;
}

void AuditReport::append(AuditReport other) {
  checks.insert(checks.end(), std::make_move_iterator(other.checks.begin()),
                std::make_move_iterator(other.checks.end()));
}

}  // namespace muonflow::optim

#include "muonflow/report/mathematics.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include "muonflow/report/markup.hpp"

namespace muonflow::report {
namespace {

using Pair = std::pair<std::string_view, std::string_view>;

constexpr std::array<Pair, 14> kWords{{{"gamma", "γ"},
                                       {"epsilon", "ε"},
                                       {"lambda", "λ"},
                                       {"delta", "δ"},
                                       {"kappa", "κ"},
                                       {"theta", "θ"},
                                       {"sigma", "σ"},
                                       {"rho", "ρ"},
                                       {"tau", "τ"},
                                       {"mu", "μ"},
                                       {"nu", "ν"},
                                       {"Phi", "Φ"},
                                       {"grad", "∇"},
                                       {"sqrt", "√"}}};
constexpr std::array<Pair, 3> kSigns{{{"<=", "≤"}, {">=", "≥"}, {"||", "‖"}}};

bool letter(char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0; }
bool digit(char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; }

// The letters that begin at `at`.
std::string_view word_at(std::string_view text, std::size_t at) {
  auto end = at;
  while (end < text.size() && letter(text[end])) ++end;
  return text.substr(at, end - at);
}

// A minus, not a hyphen: between spaces, or before a term and after something that opens one.
bool is_minus(std::string_view text, std::size_t at) {
  const char before = at == 0 ? ' ' : text[at - 1];
  const char after = at + 1 < text.size() ? text[at + 1] : ' ';
  const bool opens = before == ' ' || before == '(' || before == '[' || before == '{' ||
                     before == '^' || before == '/' || before == '=';
  return opens && (after == ' ' || letter(after) || digit(after) || after == '.');
}

// A prime follows a single letter and no letter follows it: E', but not "G's" or "seeds'".
bool is_prime(std::string_view text, std::size_t at) {
  if (at == 0 || !letter(text[at - 1])) return false;
  if (at > 1 && letter(text[at - 2])) return false;
  return at + 1 >= text.size() || !letter(text[at + 1]);
}

// Where a word may be a symbol: not inside a name such as flow-epsilon or epsilon_max.
bool stands_alone(std::string_view text, std::size_t at, std::size_t length) {
  const char before = at == 0 ? ' ' : text[at - 1];
  const char after = at + length < text.size() ? text[at + length] : ' ';
  if (digit(after) || after == '-') return false;
  const bool long_index =
      after == '_' && at + length + 2 < text.size() && letter(text[at + length + 2]);
  if (long_index && text.substr(at, length) != "Phi") return false;
  const bool subscript =
      before == '_' && at > 1 &&
      (at == 2 || !letter(text[at - 3]) || (at > 3 && text.substr(at - 4, 3) == "Phi"));
  const bool minus = before == '-' && is_minus(text, at - 1);
  return subscript || minus || !(letter(before) || digit(before) || before == '_' || before == '-');
}

// What may carry an index: a single letter or sign, or a word that is used like one.
bool carries_index(std::string_view text, std::size_t at) {
  if (at == 0) return false;
  const auto before = static_cast<unsigned char>(text[at - 1]);
  if (before >= 0x80 || before == ')' || before == ']') return true;  // Greek, or ‖
  if (!letter(text[at - 1])) return false;
  auto from = at - 1;
  while (from > 0 && (letter(text[from - 1]) || text[from - 1] == '_')) --from;
  const auto word = text.substr(from, at - from);
  return word.size() == 1 || word == "sup" || word == "copy";
}

// The index or exponent that begins at `at`: {...}, a sign and digits, letters, or a star; and how
// many characters it takes.
std::pair<std::string_view, std::size_t> script_at(std::string_view text, std::size_t at) {
  if (at >= text.size()) return {};
  if (text[at] == '{') {
    const auto end = text.find('}', at);
    if (end == std::string_view::npos) return {};
    return {text.substr(at + 1, end - at - 1), end + 1 - at};
  }
  if (text[at] == '*') return {text.substr(at, 1), 1};
  auto end = at;
  const std::string_view minus = "−";
  if (text.substr(at, minus.size()) == minus) end += minus.size();
  const auto digits = end;
  while (end < text.size() && digit(text[end])) ++end;
  if (end == digits) {
    end = at;
    // A Greek letter (U+0380 to U+03FF) is two bytes.
    const auto lead = static_cast<unsigned char>(text[end]);
    if (lead == 0xCE || lead == 0xCF) end += 2;
    while (end < text.size() && letter(text[end])) ++end;
  }
  return {text.substr(at, end - at), end - at};
}

// "1e-09" or "6.25e-07" at a place where a number may begin; how many characters it takes.
std::size_t power_of_ten(std::string_view text, std::size_t at, std::string& out) {
  if (at > 0 && (letter(text[at - 1]) || digit(text[at - 1]) || text[at - 1] == '.')) return 0;
  auto end = at;
  while (end < text.size() && (digit(text[end]) || text[end] == '.')) ++end;
  if (end == at || end + 1 >= text.size() || text[end] != 'e') return 0;
  const auto mantissa = text.substr(at, end - at);
  ++end;
  const bool negative = text[end] == '-';
  if (negative || text[end] == '+') ++end;
  auto digits = end;
  while (end < text.size() && digit(text[end])) ++end;
  if (end == digits || (end < text.size() && letter(text[end]))) return 0;
  while (digits + 1 < end && text[digits] == '0') ++digits;
  if (mantissa != "1") out += std::string(mantissa) + "\u00A0×\u00A0";
  out += "10<sup>" + std::string(negative ? "−" : "") +
         std::string(text.substr(digits, end - digits)) + "</sup>";
  return end - at;
}

}  // namespace

std::string mathematics(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const auto sign = std::find_if(kSigns.begin(), kSigns.end(), [&](const Pair& pair) {
      return text.substr(at, pair.first.size()) == pair.first;
    });
    if (sign != kSigns.end()) {
      out += sign->second;
      at += sign->first.size();
      continue;
    }
    const auto word = word_at(text, at);
    const auto symbol = std::find_if(kWords.begin(), kWords.end(),
                                     [&](const Pair& pair) { return pair.first == word; });
    if (symbol != kWords.end() && stands_alone(text, at, word.size())) {
      out += symbol->second;
      at += word.size();
      // ∇Φ and not ∇ Φ.
      if (word == "grad" && text.substr(at, 1) == " ") ++at;
      continue;
    }
    if (!word.empty()) {
      out += word;
      at += word.size();
      continue;
    }
    const char c = text[at];
    if (c == '-' && is_minus(text, at)) {
      out += "−";
    } else if (c == '\'' && is_prime(text, at)) {
      out += "′";
    } else {
      out += c;
    }
    ++at;
  }
  return out;
}

std::string mathematics_html(std::string_view text) {
  const auto plain = mathematics(text);
  const std::string_view view = plain;
  std::string out, pending;
  const auto flush = [&] {
    out += escape(pending);
    pending.clear();
  };
  for (std::size_t at = 0; at < view.size();) {
    std::string power;
    const auto taken = digit(view[at]) ? power_of_ten(view, at, power) : 0;
    if (taken > 0) {
      flush();
      out += power;
      at += taken;
      continue;
    }
    const bool raised = view[at] == '^', lowered = view[at] == '_' && carries_index(view, at);
    if (raised || lowered) {
      const auto [script, length] = script_at(view, at + 1);
      if (length > 0) {
        flush();
        const std::string tag = raised ? "sup" : "sub";
        out += "<" + tag + ">" + escape(script) + "</" + tag + ">";
        at += 1 + length;
        continue;
      }
    }
    pending += view[at++];
  }
  flush();
  return out;
}

}  // namespace muonflow::report

#include "muonflow/report/markup.hpp"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

namespace muonflow::report {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD
constexpr std::string_view kAbsent = "<span class=\"absent\" title=\"not recorded\">–</span>";
constexpr std::string_view kMinus = "−";

// The length of the UTF-8 sequence that starts at `at`, 0 where there is none (RFC 3629: no
// overlong forms, no surrogates, nothing above U+10FFFF).
std::size_t utf8_length(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) {
    return at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : 0U;
  };
  const auto tail = [&](std::size_t i) { return (byte(i) & 0xC0U) == 0x80U; };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return tail(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    const bool overlong = first == 0xE0 && byte(1) < 0xA0;
    const bool surrogate = first == 0xED && byte(1) > 0x9F;
    return tail(1) && tail(2) && !overlong && !surrogate ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    const bool overlong = first == 0xF0 && byte(1) < 0x90;
    const bool beyond = first == 0xF4 && byte(1) > 0x8F;
    return tail(1) && tail(2) && tail(3) && !overlong && !beyond ? 4 : 0;
  }
  return 0;
}

std::string grouped(std::string digits) {
  const auto start = digits.find_first_of("0123456789");
  auto end = digits.find('.');
  if (end == std::string::npos) end = digits.size();
  for (auto at = end; at > start + 3; at -= 3) digits.insert(at - 3, ",");
  return digits;
}

std::string with_minus(std::string text) {
  if (!text.empty() && text.front() == '-') text.replace(0, 1, kMinus);
  return text;
}

}  // namespace

std::string escape(std::string_view text) {
  std::string out;
  out.reserve(text.size() + text.size() / 8);
  for (std::size_t at = 0; at < text.size();) {
    const auto length = utf8_length(text, at);
    const char c = text[at];
    if (length == 0) {
      out += kReplacement;
      ++at;
      continue;
    }
    if (length > 1) {
      out += text.substr(at, length);
    } else if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else if (c == '"') {
      out += "&quot;";
    } else if (c == '\'') {
      out += "&#39;";
    } else if ((c >= 0 && c < 0x20 && c != '\n' && c != '\t') || c == 0x7F) {
      out += kReplacement;
    } else {
      out += c;
    }
    at += length;
  }
  return out;
}

std::string embed_json(const Json& value) {
  const auto plain = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  std::string out;
  out.reserve(plain.size());
  for (std::size_t at = 0; at < plain.size(); ++at) {
    const char c = plain[at];
    const auto next = std::string_view(plain).substr(at, 3);
    if (c == '<' || c == '>' || c == '&') {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else if (next == "\xE2\x80\xA8" || next == "\xE2\x80\xA9") {
      out += next.back() == '\xA8' ? "\\u2028" : "\\u2029";
      at += 2;
    } else {
      out += c;
    }
  }
  return out;
}

std::string number_html(double value, int digits) {
  if (!std::isfinite(value)) return std::string(kAbsent);
  if (value == 0) return "0";
  const double size = std::abs(value);
  if (size >= 1e-3 && size < 1e7) {
    // Enough decimals for the digits asked for, none of them trailing zeros.
    const int whole = static_cast<int>(std::floor(std::log10(size))) + 1;
    auto text = fmt::format("{:.{}f}", value, std::max(0, digits - whole));
    if (text.find('.') != std::string::npos) {
      text.erase(text.find_last_not_of('0') + 1);
      if (text.back() == '.') text.pop_back();
    }
    return with_minus(grouped(text));
  }
  const auto text = fmt::format("{:.{}e}", value, std::max(0, std::min(digits, 3) - 1));
  const auto split = text.find('e');
  const int exponent = std::stoi(text.substr(split + 1));
  return fmt::format("{}\u00A0×\u00A010<sup>{}</sup>", with_minus(text.substr(0, split)),
                     with_minus(std::to_string(exponent)));
}

std::string fixed_html(double value, int decimals) {
  if (!std::isfinite(value)) return std::string(kAbsent);
  return with_minus(grouped(fmt::format("{:.{}f}", value, decimals)));
}

std::string count_html(double value) { return fixed_html(value, 0); }

std::string duration_html(double seconds) {
  if (!std::isfinite(seconds)) return std::string(kAbsent);
  if (seconds < 10) return fmt::format("{:.2f} s", seconds);
  if (seconds < 119.95) return fmt::format("{:.1f} s", seconds);
  const auto whole = std::llround(seconds);
  if (whole < 3600) return fmt::format("{} min {} s", whole / 60, whole % 60);
  const auto minutes = std::llround(seconds / 60);
  return fmt::format("{} h {} min", minutes / 60, minutes % 60);
}

std::string count_word(std::size_t count) {
  constexpr std::array<std::string_view, 13> words{"no",   "one",    "two",   "three", "four",
                                                   "five", "six",    "seven", "eight", "nine",
                                                   "ten",  "eleven", "twelve"};
  return count < words.size() ? std::string(words[count]) : std::to_string(count);
}

std::string prose_list(const std::vector<std::string>& items) {
  std::string out;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (i > 0) out += i + 1 == items.size() ? " and " : ", ";
    out += items[i];
  }
  return out;
}

std::string table_html(const Table& table) {
  const auto cell = [](std::string_view tag, const Cell& c, std::string_view scope) {
    std::string open = fmt::format("<{}", tag);
    if (!c.kind.empty()) open += fmt::format(" class=\"{}\"", c.kind);
    if (!scope.empty()) open += fmt::format(" scope=\"{}\"", scope);
    return fmt::format("{}>{}</{}>", open, c.markup, tag);
  };
  std::string out = "<div class=\"table\" tabindex=\"0\">\n<table>\n";
  if (!table.caption.empty())
    out += fmt::format("<caption><span>{}</span></caption>\n", table.caption);
  out += "<thead><tr>";
  for (const auto& head : table.head) out += cell("th", head, "col");
  out += "</tr></thead>\n<tbody>\n";
  for (const auto& row : table.rows) {
    out += "<tr>";
    for (std::size_t i = 0; i < row.size(); ++i) {
      out += i == 0 ? cell("th", row[i], "row") : cell("td", row[i], "");
    }
    out += "</tr>\n";
  }
  return out + "</tbody>\n</table>\n</div>\n";
}

std::string details_html(const std::string& summary, const std::string& body) {
  return fmt::format("<details>\n<summary>{}</summary>\n{}</details>\n", summary, body);
}

}  // namespace muonflow::report

// Text into markup: escaping, numbers and tables as the page writes them.
//
// Everything that comes from a run folder (names, paths, samples, configuration) is hostile input
// and goes through escape() or embed_json(); nothing else may put such text into the page.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "muonflow/core/fields.hpp"

namespace muonflow::report {

// Safe as text and inside a quoted attribute: & < > " ' become references, control characters that
// HTML forbids become U+FFFD, and bytes that are not UTF-8 likewise.
std::string escape(std::string_view text);

// JSON that may stand inside <script type="application/json">: < > & and the line separators
// U+2028/9 are written as \u escapes, so that no text can close the element or open a comment.
// Values that are not finite become null.
std::string embed_json(const Json& value);

// "0.0123", "1,234.5", "2.5 × 10<sup>−7</sup>" (kept on one line); a dash with a hidden word where
// not finite.
std::string number_html(double value, int digits = 4);
// A fixed number of decimals: "1.5120"; the dash likewise.
std::string fixed_html(double value, int decimals);
// "1,200"
std::string count_html(double value);
// "0.42 s", "42.1 s", "3 min 20 s", "1 h 12 min"
std::string duration_html(double seconds);
// "three" up to twelve, then digits.
std::string count_word(std::size_t count);

// A list as prose: "a", "a and b", "a, b and c". Items are markup.
std::string prose_list(const std::vector<std::string>& items);

// One cell of a table; `markup` is already escaped.
struct Cell {
  std::string markup;
  std::string_view kind = {};  // class: "number", "number best", "words"
};

struct Table {
  std::string caption;  // markup
  std::vector<Cell> head;
  std::vector<std::vector<Cell>> rows;  // the first cell of a row is its header
};
// Inside a box that scrolls, reachable by keyboard.
std::string table_html(const Table& table);

// <details> with a summary; both are markup.
std::string details_html(const std::string& summary, const std::string& body);

}  // namespace muonflow::report

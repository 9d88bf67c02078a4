#include "tests/report/page_check.hpp"

#include <array>
#include <map>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <stdexcept>

namespace muonflow::test {
namespace {

constexpr std::array<std::string_view, 6> kVoid{"meta", "link", "input", "br", "img", "hr"};

bool is_void(std::string_view name) {
  return std::find(kVoid.begin(), kVoid.end(), name) != kVoid.end();
}

struct Piece {
  enum class Kind { text, open, close } kind;
  std::string name;  // of the element
  std::string body;  // text, or attributes
};

// Cuts a page into texts and tags; what stands in script and style is one text of its own element.
std::vector<Piece> pieces(std::string_view page) {
  std::vector<Piece> out;
  std::string raw_until;
  for (std::size_t at = 0; at < page.size();) {
    if (!raw_until.empty()) {
      const auto end = page.find("</" + raw_until, at);
      if (end == std::string_view::npos) throw std::runtime_error("unclosed " + raw_until);
      out.push_back({Piece::Kind::text, raw_until, std::string(page.substr(at, end - at))});
      at = end;
      raw_until.clear();
      continue;
    }
    if (page[at] != '<') {
      const auto end = std::min(page.find('<', at), page.size());
      out.push_back({Piece::Kind::text, "", std::string(page.substr(at, end - at))});
      at = end;
      continue;
    }
    const auto end = page.find('>', at);
    if (end == std::string_view::npos) throw std::runtime_error("unclosed tag");
    auto tag = std::string(page.substr(at + 1, end - at - 1));
    at = end + 1;
    if (tag.starts_with("!")) continue;
    if (tag.starts_with("/")) {
      out.push_back({Piece::Kind::close, tag.substr(1), ""});
      continue;
    }
    const auto space = tag.find(' ');
    const auto name = tag.substr(0, space);
    out.push_back({Piece::Kind::open, name, space == std::string::npos ? "" : tag.substr(space)});
    if (name == "script" || name == "style") raw_until = name;
  }
  return out;
}

std::string resolved(std::string text) {
  const std::map<std::string, std::string> references{
      {"&lt;", "<"}, {"&gt;", ">"}, {"&quot;", "\""}, {"&#39;", "'"}, {"&nbsp;", " "}};
  for (const auto& [reference, character] : references) {
    for (std::size_t at = 0; (at = text.find(reference, at)) != std::string::npos;) {
      text.replace(at, reference.size(), character);
      at += character.size();
    }
  }
  for (std::size_t at = 0; (at = text.find("&amp;", at)) != std::string::npos; ++at) {
    text.replace(at, 5, "&");
  }
  return text;
}

}  // namespace

std::vector<std::string> markup_faults(std::string_view page) {
  static const std::regex attributes("( [a-z][a-z-]*(=\"[^\"<]*\")?)*");
  static const std::regex references("&(?!(amp|lt|gt|quot|nbsp|#39);)");
  static const std::regex id(" id=\"([^\"]*)\"");
  std::vector<std::string> faults, open;
  std::set<std::string> ids;
  for (const auto& piece : pieces(page)) {
    if (piece.kind == Piece::Kind::text) {
      if (piece.name.empty() && std::regex_search(piece.body, references)) {
        faults.push_back("stray & in: " + piece.body.substr(0, 80));
      }
      continue;
    }
    if (piece.kind == Piece::Kind::close) {
      if (open.empty() || open.back() != piece.name) {
        faults.push_back("</" + piece.name + "> closes " +
                         (open.empty() ? "nothing" : open.back()));
      } else {
        open.pop_back();
      }
      continue;
    }
    if (!std::regex_match(piece.body, attributes) || std::regex_search(piece.body, references)) {
      faults.push_back("attributes of " + piece.name + ":" + piece.body.substr(0, 120));
    }
    std::smatch match;
    if (std::regex_search(piece.body, match, id) && !ids.insert(match[1]).second) {
      faults.push_back("id given twice: " + match[1].str());
    }
    if (!is_void(piece.name)) open.push_back(piece.name);
  }
  for (const auto& name : open) faults.push_back("left open: " + name);
  return faults;
}

Json embedded_json(std::string_view page, std::string_view id) {
  const auto tag = "<script type=\"application/json\" id=\"" + std::string(id) + "\">";
  const auto begin = page.find(tag);
  if (begin == std::string_view::npos)
    throw std::runtime_error("no JSON with id " + std::string(id));
  const auto from = begin + tag.size();
  return Json::parse(page.substr(from, page.find("</script", from) - from));
}

std::string visible_text(std::string_view page) {
  std::string out;
  for (const auto& piece : pieces(page)) {
    if (piece.kind == Piece::Kind::text && piece.name.empty()) out += resolved(piece.body);
  }
  return out;
}

std::size_t count_of(std::string_view text, std::string_view part) {
  std::size_t count = 0;
  for (auto at = text.find(part); at != std::string_view::npos; at = text.find(part, at + 1))
    ++count;
  return count;
}

}  // namespace muonflow::test

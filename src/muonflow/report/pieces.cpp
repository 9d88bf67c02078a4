// Pieces of markup that several sections use.
#include <fmt/format.h>

#include "muonflow/report/markup.hpp"
#include "muonflow/report/sections.hpp"

namespace muonflow::report {
namespace {

// A caption as plain text, for readers who hear the page: tags dropped, references kept.
std::string without_tags(const std::string& markup) {
  std::string out;
  bool inside = false;
  for (const char c : markup) {
    if (c == '<') inside = true;
    if (!inside) out += c;
    if (c == '>') inside = false;
  }
  return out;
}

}  // namespace

std::string swatch_html(std::size_t run) {
  return fmt::format("<span class=\"swatch of-{} shape-{}\"></span>", run % 8, run % 4);
}

std::string chips_html(std::string_view section, std::span<const std::string> names) {
  std::string out = "<div class=\"chips\" role=\"group\" aria-label=\"Runs shown\">\n";
  for (std::size_t i = 0; i < names.size(); ++i) {
    out += fmt::format(
        "<button type=\"button\" class=\"chip\" data-section=\"{}\" data-run=\"{}\" "
        "aria-pressed=\"true\">{}<span>{}</span></button>\n",
        section, i, swatch_html(i), escape(names[i]));
  }
  return out + "</div>\n";
}

std::string figure_html(const std::string& id, const std::string& caption, std::string_view kind,
                        const std::string& above, const std::string& below) {
  return fmt::format(
      "<figure{}>\n<figcaption>{}</figcaption>\n{}<div class=\"plot\"><canvas id=\"{}\" "
      "role=\"img\" aria-label=\"{}\"></canvas></div>\n{}</figure>\n",
      kind.empty() ? "" : fmt::format(" class=\"{}\"", kind), caption, above, id,
      without_tags(caption), below);
}

std::string remarks_html(const std::vector<std::pair<std::string, std::string>>& remarks) {
  constexpr std::size_t kShown = 12;
  if (remarks.empty()) return {};
  std::string out = "<div class=\"warn\"><p>To be read with care:</p>\n<ul class=\"plain\">\n";
  for (std::size_t i = 0; i < remarks.size() && i < kShown; ++i) {
    out += fmt::format("<li><strong>{}</strong>: {}</li>\n", escape(remarks[i].first),
                       escape(remarks[i].second));
  }
  if (remarks.size() > kShown) {
    out += fmt::format("<li>and {} more in events.jsonl</li>\n", remarks.size() - kShown);
  }
  return out + "</ul></div>\n";
}

}  // namespace muonflow::report

#include "muonflow/report/markup.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "tests/report/page_check.hpp"

namespace muonflow::report {
namespace {

using test::markup_faults;
using test::visible_text;

TEST(Escape, MarkupBecomesText) {
  EXPECT_EQ(escape("<b a=\"1\" c='2'>&"), "&lt;b a=&quot;1&quot; c=&#39;2&#39;&gt;&amp;");
  EXPECT_EQ(escape("plain, with\nlines\tand tabs"), "plain, with\nlines\tand tabs");
  EXPECT_EQ(escape("ünï × 名"), "ünï × 名");
}

TEST(Escape, WhatIsNotUtf8IsReplaced) {
  const std::string mark = "\xEF\xBF\xBD";
  EXPECT_EQ(escape("a\xFFz"), "a" + mark + "z");
  EXPECT_EQ(escape("\xC0\xAF"), mark + mark);                // overlong
  EXPECT_EQ(escape("\xED\xA0\x80"), mark + mark + mark);     // a surrogate
  EXPECT_EQ(escape("\xF4\x90\x80\x80").substr(0, 3), mark);  // beyond U+10FFFF
  EXPECT_EQ(escape("end \xE2\x82"), "end " + mark + mark);   // cut off
  EXPECT_EQ(escape(std::string("a\0b\x1B", 4)), "a" + mark + "b" + mark);
}

TEST(EmbedJson, NoTextCanLeaveItsElement) {
  const Json hostile{{"</script><script>alert(1)</script>", "<!-- & \xE2\x80\xA8 ]]>"}};
  const auto text = embed_json(hostile);
  for (const char c : {'<', '>', '&'}) EXPECT_EQ(text.find(c), std::string::npos) << c;
  EXPECT_EQ(text.find("\xE2\x80\xA8"), std::string::npos);
  EXPECT_EQ(Json::parse(text), hostile);
}

TEST(EmbedJson, NumbersThatAreNotFiniteAreNull) {
  const Json values{1.5, std::nan(""), std::numeric_limits<double>::infinity()};
  EXPECT_EQ(embed_json(values), "[1.5,null,null]");
  EXPECT_NO_THROW(Json::parse(embed_json(Json("not \xFF UTF-8"))));
}

TEST(Numbers, AsPeopleWriteThem) {
  EXPECT_EQ(number_html(0), "0");
  EXPECT_EQ(number_html(0.02), "0.02");
  EXPECT_EQ(number_html(1.23456), "1.235");
  EXPECT_EQ(number_html(-1.5), "−1.5");
  EXPECT_EQ(number_html(1234567), "1,234,567");
  EXPECT_EQ(number_html(0.001), "0.001");
  EXPECT_EQ(number_html(2.5e-7, 2), "2.5\u00A0×\u00A010<sup>−7</sup>");
  EXPECT_EQ(number_html(-3e12, 2), "−3.0\u00A0×\u00A010<sup>12</sup>");
  EXPECT_EQ(fixed_html(1.5, 4), "1.5000");
  EXPECT_EQ(count_html(999), "999");
  EXPECT_EQ(count_html(1234567), "1,234,567");
  EXPECT_EQ(count_html(-1000), "−1,000");
}

TEST(Numbers, AbsentOnesAreADash) {
  for (const auto& text :
       {number_html(std::nan("")), fixed_html(std::nan(""), 2),
        count_html(std::numeric_limits<double>::infinity()), duration_html(std::nan(""))}) {
    EXPECT_EQ(visible_text(text), "–");
    EXPECT_TRUE(markup_faults(text).empty());
  }
}

TEST(Durations, InTheUnitThatFits) {
  EXPECT_EQ(duration_html(0.421), "0.42 s");
  EXPECT_EQ(duration_html(42.13), "42.1 s");
  EXPECT_EQ(duration_html(200), "3 min 20 s");
  EXPECT_EQ(duration_html(3599.7), "1 h 0 min");
  EXPECT_EQ(duration_html(4320), "1 h 12 min");
}

TEST(Prose, ListsAndCounts) {
  EXPECT_EQ(prose_list({}), "");
  EXPECT_EQ(prose_list({"a"}), "a");
  EXPECT_EQ(prose_list({"a", "b"}), "a and b");
  EXPECT_EQ(prose_list({"a", "b", "c"}), "a, b and c");
  EXPECT_EQ(count_word(3), "three");
  EXPECT_EQ(count_word(13), "13");
}

TEST(Tables, AreWellFormedWithHeadersOnBothSides) {
  Table table;
  table.caption = "What it shows";
  table.head = {{"run"}, {"loss", "number"}};
  table.rows = {{{escape("<muon>")}, {"1.5", "number best"}}};
  const auto text = table_html(table);
  EXPECT_TRUE(markup_faults(text).empty());
  EXPECT_NE(text.find("<th scope=\"col\">run</th>"), std::string::npos);
  EXPECT_NE(text.find("<th scope=\"row\">&lt;muon&gt;</th>"), std::string::npos);
  EXPECT_NE(text.find("<td class=\"number best\">1.5</td>"), std::string::npos);
  const auto details = details_html("summary", text);
  EXPECT_TRUE(markup_faults(details).empty());
  EXPECT_NE(details.find("<summary>summary</summary>"), std::string::npos);
}

}  // namespace
}  // namespace muonflow::report

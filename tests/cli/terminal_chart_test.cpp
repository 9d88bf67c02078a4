#include "muonflow/cli/terminal_chart.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <sstream>

namespace muonflow::cli {
namespace {

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

const ChartLook kLook{.columns = 40, .rows = 5, .x_label = "steps"};

TEST(TerminalChart, AFallingLineGoesFromTheUpperLeftToTheLowerRight) {
  const std::vector<Curve> curves{{"a", {0, 100}, {1, 0}}};
  const auto lines = lines_of(draw_chart(curves, kLook));
  ASSERT_EQ(lines.size(), 8u);  // five rows, axis, its labels, legend
  std::size_t before = 0;
  for (std::size_t row = 0; row < 5; ++row) {
    const auto first = lines[row].find('o');
    ASSERT_NE(first, std::string::npos) << row;
    EXPECT_GT(first, before);
    before = first;
  }
  EXPECT_EQ(lines[4].size(), 40u);  // its end stands in the last column
  EXPECT_NE(lines[6].find("100 steps"), std::string::npos);
  EXPECT_NE(lines[7].find("o a"), std::string::npos);
}

TEST(TerminalChart, ASteepStartIsCutOff) {
  const std::vector<Curve> curves{{"a", {0, 10, 100}, {1000, 2, 1}}};
  const auto lines = lines_of(draw_chart(curves, kLook));
  EXPECT_NE(lines[0].find("2 |"), std::string::npos) << lines[0];
  EXPECT_NE(lines[4].find("1 |"), std::string::npos) << lines[4];
}

TEST(TerminalChart, TheFirstOfTwoCurvesIsSeenWhereTheyAgree) {
  const std::vector<Curve> same{{"a", {0, 1}, {0, 1}}, {"b", {0, 1}, {0, 1}}};
  const auto lines = lines_of(draw_chart(same, kLook));
  for (std::size_t row = 0; row < 5; ++row) EXPECT_EQ(lines[row].find('+'), std::string::npos);
}

TEST(TerminalChart, NumbersThatAreNotFiniteAreLeftOut) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const std::vector<Curve> with{{"a", {0, 0.5, 1}, {0, nan, 1}}};
  const std::vector<Curve> without{{"a", {0, 1}, {0, 1}}};
  EXPECT_EQ(draw_chart(with, kLook), draw_chart(without, kLook));
}

TEST(TerminalChart, NothingToDrawIsEmpty) {
  EXPECT_EQ(draw_chart({}, kLook), "");
  const std::vector<Curve> one_point{{"a", {1}, {1}}};
  EXPECT_EQ(draw_chart(one_point, kLook), "");
}

TEST(TerminalChart, ColoursOnlyOnRequest) {
  const std::vector<Curve> curves{{"a", {0, 1}, {0, 1}}};
  EXPECT_EQ(draw_chart(curves, kLook).find('\x1b'), std::string::npos);
  ChartLook coloured = kLook;
  coloured.colour = true;
  EXPECT_NE(draw_chart(curves, coloured).find('\x1b'), std::string::npos);
}

}  // namespace
}  // namespace muonflow::cli

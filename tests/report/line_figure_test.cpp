#include "muonflow/report/line_figure.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace muonflow::report {
namespace {

Figure figure_with(bool log) {
  Figure figure;
  figure.id = "f";
  figure.section = "flow";
  figure.x = {{"time", "time t"}};
  figure.log = log;
  return figure;
}

TEST(AddLine, ALogAxisHasGapsAndNoLineOfGaps) {
  PageData data;
  auto figure = figure_with(true);
  EXPECT_TRUE(
      add_line(figure, data, {.label = "a", .axes = {{"time", {0, 1, 2}}}, .y = {1, 0, 2}}));
  EXPECT_TRUE(std::isnan(figure.series[0].y[1]));
  EXPECT_FALSE(add_line(figure, data, {.label = "b", .axes = {{"time", {0}}}, .y = {-1}}));
  EXPECT_EQ(figure.series.size(), 1U);
  auto linear = figure_with(false);
  EXPECT_TRUE(add_line(linear, data, {.label = "b", .axes = {{"time", {0}}}, .y = {-1}}));
}

TEST(AddLine, IsThinnedWithItsAxesAndBand) {
  PageData data;
  auto figure = figure_with(false);
  std::vector<double> x, y, low, high;
  for (int i = 0; i < 1000; ++i) {
    x.push_back(i);
    y.push_back(std::sin(0.1 * i));
    low.push_back(y.back() - 1);
    high.push_back(y.back() + 1);
  }
  add_line(figure, data,
           {.label = "a", .axes = {{"time", x}}, .y = y, .tone = 3, .low = low, .high = high}, 100);
  ASSERT_EQ(figure.series.size(), 3U);
  const auto& points = data.points().front().front().second;
  EXPECT_LE(points.size(), 101U);  // about the limit: both ends are kept
  for (const auto& series : figure.series) EXPECT_EQ(series.y.size(), points.size());
  EXPECT_EQ(figure.series[1].fill->to, 0U);
  EXPECT_EQ(figure.series[1].fill->tone, 3U);
}

TEST(FinishFigure, AnEmptyFigureIsNoFigure) {
  PageData data;
  EXPECT_EQ(finish_figure(figure_with(false), data, "caption"), "");
  EXPECT_TRUE(data.figures().empty());
  auto figure = figure_with(false);
  add_line(figure, data, {.label = "a", .axes = {{"time", {0, 1}}}, .y = {1, 2}});
  EXPECT_NE(finish_figure(std::move(figure), data, "caption").find("caption"), std::string::npos);
  EXPECT_EQ(data.figures().size(), 1U);
}

}  // namespace
}  // namespace muonflow::report

#include "muonflow/report/page_data.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

namespace muonflow::report {
namespace {

TEST(Thinned, KeepsEverythingWhenFew) {
  EXPECT_EQ(thinned({3, 1, 2}, 4), (std::vector<std::size_t>{0, 1, 2}));
  EXPECT_TRUE(thinned({}, 4).empty());
}

TEST(Thinned, KeepsEndsAndExtremesInOrder) {
  std::vector<double> values(10'000);
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = std::sin(0.01 * static_cast<double>(i));
  values[4321] = 50;  // a spike of one step must stay
  values[7654] = -50;
  const auto kept = thinned(values, 200);
  EXPECT_LE(kept.size(), 202U);
  EXPECT_TRUE(std::is_sorted(kept.begin(), kept.end()));
  EXPECT_EQ(std::adjacent_find(kept.begin(), kept.end()), kept.end());
  EXPECT_EQ(kept.front(), 0U);
  EXPECT_EQ(kept.back(), values.size() - 1);
  EXPECT_TRUE(std::binary_search(kept.begin(), kept.end(), 4321U));
  EXPECT_TRUE(std::binary_search(kept.begin(), kept.end(), 7654U));
  EXPECT_EQ(pick(values, kept)[0], values[0]);
}

TEST(Thinned, PassesOverValuesThatAreNotFinite) {
  std::vector<double> values(1000, std::nan(""));
  for (std::size_t i = 1; i < values.size(); i += 2) values[i] = 1;
  const auto kept = thinned(values, 100);
  const auto finite = std::count_if(kept.begin(), kept.end(),
                                    [&](std::size_t i) { return std::isfinite(values[i]); });
  EXPECT_GE(finite, 49);
}

TEST(PageData, WritesFiguresAndRoundsNumbers) {
  PageData data;
  const auto points = data.add_points({{"time", {0, 1.23456789}}});
  Figure figure;
  figure.id = "f";
  figure.section = "flow";
  figure.x = {{"time", "time t"}};
  figure.y = "energy";
  figure.log = true;
  figure.level = Figure::Level{.value = 0.1, .label = "level"};
  figure.series.push_back({.label = "a",
                           .role = "line",
                           .points = points,
                           .y = {1e-17, std::nan("")},
                           .run = 0,
                           .tone = {},
                           .fill = Series::Fill{.to = 0, .tone = 2}});
  data.add(figure);
  data.add(Heatmap{.id = "m",
                   .x_label = "t",
                   .y_label = "k",
                   .value_label = "s",
                   .x = {0, 1},
                   .rows = {{1, 2}, {3, 4}}});
  const auto json = data.to_json();
  EXPECT_EQ(json["points"][points]["time"][1], 1.23457);
  const auto& line = json["lines"][0];
  EXPECT_EQ(line["x"]["time"], "time t");
  EXPECT_TRUE(line["log"]);
  EXPECT_FALSE(line.contains("cap"));
  EXPECT_EQ(line["level"]["label"], "level");
  EXPECT_EQ(line["series"][0]["y"][0], 1e-17);
  EXPECT_TRUE(line["series"][0]["y"][1].is_null());
  EXPECT_EQ(line["series"][0]["fill"]["tone"], 2);
  EXPECT_EQ(json["heatmaps"][0]["rows"][1][0], 3);
  EXPECT_EQ(data.figures().size(), 1U);
  EXPECT_EQ(data.heatmaps().size(), 1U);
}

}  // namespace
}  // namespace muonflow::report

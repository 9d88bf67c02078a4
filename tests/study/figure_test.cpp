#include "muonflow/study/figure.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

namespace muonflow::study {
namespace {

TEST(FigureJson, GapsAreNullAndBandsAreThereWhereTheyAre) {
  const Figure figure{
      .name = "chaos",
      .caption = "c",
      .x = "N",
      .y = "rms",
      .log_x = true,
      .curves = {{.label = "a", .drawn = Drawn::marks, .x = {8, 16}, .y = {1, std::nan("")}},
                 {.label = "b", .x = {8}, .y = {2}, .low = {1}, .high = {3}}}};
  const auto json = to_json(figure);
  EXPECT_EQ(json["log_x"], true);
  EXPECT_EQ(json["log_y"], false);
  EXPECT_TRUE(json["curves"][0]["y"][1].is_null());
  EXPECT_EQ(json["curves"][0]["drawn"], "marks");
  EXPECT_FALSE(json["curves"][0].contains("low"));
  EXPECT_EQ(json["curves"][1]["high"], Json{3});
}

TEST(PowerLine, PassesThroughItsEnds) {
  const auto line = power_line("slope 2", {4, 1, 2}, 2, std::log(3.0));
  EXPECT_EQ(line.x, (std::vector<double>{1, 4}));
  EXPECT_NEAR(line.y[0], 3, 1e-14);
  EXPECT_NEAR(line.y[1], 48, 1e-12);
  EXPECT_TRUE(power_line("empty", {}, 1, 0).x.empty());
}

}  // namespace
}  // namespace muonflow::study

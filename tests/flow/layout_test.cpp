#include "muonflow/flow/layout.hpp"

#include <gtest/gtest.h>

#include "muonflow/core/error.hpp"

namespace muonflow::flow {
namespace {

TEST(Layout, BlocksFollowEachOther) {
  const Layout layout(
      5, {{.name = "gate", .rows = 1, .cols = 4}, {.name = "expert", .rows = 2, .cols = 3}});
  EXPECT_EQ(layout.width(), 10);
  EXPECT_EQ(layout.blocks()[0].offset, 0);
  EXPECT_EQ(layout.blocks()[1].offset, 4);
  EXPECT_EQ(layout.text(), "5 particles of gate 1x4 + expert 2x3");
}

TEST(Layout, BlockOfIsTheMatrixInsideARow) {
  const Layout layout(1,
                      {{.name = "a", .rows = 1, .cols = 2}, {.name = "b", .rows = 2, .cols = 2}});
  double row[6] = {0, 1, 2, 3, 4, 5};
  auto b = block_of(row, layout.blocks()[1]);
  EXPECT_EQ(b(1, 0), 4);
  b(1, 1) = 7;
  EXPECT_EQ(row[5], 7);
}

TEST(Layout, EqualityIsOfNumbersAndNames) {
  EXPECT_TRUE(Layout(2, 3, 4) == Layout(2, 3, 4));
  EXPECT_FALSE(Layout(2, 3, 4) == Layout(3, 3, 4));
  EXPECT_FALSE(Layout(2, 3, 4) == Layout(2, 4, 3));
}

TEST(Layout, RefusesEmptyShapes) {
  EXPECT_THROW(Layout(0, 3, 4), ShapeError);
  EXPECT_THROW(Layout(1, 0, 4), ShapeError);
  EXPECT_THROW(Layout(1, std::vector<Block>{}), ShapeError);
}

}  // namespace
}  // namespace muonflow::flow

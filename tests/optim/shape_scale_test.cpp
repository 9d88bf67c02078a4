#include "muonflow/optim/shape_scale.hpp"

#include <cmath>

#include "tests/optim/fixtures.hpp"

namespace muonflow::optim {
namespace {

TEST(ShapeScale, FollowsTheFormulas) {
  EXPECT_EQ(shape_scale(Scale::none, 32, 2), 1);
  EXPECT_EQ(shape_scale(Scale::original, 32, 2), 4);
  EXPECT_EQ(shape_scale(Scale::original, 2, 32), 1);
  EXPECT_DOUBLE_EQ(shape_scale(Scale::match_rms_adamw, 16, 100), 2);
  EXPECT_DOUBLE_EQ(shape_scale(Scale::match_rms_adamw, 100, 16), 2);
  EXPECT_EQ(shape_scale(Scale::spectral, 32, 2), 4);
  EXPECT_EQ(shape_scale(Scale::spectral, 2, 32), 0.25);
  EXPECT_MENTIONS(message_of<ConfigError>([] { (void)shape_scale(Scale::automatic, 2, 2); }),
                  "adjust_lr");
}

}  // namespace
}  // namespace muonflow::optim

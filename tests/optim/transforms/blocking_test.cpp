#include "muonflow/optim/transforms/blocking.hpp"

#include <cmath>

#include "tests/optim/fixtures.hpp"

namespace muonflow::optim {
namespace {

// Each block moves as a matrix of its own would, with the shape scale of the whole.
TEST(Blocking, ABlockIsAMatrixOfItsOwn) {
  constexpr Index kRows = 5, kCols = 7, kSize = 3;
  Owned<> whole("w", {kRows, kCols});
  auto options = only("muon", 0.1);
  options.hidden.adjust_lr = Scale::none;
  auto blocks = options;
  blocks.hidden.transforms.blocking.size = kSize;
  Optimizer<double> optimizer({whole.parameter}, blocks, 1);
  for (int t = 0; t < 3; ++t) {
    vary(whole.gradient, t);
    ASSERT_TRUE(optimizer.step().outcome.ok());
  }
  for (Index r = 0; r < kRows; r += kSize) {
    for (Index c = 0; c < kCols; c += kSize) {
      const Index m = std::min(kSize, kRows - r), n = std::min(kSize, kCols - c);
      Owned<> one("one", {m, n});
      Optimizer<double> alone({one.parameter}, options, 1);
      for (int t = 0; t < 3; ++t) {
        std::vector<double> all(kRows * kCols);
        vary(all, t);
        for (Index i = 0; i < m; ++i) {
          for (Index j = 0; j < n; ++j) {
            one.gradient[static_cast<std::size_t>(i * n + j)] =
                all[static_cast<std::size_t>((r + i) * kCols + c + j)];
          }
        }
        ASSERT_TRUE(alone.step().outcome.ok());
      }
      for (Index i = 0; i < m; ++i) {
        for (Index j = 0; j < n; ++j) {
          EXPECT_EQ(whole.weights[static_cast<std::size_t>((r + i) * kCols + c + j)],
                    one.weights[static_cast<std::size_t>(i * n + j)]);
        }
      }
    }
  }
}

TEST(Blocking, NamesTheStateOfEachBlock) {
  Owned<> a("a", {4, 6});
  auto options = only("muon", 0.1);
  options.hidden.transforms.blocking.size = 4;
  Optimizer<double> optimizer({a.parameter}, options, 1);
  const auto state = optimizer.state();
  EXPECT_EQ(state.at("s/a/block.0.momentum_buffer").shape, (Shape{4, 4}));
  EXPECT_EQ(state.at("s/a/block.1.momentum_buffer").shape, (Shape{4, 2}));
  EXPECT_EQ(optimizer.state_bytes(), 24 * sizeof(double));
}

// Parts that are cut into different numbers of blocks.
TEST(Blocking, OfSplitParts) {
  Owned<> a("a", {12, 4});
  auto options = only("muon", 0.1);
  options.hidden.transforms.blocking.size = 4;
  options.hidden.split_sizes = {8, 4};
  Optimizer<double> optimizer({a.parameter}, options, 1);
  ASSERT_TRUE(optimizer.step().outcome.ok());
  const auto state = optimizer.state();
  EXPECT_TRUE(state.contains("s/a/block.0.momentum_buffer.0"));
  EXPECT_TRUE(state.contains("s/a/block.1.momentum_buffer.0"));
  EXPECT_EQ(state.at("s/a/momentum_buffer.1").shape, (Shape{4, 4})) << "a single block";
  EXPECT_EQ(optimizer.state_bytes(), 48 * sizeof(double));
  Optimizer<double> other({a.parameter}, options, 1);
  other.load_state(state, "saved");
  EXPECT_EQ(other.state().at("s/a/block.1.momentum_buffer.0").bytes,
            state.at("s/a/block.1.momentum_buffer.0").bytes);
}

}  // namespace
}  // namespace muonflow::optim

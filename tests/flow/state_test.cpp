#include "muonflow/flow/state.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "muonflow/core/error.hpp"
#include "tests/support/message_of.hpp"

namespace muonflow::flow {
namespace {

template <class Kind>
std::string message_of(const TensorMap& tensors, const Layout& layout) {
  return test::message_of<Kind>([&] { state_from<double>(tensors, layout, "start.safetensors"); });
}

TEST(DrawState, AParticleDependsOnItsIndexAlone) {
  const auto few = draw_state<double>(Layout(3, 2, 2), 7, 0.5);
  const auto many = draw_state<double>(Layout(100, 2, 2), 7, 0.5);
  EXPECT_TRUE(few.W == many.W.topRows(3));
  EXPECT_TRUE((few.M.array() == 0).all());
  EXPECT_FALSE(few.W == draw_state<double>(Layout(3, 2, 2), 8, 0.5).W);
}

TEST(DrawState, ScaleIsTheStandardDeviation) {
  const auto state = draw_state<double>(Layout(2000, 3, 3), 1, 2.0);
  const auto n = static_cast<double>(state.W.size());
  // The mean square of n normals has standard deviation sqrt(2/n): four of them.
  EXPECT_NEAR(state.W.squaredNorm() / n / 4, 1, 4 * std::sqrt(2 / n));
  EXPECT_EQ(draw_state<double>(Layout(2, 3, 3), 1, 0).W.norm(), 0);
}

TEST(State, GoesThroughTensorsBitForBit) {
  const Layout layout(4,
                      {{.name = "a", .rows = 2, .cols = 3}, {.name = "b", .rows = 1, .cols = 2}});
  auto state = draw_state<double>(layout, 3, 1);
  state.M = state.W * 0.1;
  const auto tensors = state_tensors(state);
  EXPECT_EQ(tensors.at("M/a").shape, (Shape{4, 2, 3}));
  EXPECT_TRUE(layout_of(tensors, "x") == layout);
  const auto back = state_from<double>(tensors, layout, "x");
  EXPECT_TRUE(back.W == state.W);
  EXPECT_TRUE(back.M == state.M);
}

TEST(State, LastTensorsAreTheStatesAndLeaveNothingBehind) {
  const Layout blocks(
      3, {{.name = "in", .rows = 2, .cols = 3}, {.name = "out", .rows = 1, .cols = 2}});
  for (const auto& layout : {Layout(3, 2, 3), blocks}) {
    auto state = draw_state<float>(layout, 5, 1);
    state.M = 2 * state.W;
    const auto expected = state_tensors(state);
    const auto tensors = last_tensors(std::move(state), *dist::serial());
    ASSERT_EQ(tensors.size(), expected.size());
    for (const auto& [name, tensor] : expected) {
      EXPECT_EQ(tensors.at(name).shape, tensor.shape);
      EXPECT_EQ(tensors.at(name).bytes, tensor.bytes) << name;
    }
    EXPECT_EQ(state.W.size() + state.M.size(), 0);
  }
}

TEST(State, MomentaAreZeroWhereNoneAreGiven) {
  auto tensors = state_tensors(draw_state<float>(Layout(2, 2, 2), 3, 1));
  tensors.erase("M");
  EXPECT_EQ(state_from<double>(tensors, Layout(2, 2, 2), "x").M.norm(), 0);
}

TEST(State, RefusesWhatDoesNotFitInOneLine) {
  const auto tensors = state_tensors(draw_state<double>(Layout(2, 3, 4), 3, 1));
  const auto line = message_of<ShapeError>(tensors, Layout(2, 4, 3));
  EXPECT_EQ(line,
            "start.safetensors, tensor W: expected shape [2, 4, 3] as [N, m, n], found [2, 3, 4]");
  EXPECT_NE(message_of<ShapeError>({}, Layout(2, 4, 3)).find("no tensor 'W'"), std::string::npos);
  auto wrong = tensors;
  wrong["M"] = make_tensor<double>({2, 3}, std::vector<double>(6));
  EXPECT_NE(message_of<ShapeError>(wrong, Layout(2, 3, 4)).find("tensor M"), std::string::npos);
  EXPECT_THROW(layout_of(wrong = {{"W", wrong["M"]}}, "x"), ShapeError);
}

TEST(State, RefusesNumbersThatAreNotFinite) {
  auto state = draw_state<double>(Layout(3, 2, 2), 3, 1);
  state.M(1, 2) = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(message_of<DataError>(state_tensors(state), state.layout),
            "start.safetensors, tensor M, particle 1: expected finite numbers, found NaN");
  state.M(1, 2) = std::numeric_limits<double>::infinity();
  EXPECT_THROW(state_from<double>(state_tensors(state), state.layout, "x"), DataError);
}

}  // namespace
}  // namespace muonflow::flow

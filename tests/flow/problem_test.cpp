#include "muonflow/flow/problem.hpp"

#include <gtest/gtest.h>

#include "muonflow/core/error.hpp"
#include "tests/flow/problems.hpp"

namespace muonflow::flow {
namespace {

ProblemData start_of(const Layout& layout) {
  return {.objective = {},
          .objective_place = "data.safetensors",
          .initial = state_tensors(draw_state<double>(layout, 9, 1)),
          .initial_place = "start.safetensors"};
}

TEST(MakeProblem, DrawsFromItsSeeds) {
  const auto a = make_problem<double>(options_of(kSmall));
  const auto b = make_problem<double>(options_of(kSmall));
  const auto c = make_problem<double>(options_of(kSmall, {"particles.seed=3"}));
  const auto d = make_problem<double>(options_of(kSmall, {"objective.seed=7"}));
  EXPECT_TRUE(a.state.W == b.state.W);
  EXPECT_FALSE(a.state.W == c.state.W);
  EXPECT_EQ(a.data_digest, c.data_digest);
  EXPECT_NE(a.data_digest, d.data_digest);
}

TEST(MakeProblem, TakesNumberAndShapeFromTheInitialFile) {
  auto config = Config::from_text("[objective]\nkind = \"quadratic\"");
  const auto options = read_options(config.tree(), {});
  const auto problem = make_problem<double>(options, start_of(Layout(3, 2, 5)));
  EXPECT_TRUE(problem.system.layout() == Layout(3, 2, 5));
}

TEST(MakeProblem, RefusesFilesThatDoNotFitTheOptions) {
  const auto options = options_of(kSmall);
  EXPECT_NO_THROW(make_problem<double>(options, start_of(Layout(16, 3, 4))));
  EXPECT_THROW(make_problem<double>(options, start_of(Layout(15, 3, 4))), ShapeError);
  EXPECT_THROW(make_problem<double>(options, start_of(Layout(16, 4, 3))), ShapeError);
  auto data = start_of(Layout(16, 3, 4));
  data.objective = objectives().at("tanh_ridge").draw(*options.objective, Layout(1, 5, 4));
  EXPECT_THROW(make_problem<double>(options, data), ShapeError);
}

TEST(MakeProblem, SaysWhichTensorsAStartOfBlocksNeeds) {
  const auto options = read_options(Config::from_text("[objective]\nkind = \"moe\"").tree(), {});
  const std::vector<Block> whole{{.name = "in", .rows = 3, .cols = 4},
                                 {.name = "out", .rows = 2, .cols = 3},
                                 {.name = "router", .rows = 1, .cols = 4}};
  EXPECT_NO_THROW(make_problem<double>(options, start_of(Layout(6, whole))));
  auto misnamed = whole;
  misnamed[2].name = "rooter";
  auto misshapen = whole;
  misshapen[1].rows = 3;
  for (const auto& layout :
       {Layout(6, 3, 4), Layout(6, misnamed), Layout(6, misshapen), Layout(6, {whole[0]})}) {
    try {
      make_problem<double>(options, start_of(layout));
      FAIL() << layout.text();
    } catch (const ShapeError& e) {
      const std::string text = e.what();
      EXPECT_EQ(text.find("start.safetensors: expected W/in [6, 3, 4], W/out [6, 2, 3], "
                          "W/router [6, 1, 4], found W"),
                0U)
          << text;
    }
  }
}

TEST(MakeProblem, NamesTensorsOfTheWrongType) {
  auto data = start_of(Layout(2, 3, 4));
  data.initial->at("W") = make_tensor<std::int64_t>({2, 3, 4}, std::vector<std::int64_t>(24, 1));
  const auto options =
      read_options(Config::from_text("[objective]\nkind = \"quadratic\"").tree(), {});
  try {
    make_problem<double>(options, data);
    FAIL();
  } catch (const DataError& e) {
    EXPECT_STREQ(e.what(),
                 "start.safetensors, tensor W: expected F64, F32, F16 or BF16, found I64");
  }
}

TEST(MakeProblem, RefusesAMissingCountOrShape) {
  EXPECT_THROW(make_problem<double>(options_of("[particles]\nshape = [2, 2]")), ConfigError);
  EXPECT_THROW(make_problem<double>(options_of("[particles]\ncount = 2")), ConfigError);
}

}  // namespace
}  // namespace muonflow::flow

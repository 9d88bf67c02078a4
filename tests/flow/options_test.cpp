#include "muonflow/flow/options.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "muonflow/core/error.hpp"
#include "tests/flow/problems.hpp"
#include "tests/support/message_of.hpp"

namespace muonflow::flow {
namespace {

TEST(FlowOptions, DefaultsAreAWholeConfiguration) {
  const auto options = options_of("");
  EXPECT_EQ(options.objective->at("kind"), "tanh_ridge");
  EXPECT_EQ(options.objective->at("risk"), "squared");
  EXPECT_EQ(options.geometry->at("kind"), "smoothed_nuclear");
  EXPECT_EQ(options.geometry->at("weight"), 1);
  EXPECT_GT(options.geometry->at("epsilon"), 0);
}

TEST(FlowOptions, ResolvedTomlReadsBackTheSame) {
  const auto options = options_of(kSmall, {"geometry.weight=2", "run.dtype=float32"});
  const auto text = to_toml(to_json(options));
  const auto again = options_of(text);
  EXPECT_EQ(to_toml(to_json(again)), text);
  EXPECT_EQ(again.run.dtype, RealType::float32);
  EXPECT_EQ(again.particles.count, 16);
}

struct Bad {
  std::string text;
  std::vector<std::string> says;

  friend void PrintTo(const Bad& bad, std::ostream* out) {
    *out << ::testing::PrintToString(bad.text);
  }
};

class BadOptions : public ::testing::TestWithParam<Bad> {};

TEST_P(BadOptions, OneLineWithFileAndLine) {
  const auto message = test::message_of<ConfigError>([] { options_of(GetParam().text); });
  EXPECT_EQ(message.rfind("test.toml:2", 0), 0u) << message;
  for (const auto& part : GetParam().says) {
    EXPECT_NE(message.find(part), std::string::npos) << message << " lacks " << part;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Messages, BadOptions,
    ::testing::Values(
        Bad{"[geometry]\nepsilon = 0.0", {"geometry.epsilon", "(0, inf)"}},
        Bad{"[geometry]\nepsilon = -1.0", {"geometry.epsilon", "-1"}},
        Bad{"[geometry]\nepsilom = 1.0", {"did you mean 'epsilon'"}},
        Bad{"[geometry]\nweight = 0.0", {"geometry.weight"}},
        Bad{"[geometry]\nkind = \"smoothed\"", {"unknown geometry", "smoothed_nuclear"}},
        Bad{"[dynamics]\ngamma = 0.0", {"dynamics.gamma", "(0, inf)"}},
        Bad{"[dynamics]\nnoise = 0.5", {"noise-free", "muon"}},
        Bad{"[dynamics]\nkind = \"inert\"", {"one of inertial, momentum_free"}},
        Bad{"[integrator]\nkind = \"rk5\"", {"unknown integrator 'rk5'", "did you mean 'rk4'"}},
        Bad{"[integrator]\nstep = 3.0", {"larger than the end time"}},
        Bad{"integrator.kind = \"relaxed\"\nintegrator.adaptive = true", {"relaxed", "its time"}},
        Bad{"[record]\nevery = 0.0", {"record.every", "(0, inf)"}},
        Bad{"[objective]\nkind = \"tanh\"", {"unknown objective 'tanh'", "tanh_ridge"}},
        Bad{"[objective]\nrisk = \"cross_entropy\"", {"has no risk 'cross_entropy'"}},
        Bad{"[objective]\nlambda = 1.0", {"unknown option 'lambda'"}},
        Bad{"[objective]\nkind = 3", {"a text"}},
        Bad{"[particles]\nshape = [1, 2, 3]", {"[rows, columns]"}},
        Bad{"[particles]\ncount = 0", {"particles.count"}},
        Bad{"[run]\ndtype = \"float16\"", {"one of float64, float32"}},
        Bad{"[run]\nthread = 2", {"did you mean 'threads'"}}));

}  // namespace
}  // namespace muonflow::flow

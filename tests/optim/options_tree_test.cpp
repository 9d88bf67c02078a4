#include "muonflow/optim/options_tree.hpp"

#include <nlohmann/json.hpp>

#include "tests/optim/fixtures.hpp"

namespace muonflow::optim {
namespace {

TEST(OptionsTree, IsAnObjectThatCopiesDeeply) {
  EXPECT_TRUE(OptionsTree().json().is_object());
  OptionsTree a(R"({"momentum": 0.5})");
  OptionsTree b = a;
  b.json()["momentum"] = 0.25;
  EXPECT_EQ(a.json()["momentum"], 0.5);
  a = b;
  EXPECT_EQ(a.json()["momentum"], 0.25);
  EXPECT_EQ(OptionsTree(Json{{"lr", 1}}).json()["lr"], 1);
}

TEST(OptionsTree, RefusesTextThatIsNoObject) {
  for (const auto* text : {"[1]", "{", "", "3"}) {
    EXPECT_MENTIONS(message_of<ConfigError>([&] { OptionsTree{text}; }), "expected a JSON object");
  }
}

}  // namespace
}  // namespace muonflow::optim

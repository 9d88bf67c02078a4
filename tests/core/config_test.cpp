#include "muonflow/core/config.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "muonflow/core/file.hpp"
#include "tests/support/message_of.hpp"
#include "tests/support/temporary_folder.hpp"

namespace muonflow {
namespace {

using test::message_of;

const std::string kText = R"(# a run
name = "first"

[train]
steps = 100
lr = 1e-3
betas = [0.9, 0.95]
when = 2024-05-06

[[groups]]
rule = "muon"

[[groups]]
rule = "adamw"
options.eps = 1e-8
)";

TEST(Config, ReadsATree) {
  const auto config = Config::from_text(kText, "run.toml");
  EXPECT_EQ(config.tree(), Json::parse(R"({"name": "first",
    "train": {"steps": 100, "lr": 0.001, "betas": [0.9, 0.95], "when": "2024-05-06"},
    "groups": [{"rule": "muon"}, {"rule": "adamw", "options": {"eps": 1e-8}}]})"));
}

TEST(Config, KeepsTheOrderOfTheFile) {
  const auto config = Config::from_text("z = 1\na = 2\nm = {y = 1, b = 2}\n");
  EXPECT_EQ(config.tree().dump(), R"({"z":1,"a":2,"m":{"y":1,"b":2}})");
}

TEST(Config, KnowsItsLines) {
  const auto config = Config::from_text(kText, "run.toml");
  EXPECT_EQ(config.place("name"), "run.toml:2: name");
  EXPECT_EQ(config.place("train.lr"), "run.toml:6: train.lr");
  EXPECT_EQ(config.place("train.betas[1]"), "run.toml:7: train.betas[1]");
  EXPECT_EQ(config.place("groups[1].rule"), "run.toml:14: groups[1].rule");
  EXPECT_EQ(config.place("groups[1].options.eps"), "run.toml:15: groups[1].options.eps");
}

TEST(Config, PlacesAnAbsentKeyByItsTable) {
  const auto config = Config::from_text(kText, "run.toml");
  EXPECT_EQ(config.place("train.clip"), "run.toml:4: train.clip");
  EXPECT_EQ(config.place("flow.step"), "run.toml: flow.step");
  EXPECT_EQ(config.place(""), "run.toml");
}

struct TrainOptions {
  std::int64_t steps = 1;
  double lr = 1;
  void fields(FieldVisitor& v) {
    v.integer("steps", steps, kPositive, "how many");
    v.real("lr", lr, kPositive, "learning rate");
  }
};
struct RunOptions {
  TrainOptions train;
  void fields(FieldVisitor& v) { v.group("train", train, "the loop"); }
};

TEST(Config, MessagesNameLineAndNearestKey) {
  RunOptions run;
  const auto wrong = Config::from_text("\n[train]\nsteps = 0\n", "run.toml");
  EXPECT_EQ(message_of<ConfigError>([&] { read(wrong.tree(), run, wrong.place_of()); }),
            "run.toml:3: train.steps: expected a whole number in (0, inf), found 0");
  const auto unknown = Config::from_text("[train]\nstep = 3\n", "run.toml");
  EXPECT_EQ(message_of<ConfigError>([&] { read(unknown.tree(), run, unknown.place_of()); }),
            "run.toml:2: train.step: unknown option 'step' (did you mean 'steps'?)");
  auto set = Config::from_text("[train]\nsteps = 3\n", "run.toml");
  set.set("train.steps=many");
  EXPECT_EQ(message_of<ConfigError>([&] { read(set.tree(), run, set.place_of()); }),
            R"(--set train.steps: expected a whole number in (0, inf), found "many")");
}

TEST(Config, SyntaxErrorsNameLineAndColumn) {
  const auto message =
      message_of<ConfigError>([] { (void)Config::from_text("a = 1\nb = = 2\n", "run.toml"); });
  EXPECT_EQ(message.rfind("run.toml:2:", 0), 0u) << message;
  EXPECT_FALSE(message_of<ConfigError>([] { (void)Config::from_text("a = 1\na = 2\n"); }).empty());
  EXPECT_FALSE(message_of<ConfigError>([] { (void)Config::from_text("a = \"\xff\"\n"); }).empty());
}

TEST(Config, ReadsAFileAndNamesAMissingOne) {
  const test::TemporaryFolder folder;
  const auto path = folder / "run.toml";
  write_file(path, "a = 1\n");
  EXPECT_EQ(Config::from_file(path).place("a"), path.string() + ":1: a");
  EXPECT_EQ(message_of<IoError>([&] { (void)Config::from_file(folder / "no.toml"); }),
            (folder / "no.toml").string() + ": cannot be read: No such file or directory");
}

TEST(ConfigSet, ReadsValuesAsToml) {
  Config config;
  for (const auto* assignment :
       {"a.whole=3", "a.real = 0.5", "a.flag=true", "a.list=[1, 2]", "a.table={x = 1}",
        "a.quoted=\"3\"", "a.plain=hello there", "a.path=/data/x.txt", "a.empty="}) {
    config.set(assignment);
  }
  EXPECT_EQ(config.tree(), Json::parse(R"({"a": {"whole": 3, "real": 0.5, "flag": true,
    "list": [1, 2], "table": {"x": 1}, "quoted": "3", "plain": "hello there",
    "path": "/data/x.txt", "empty": ""}})"));
}

TEST(ConfigSet, ReplacesWhatTheFileSaid) {
  auto config = Config::from_text(kText, "run.toml");
  config.set("train={steps = 7}");
  config.set("groups[1].rule=sgd");
  EXPECT_EQ(config.tree()["train"].dump(), R"({"steps":7})");
  EXPECT_EQ(config.tree()["groups"][1]["rule"], "sgd");
  EXPECT_EQ(config.place("train.steps"), "--set train: train.steps");
  EXPECT_EQ(config.place("train.lr"), "--set train: train.lr");
  EXPECT_EQ(config.place("groups[1].rule"), "--set groups[1].rule");
  EXPECT_EQ(config.place("groups[0].rule"), "run.toml:11: groups[0].rule");
}

TEST(ConfigSet, CopiesStayApart) {
  auto config = Config::from_text("a = 1\n");
  const auto copy = config;
  config.set("a=2");
  EXPECT_EQ(copy.tree()["a"], 1);
  EXPECT_EQ(config.tree()["a"], 2);
  EXPECT_EQ(copy.place("a"), "config:1: a");
}

TEST(ConfigSet, AValueCannotSmuggleInAKey) {
  Config config;
  config.set("a=1\nb = 2");
  EXPECT_EQ(config.tree(), Json::parse(R"({"a": "1\nb = 2"})"));
}

TEST(ConfigSet, RefusesWhatIsNoAssignment) {
  auto config = Config::from_text(kText);
  for (const std::string assignment : {"train.steps", "=3", "a..b=3", "a[x]=3", "a[1=3", "[0]=1"}) {
    EXPECT_EQ(message_of<ConfigError>([&] { config.set(assignment); }),
              "--set " + assignment + ": expected key.path=value (such as --set train.steps=100)");
  }
  EXPECT_EQ(message_of<ConfigError>([&] { config.set("name.first=3"); }),
            "--set name.first: 'first' cannot be set in a value that is no table: found string");
  EXPECT_EQ(message_of<ConfigError>([&] { config.set("groups[2].rule=a"); }),
            "--set groups[2].rule: expected a list with an element 2, found a list of 2");
  EXPECT_EQ(message_of<ConfigError>([&] { config.set("train[0]=a"); }),
            "--set train[0]: expected a list with an element 0, found object");
}

TEST(ToToml, ReadsBackAsTheSameTree) {
  const auto config = Config::from_text(kText);
  EXPECT_EQ(Config::from_text(to_toml(config.tree())).tree(), config.tree());
  const auto odd = Json::parse(R"({"a b": 1, "": 2, "t": "q\" \\ \n \t \u0001 ä", "whole": 1.0,
    "small": 1e-300, "mixed": [1, "a", [true]], "e": {}, "l": [], "inline": [{"a": 1}, 2],
    "deep": {"x": {"y": [{"z": 1}, {"z": 2, "w": {"v": 1}}]}, "after": 3}})");
  const auto back = Config::from_text(to_toml(odd)).tree();
  EXPECT_EQ(nlohmann::json(back), nlohmann::json(odd)) << to_toml(odd);
  EXPECT_TRUE(back["whole"].is_number_float());
}

TEST(ToToml, IsReadable) {
  const auto tree = Json::parse(R"({"a": 1, "t": {"x": "y"}, "b": [1.5, 2], "g": [{"r": true}]})");
  EXPECT_EQ(to_toml(tree), "a = 1\nb = [1.5, 2]\n\n[t]\nx = \"y\"\n\n[[g]]\nr = true\n");
}

TEST(ToToml, LeavesNullOutAndKeepsInfinity) {
  Json tree = Json::parse(R"({"a": null, "b": 1})");
  tree["c"] = std::numeric_limits<double>::infinity();
  EXPECT_EQ(to_toml(tree), "b = 1\nc = inf\n");
  EXPECT_EQ(message_of<ConfigError>([] { (void)to_toml(Json::parse(R"({"a": [null]})")); }),
            "a: TOML has no null inside a list");
  EXPECT_EQ(message_of<ConfigError>([] { (void)to_toml(Json::parse("[1]")); }),
            "expected a table of options, found array");
}

}  // namespace
}  // namespace muonflow

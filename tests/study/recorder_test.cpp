#include "muonflow/study/recorder.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "muonflow/core/config.hpp"
#include "muonflow/record/manifest.hpp"
#include "muonflow/record/reader.hpp"
#include "tests/study/toy_study.hpp"
#include "tests/support/temporary_folder.hpp"

namespace muonflow::study {
namespace {

TEST(StudyRecorder, DeclaresBeforeItMeasures) {
  const test::TemporaryFolder folder;
  const auto path = folder.path() / "run";
  const auto& toy = toy_study();
  const auto options = toy.resolve(Json::object(), false, {});
  Recorder recorder(path, toy, options, record::make_manifest("study", "test", {}, 4, "none"));
  {
    const auto before = record::RunReader::open(path);
    EXPECT_EQ(before.events("bound").size(), 3u);
    EXPECT_EQ(before.summary(), nullptr);
    EXPECT_EQ(before.manifest()["study"]["statement"], "two is two");
  }
  struct Passing : Context {
    Recorder& to;
    explicit Passing(Recorder& recorder_) : to(recorder_) {}
    void result(const Json& values) override { to.result(values); }
  } context(recorder);
  recorder.finish(run_study(toy, options, context), 1.5);

  const auto run = record::RunReader::open(path);
  ASSERT_NE(run.summary(), nullptr);
  EXPECT_EQ((*run.summary())["verdict"], "PASS");
  EXPECT_EQ((*run.summary())["checks"].size(), 3u);
  EXPECT_EQ(run.events("check").size(), 3u);
  EXPECT_EQ((*run.events("result").front())["seed"], 4);
  EXPECT_EQ((*run.last("figure"))["name"], "line");
  EXPECT_EQ((*run.last("remark"))["text"], "a remark");
  EXPECT_EQ((*run.last("end"))["ending"], "finished");
  // The configuration names the study and every option, so that it can be run again.
  const auto config = Config::from_text(run.config_toml());
  EXPECT_EQ(config.tree()["study"], "toy");
  EXPECT_EQ(config.tree()["seed"], 4);
}

TEST(StudyRecorder, AnInterruptedStudyDecidesNothing) {
  const test::TemporaryFolder folder;
  const auto path = folder.path() / "run";
  const auto& toy = toy_study();
  const auto options = toy.resolve(Json::object(), false, {});
  Recorder recorder(path, toy, options, record::make_manifest("study", "test", {}, 4, "none"));
  recorder.finish({.verdict = Verdict::pass, .cancelled = true}, 1);
  const auto run = record::RunReader::open(path);
  EXPECT_TRUE((*run.summary())["verdict"].is_null());
  EXPECT_EQ((*run.last("end"))["ending"], "interrupted");
}

}  // namespace
}  // namespace muonflow::study

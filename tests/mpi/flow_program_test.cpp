// mpirun -n 2 muonflow flow: the files of one process, and trouble of one rank that ends all.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <array>
#include <chrono>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "muonflow/core/fields.hpp"
#include "muonflow/core/safetensors.hpp"
#include "tests/cli/run_program.hpp"

namespace muonflow::cli {
namespace {

constexpr const char* kConfig = R"([run]
threads = 1
checkpoint_every = 10
[particles]
count = 150
shape = [3, 4]
[geometry]
epsilon = 0.1
[integrator]
kind = "muon"
step = 0.02
end_time = 0.6
[record]
every = 0.1
)";

using Words = std::vector<std::string>;

Words operator+(Words all, const Words& more) {
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

class FlowOnRanks : public ProgramTest {
 protected:
  void SetUp() override {
    // A container's root, fewer processors than ranks, and other tests beside this one.
    for (const char* name : {"OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM",
                             "OMPI_MCA_rmaps_base_oversubscribe", "OMPI_MCA_mpi_yield_when_idle"}) {
      ::setenv(name, "1", 1);
    }
    write("flow.toml", kConfig);
  }

  ProgramResult mpirun(const Words& words, const std::function<void(pid_t)>& meanwhile = {}) const {
    return run_command(Words{MUONFLOW_MPIRUN} + words, meanwhile);
  }
  static Words ranks(int count, const Words& arguments) {
    return Words{"-n", std::to_string(count), MUONFLOW_PROGRAM, "flow"} + arguments;
  }
  Json json(const std::string& name) const { return Json::parse(read_text_file(folder / name)); }
  TensorMap state(const std::string& run) const {
    return read_safetensors(folder / run / "state.safetensors").tensors;
  }
  // Names of files and kinds of events, in their order.
  Words contents(const std::string& run) const {
    Words all;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder / run)) {
      all.push_back(std::filesystem::relative(entry.path(), folder / run).string());
    }
    std::sort(all.begin(), all.end());
    std::ifstream in(folder / run / "events.jsonl");
    for (std::string line; std::getline(in, line);) {
      all.push_back(Json::parse(line)["kind"].get<std::string>());
    }
    return all;
  }
  // Sums in another order: some roundings, carried along by 30 steps.
  void expect_same_run(const std::string& run, const std::string& one) const {
    EXPECT_EQ(contents(run), contents(one));
    const auto a = state(run), b = state(one);
    for (const char* name : {"W", "M"}) {
      ASSERT_EQ(a.at(name).shape, b.at(name).shape);
      const auto x = a.at(name).to<double>(), y = b.at(name).to<double>();
      double apart = 0, size = 0;
      for (std::size_t i = 0; i < x.size(); ++i) {
        apart += (x[i] - y[i]) * (x[i] - y[i]);
        size += y[i] * y[i];
      }
      EXPECT_LE(std::sqrt(apart), 1e-12 * std::sqrt(size)) << name;
    }
    const auto s = json(run + "/summary.json"), t = json(one + "/summary.json");
    for (const char* key : {"energy", "objective", "dissipated", "momentum_op_norm"}) {
      EXPECT_NEAR(s[key].get<double>(), t[key].get<double>(), 1e-12) << key;
    }
    EXPECT_EQ(s["gradient_evaluations"], t["gradient_evaluations"]);
  }
  // The launcher adds words of its own; ours are one line.
  static void expect_one_line(const ProgramResult& result, int code, const std::string& part) {
    EXPECT_EQ(result.code, code) << result.err;
    int ours = 0;
    std::istringstream lines(result.err);
    for (std::string line; std::getline(lines, line);) {
      if (!line.starts_with("muonflow: ")) continue;
      ++ours;
      EXPECT_NE(line.find(part), std::string::npos) << line;
    }
    EXPECT_EQ(ours, 1) << result.err;
  }
};

TEST_F(FlowOnRanks, WriteWhatOneProcessWrites) {
  ASSERT_EQ(run({"flow", "flow.toml", "--out", "one"}).code, 0);
  const auto two = mpirun(ranks(2, {"flow.toml", "--out", "two"}));
  ASSERT_EQ(two.code, 0) << two.err;
  expect_same_run("two", "one");
  EXPECT_EQ(json("two/manifest.json")["processes"], 2);
  EXPECT_EQ(json("one/manifest.json")["processes"], 1);
  std::size_t headers = 0;
  for (auto at = two.out.find("geometry   "); at != std::string::npos;
       at = two.out.find("geometry   ", at + 1)) {
    ++headers;
  }
  EXPECT_EQ(headers, 1u) << two.out;

  const auto threads = mpirun(ranks(2, {"flow.toml", "--out", "threads", "--threads", "2"}));
  ASSERT_EQ(threads.code, 0) << threads.err;
  EXPECT_EQ(read_text_file(folder / "threads/state.safetensors"),
            read_text_file(folder / "two/state.safetensors"));
}

TEST_F(FlowOnRanks, GoOnWithAnotherNumber) {
  ASSERT_EQ(run({"flow", "flow.toml", "--out", "one"}).code, 0);
  const Words first{"flow.toml", "--out", "parts", "--set", "integrator.end_time=0.2"};
  const Words then{"--resume", "parts", "--set", "integrator.end_time=0.4"};
  const Words last{"--resume", "parts", "--set", "integrator.end_time=0.6"};
  const auto by_two = mpirun(ranks(2, first));
  ASSERT_EQ(by_two.code, 0) << by_two.err;
  const auto by_one = run(Words{"flow"} + then);
  ASSERT_EQ(by_one.code, 0) << by_one.err;
  const auto by_three = mpirun(ranks(3, last));
  ASSERT_EQ(by_three.code, 0) << by_three.err;
  EXPECT_EQ(json("parts/summary.json")["steps"], 30);
  EXPECT_NEAR(json("parts/summary.json")["energy"].get<double>(),
              json("one/summary.json")["energy"].get<double>(), 1e-12);
}

TEST_F(FlowOnRanks, StopTogetherWhenInterrupted) {
  const auto events = folder / "run" / "events.jsonl";
  const auto stopped =
      mpirun(ranks(2, {"flow.toml", "--out", "run", "--set", "integrator.end_time=100000", "--set",
                       "run.checkpoint_every=1000000"}),
             [&](pid_t launcher) {
               std::error_code ignored;
               for (int tries = 0; tries < 2000; ++tries) {
                 if (std::filesystem::exists(events, ignored) &&
                     std::filesystem::file_size(events, ignored) > 1000) {
                   break;
                 }
                 std::this_thread::sleep_for(std::chrono::milliseconds(10));
               }
               ::kill(launcher, SIGTERM);
             });
  expect_one_line(stopped, 1, "interrupted at time");
  EXPECT_EQ(contents("run").back(), "end");
  EXPECT_TRUE(std::filesystem::exists(folder / "run/checkpoints/latest"));
}

TEST_F(FlowOnRanks, TroubleOfOneEndsAll) {
  const auto key = ranks(2, {"flow.toml", "--out", "run", "--set", "integrator.stp=1"});
  expect_one_line(mpirun(key), 2, "stp");
  // One rank alone has no configuration.
  const auto other = ranks(1, {"flow.toml", "--out", "run"}) + Words{":"} +
                     ranks(1, {"nowhere.toml", "--out", "run"});
  expect_one_line(mpirun(other), 1, "rank 1: nowhere.toml");
  EXPECT_FALSE(std::filesystem::exists(folder / "run"));
}

// Rank 0 cannot write while the other one computes and waits for it.
TEST_F(FlowOnRanks, AFileThatCannotBeWrittenEndsAll) {
  const Words begin{"flow", "flow.toml", "--out", "run", "--set", "integrator.end_time=0.1"};
  ASSERT_EQ(run(begin).code, 0);
  std::filesystem::remove_all(folder / "run/checkpoints");
  write("run/checkpoints", "not a folder");
  const auto result = mpirun(ranks(2, {"--resume", "run", "--set", "integrator.end_time=100000"}));
  expect_one_line(result, 1, "checkpoints");
}

}  // namespace
}  // namespace muonflow::cli

// muonflow flow, from the command line: its files, its messages, its exit codes.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <thread>

#include "muonflow/core/fields.hpp"
#include "muonflow/core/safetensors.hpp"
#include "tests/cli/run_program.hpp"

namespace muonflow::cli {
namespace {

constexpr const char* kFlowConfig = R"([objective]
kind = "tanh_ridge"
features = 5
[geometry]
kind = "smoothed_nuclear"
epsilon = 0.05
[dynamics]
gamma = 1.0
[integrator]
kind = "leapfrog"
step = 0.01
end_time = 0.5
[particles]
count = 16
shape = [3, 4]
[record]
every = 0.1
)";

class FlowCommand : public ProgramTest {
 protected:
  void SetUp() override { write("flow.toml", kFlowConfig); }
  Json json(const std::string& name) const { return Json::parse(read_text_file(folder / name)); }
  std::vector<Json> events(const std::string& run, const std::string& kind) const {
    std::vector<Json> all;
    std::ifstream in(folder / run / "events.jsonl");
    for (std::string line; std::getline(in, line);) {
      auto event = Json::parse(line);
      if (event["kind"] == kind) all.push_back(std::move(event));
    }
    return all;
  }
  // A run into `run` that is too long to end by itself, signalled after its first records.
  ProgramResult run_and_signal(int signal) const {
    const auto path = folder / "run" / "events.jsonl";
    return run({"flow", "flow.toml", "--out", "run", "--set", "integrator.end_time=100000"},
               [&](pid_t child) {
                 std::error_code ignored;
                 while (!std::filesystem::exists(path, ignored) ||
                        std::filesystem::file_size(path, ignored) < 2000) {
                   std::this_thread::sleep_for(std::chrono::milliseconds(5));
                   siginfo_t ended{};
                   ::waitid(P_PID, static_cast<id_t>(child), &ended, WEXITED | WNOHANG | WNOWAIT);
                   if (ended.si_pid != 0) return;
                 }
                 ::kill(child, signal);
               });
  }
  // One line on stderr that holds `part`, the exit code, and no run folder.
  void expect_refusal(const ProgramResult& result, int code, const std::string& part) const {
    cli::expect_refusal(result, code, part);
    EXPECT_FALSE(std::filesystem::exists(folder / "run"));
  }
};

TEST_F(FlowCommand, CertifiesTheRateOfARunThatConverges) {
  const auto result =
      run({"flow", "flow.toml", "--out", "run", "--set", "dynamics.gamma=2", "--set",
           "integrator={kind=\"leapfrog\", step=0.05, end_time=16}", "--set", "record.every=0.25"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_NE(result.out.find("certified"), std::string::npos) << result.out;
  const auto summary = json("run/summary.json");
  const auto& c = summary["certificate"];
  ASSERT_TRUE(c.is_object()) << summary.dump();
  EXPECT_GT(c["rate"].get<double>(), 0);
  EXPECT_EQ(c["rate"], c["tail"]["rate"]);
  EXPECT_EQ(c["fitted_rate"], summary["fitted_rate"]);
  EXPECT_NEAR(c["tail"]["fitted_to_certified"].get<double>(),
              summary["fitted_rate"].get<double>() / c["rate"].get<double>(), 1e-12);
  EXPECT_NEAR(c["critical_epsilon"].get<double>(), 4 * c["local_lambda"].get<double>() / 2, 1e-12);
  EXPECT_GT(c["discrete"]["admissible_step"].get<double>(), 0);
  EXPECT_EQ(c["violations"], 0);
  const auto records = events("run", "certificate");
  ASSERT_EQ(records.size(), c["records"].get<std::size_t>());
  EXPECT_GT(records.size(), 40u);
  std::int64_t held = 0;
  for (const auto& r : records) {
    EXPECT_EQ(r["assumptions"].get<bool>(), r["failing"].get<std::string>().empty());
    if (r["assumptions"].get<bool>()) {
      EXPECT_GT(r["lyapunov"].get<double>(), 0);
    }
    held += r["assumptions"].get<bool>();
  }
  EXPECT_EQ(c["records_where_assumptions_hold"], held);
}

TEST_F(FlowCommand, SaysWhyNothingIsCertified) {
  const auto result = run({"flow", "flow.toml", "--out", "run"});
  ASSERT_EQ(result.code, 0) << result.err;
  const auto summary = json("run/summary.json");
  EXPECT_TRUE(summary["certificate"].is_null());
  EXPECT_NE(summary["certificate_note"].get<std::string>().find("records"), std::string::npos);
  EXPECT_NE(result.out.find("certified  nothing"), std::string::npos);
}

TEST_F(FlowCommand, BlocksKeepTheirBooksOverAResume) {
  const std::vector<std::string> settings{"flow",  "flow.toml",
                                          "--set", "objective={kind=\"moe\", samples=9}",
                                          "--set", "particles={count=4, shape=[3, 2]}",
                                          "--set", "run.checkpoint_every=7"};
  const auto with = [&](std::vector<std::string> more) {
    auto all = settings;
    all.insert(all.end(), more.begin(), more.end());
    return run(all);
  };
  ASSERT_EQ(with({"--out", "whole"}).code, 0);
  ASSERT_EQ(with({"--out", "parts", "--set", "integrator.end_time=0.28"}).code, 0);
  ASSERT_EQ(run({"flow", "--resume", "parts", "--set", "integrator.end_time=0.5"}).code, 0);
  const auto whole = events("whole", "flow").back(), parts = events("parts", "flow").back();
  ASSERT_GT(whole["blocks"].size(), 1u);
  double sum = 0;
  for (const auto& [name, block] : whole["blocks"].items()) {
    sum += block["dissipated"].get<double>();
    // Another record in between splits the same sum a little differently.
    EXPECT_NEAR(parts["blocks"][name]["dissipated"].get<double>(),
                block["dissipated"].get<double>(), 0.01 * whole["dissipated"].get<double>());
  }
  EXPECT_NEAR(sum, whole["dissipated"].get<double>(), 1e-12);
}

TEST_F(FlowCommand, RunFolderHoldsWhatItShould) {
  const auto result = run({"flow", "flow.toml", "--out", "run", "--set", "record.spectra=true"});
  ASSERT_EQ(result.code, 0) << result.err;
  const auto records = events("run", "flow");
  ASSERT_EQ(records.size(), 6u);
  for (const auto& r : records) {
    for (const char* key : {"time", "objective", "kinetic", "energy", "dissipated", "ledger_error",
                            "momentum_op_norm", "particle_distance"}) {
      EXPECT_TRUE(r[key].is_number()) << key;
    }
    EXPECT_EQ(r["momentum_spectrum"].size(), 3u);
  }
  EXPECT_EQ(records.back()["time"], 0.5);
  EXPECT_LT(records.back()["energy"], records.front()["energy"]);
  const auto state = read_safetensors(folder / "run" / "state.safetensors").tensors;
  EXPECT_EQ(state.at("W").shape, (Shape{16, 3, 4}));
  EXPECT_EQ(state.at("M").dtype, Dtype::f64);
  const auto summary = json("run/summary.json");
  EXPECT_EQ(summary["energy"], records.back()["energy"]);
  EXPECT_EQ(summary["dissipated"], records.back()["dissipated"]);
  EXPECT_EQ(summary["energy_increases"], 0);
  EXPECT_EQ(json("run/manifest.json")["kind"], "flow");
}

TEST_F(FlowCommand, ResolvedConfigurationGivesTheSameBits) {
  ASSERT_EQ(run({"flow", "flow.toml", "--out", "a"}).code, 0);
  ASSERT_EQ(run({"flow", "a/config.toml", "--out", "b", "--threads", "1"}).code, 0);
  EXPECT_EQ(read_file(folder / "a/state.safetensors"), read_file(folder / "b/state.safetensors"));
  EXPECT_EQ(read_file(folder / "a/events.jsonl"), read_file(folder / "b/events.jsonl"));
}

TEST_F(FlowCommand, StartsFromFilesAndWritesTheAskedType) {
  std::vector<double> w(2 * 2 * 3), a(3 * 2 * 3), y{0.1, -0.2, 0.3};
  for (std::size_t i = 0; i < w.size(); ++i) w[i] = std::sin(static_cast<double>(i));
  for (std::size_t i = 0; i < a.size(); ++i) a[i] = std::cos(static_cast<double>(i));
  write_safetensors(folder / "start.safetensors", {{"W", make_tensor<double>({2, 2, 3}, w)}});
  write_safetensors(folder / "data.safetensors",
                    {{"A", make_tensor<double>({3, 2, 3}, a)}, {"y", make_tensor<double>({3}, y)}});
  write("files.toml", R"(objective = {kind = "tanh_ridge", file = "data.safetensors"}
initial = {file = "start.safetensors"}
integrator = {kind = "muon", step = 0.5, end_time = 0.5}
run = {dtype = "float32"}
)");
  const auto result = run({"flow", "files.toml", "--out", "run"});
  ASSERT_EQ(result.code, 0) << result.err;
  double J = 0;
  for (std::size_t k = 0; k < 3; ++k) {
    double z = 0;
    for (std::size_t i = 0; i < 2; ++i) {
      double inner = 0;
      for (std::size_t j = 0; j < 6; ++j) inner += a[k * 6 + j] * w[i * 6 + j];
      z += std::tanh(inner) / 2;
    }
    J += 0.5 * (z - y[k]) * (z - y[k]);
  }
  // Float data: products of six terms of order 1.
  EXPECT_NEAR(events("run", "flow").front()["objective"].get<double>(), J, 1e-5 * (1 + J));
  const auto state = read_safetensors(folder / "run" / "state.safetensors").tensors;
  EXPECT_EQ(state.at("W").dtype, Dtype::f32);
}

TEST_F(FlowCommand, ResumedRunHasTheBitsOfAWholeOne) {
  ASSERT_EQ(run({"flow", "flow.toml", "--out", "whole", "--set", "integrator.end_time=1.0"}).code,
            0);
  ASSERT_EQ(run({"flow", "flow.toml", "--out", "parts", "--set", "run.checkpoint_every=20"}).code,
            0);
  EXPECT_TRUE(std::filesystem::exists(folder / "parts/checkpoints/step-000040"));
  const auto result = run({"flow", "--resume", "parts", "--set", "integrator.end_time=1.0"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(read_file(folder / "whole/state.safetensors"),
            read_file(folder / "parts/state.safetensors"));
  EXPECT_EQ(events("whole", "flow"), events("parts", "flow"));
  auto a = json("whole/summary.json"), b = json("parts/summary.json");
  a.erase("wall_seconds");
  b.erase("wall_seconds");
  EXPECT_EQ(a, b);
}

TEST_F(FlowCommand, InterruptSavesAndSaysHowToGoOn) {
  const auto interrupted = run_and_signal(SIGINT);
  EXPECT_EQ(interrupted.code, 1);
  ASSERT_NE(interrupted.err.find("go on with: muonflow flow --resume run"), std::string::npos)
      << interrupted.err;
  const auto step = events("run", "checkpoint").back()["step"].get<std::int64_t>();
  const auto end = "integrator.end_time=" + std::to_string(0.01 * static_cast<double>(step + 30));
  ASSERT_EQ(run({"flow", "--resume", "run", "--set", end}).code, 0);
  ASSERT_EQ(run({"flow", "flow.toml", "--out", "whole", "--set", end}).code, 0);
  EXPECT_EQ(read_file(folder / "whole/state.safetensors"),
            read_file(folder / "run/state.safetensors"));
}

TEST_F(FlowCommand, KilledRunWithoutACheckpointBeginsAgain) {
  EXPECT_EQ(run_and_signal(SIGKILL).code, 128 + SIGKILL);
  ASSERT_EQ(run({"flow", "--resume", "run", "--set", "integrator.end_time=0.5"}).code, 0);
  ASSERT_EQ(run({"flow", "flow.toml", "--out", "whole"}).code, 0);
  EXPECT_EQ(events("run", "flow"), events("whole", "flow"));
  EXPECT_EQ(read_file(folder / "whole/state.safetensors"),
            read_file(folder / "run/state.safetensors"));
}

TEST_F(FlowCommand, RefusesToResumeAnotherSystem) {
  ASSERT_EQ(run({"flow", "flow.toml", "--out", "old", "--set", "run.checkpoint_every=20"}).code, 0);
  const auto before = read_file(folder / "old/events.jsonl");
  for (const char* change : {"geometry.epsilon=0.1", "dynamics.gamma=2.0", "particles.seed=9",
                             "objective.seed=3", "integrator.kind=rk4", "run.dtype=float32"}) {
    const auto result = run({"flow", "--resume", "old", "--set", change});
    expect_refusal(result, 2, "a resumed run keeps its system");
  }
  EXPECT_EQ(read_file(folder / "old/events.jsonl"), before);
  EXPECT_EQ(run({"flow", "--resume", "nowhere"}).code, 1);
}

TEST_F(FlowCommand, RefusesToResumeOnOtherData) {
  const auto data = [&](double y) {
    write_safetensors(folder / "data.safetensors",
                      {{"A", make_tensor<double>({1, 3, 4}, std::vector<double>(12, 0.1))},
                       {"y", make_tensor<double>({1}, std::vector<double>{y})}});
  };
  data(0.5);
  ASSERT_EQ(run({"flow", "flow.toml", "--out", "old", "--set", "objective.file=data.safetensors",
                 "--set", "run.checkpoint_every=20"})
                .code,
            0);
  data(0.6);
  expect_refusal(run({"flow", "--resume", "old", "--set", "integrator.end_time=1.0"}), 2,
                 "not those that the run began with");
}

TEST_F(FlowCommand, WrongRequestsAreOneLineWithTheirPlace) {
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string text = kFlowConfig;
    text.replace(text.find(from), from.size(), to);
    write("bad.toml", text);
    return run({"flow", "bad.toml", "--out", "run"});
  };
  expect_refusal(with("epsilon = 0.05", "epsilon = 0.0"), 2, "bad.toml:6: geometry.epsilon");
  expect_refusal(with("epsilon = 0.05", "epsilom = 0.5"), 2, "did you mean 'epsilon'");
  expect_refusal(with("gamma = 1.0", "gamma = -1.0"), 2, "bad.toml:8: dynamics.gamma");
  expect_refusal(with("step = 0.01", "step = 0.7"), 2, "bad.toml:11: integrator.step");
  expect_refusal(with("\"leapfrog\"", "\"leapfrgo\""), 2, "did you mean 'leapfrog'");
  expect_refusal(with("every = 0.1", "every = 0"), 2, "bad.toml:17: record.every");
  expect_refusal(with("[record]", "[recrod]"), 2, "did you mean 'record'");
  expect_refusal(with("count = 16", ""), 2, "particles.count");
  expect_refusal(with("features = 5", "file = \"none.safetensors\""), 1,
                 "bad.toml:3: objective.file");
  expect_refusal(with("[record]", "[initial]\nfile = \"none.safetensors\"\n[record]"), 1,
                 "bad.toml:17: initial.file");
  expect_refusal(run({"flow", "--out", "run"}), 2, "expected a TOML file");
}

TEST_F(FlowCommand, BadFilesAreOneLineWithTheirPlace) {
  std::vector<double> w(16 * 3 * 4, 0.1);
  const auto start = [&](const TensorMap& tensors) {
    write_safetensors(folder / "start.safetensors", tensors);
    return run({"flow", "flow.toml", "--out", "run", "--set", "initial.file=start.safetensors"});
  };
  expect_refusal(start({{"W", make_tensor<double>({16, 4, 3}, w)}}), 1, "start.safetensors");
  expect_refusal(
      start({{"W", make_tensor<double>({16, 3, 4}, w)}, {"M", make_tensor<double>({16, 4, 3}, w)}}),
      1, "tensor M: expected shape [16, 3, 4]");
  expect_refusal(start({{"V", make_tensor<double>({16, 3, 4}, w)}}), 1, "no tensor 'W'");
  w[5] = std::numeric_limits<double>::quiet_NaN();
  expect_refusal(start({{"W", make_tensor<double>({16, 3, 4}, w)}}), 1,
                 "tensor W, particle 0: expected finite numbers, found NaN");
  expect_refusal(
      run({"flow", "flow.toml", "--out", "run", "--set", "objective.file=none.safetensors"}), 1,
      "none.safetensors");
  write_safetensors(folder / "data.safetensors",
                    {{"A", make_tensor<double>({2, 5, 4}, std::vector<double>(40))},
                     {"y", make_tensor<double>({2}, std::vector<double>(2))}});
  expect_refusal(
      run({"flow", "flow.toml", "--out", "run", "--set", "objective.file=data.safetensors"}), 1,
      "tensor A: expected A [q, 3, 4]");
}

TEST_F(FlowCommand, FoldersThatCannotBeUsed) {
  write("file", "text");
  EXPECT_EQ(run({"flow", "flow.toml", "--out", "file/run"}).code, 1);
  EXPECT_EQ(run({"flow", "flow.toml", "--out", "file"}).code, 2);
  ASSERT_EQ(run({"flow", "flow.toml", "--out", "used"}).code, 0);
  const auto again = run({"flow", "flow.toml", "--out", "used"});
  EXPECT_EQ(again.code, 2);
  EXPECT_NE(again.err.find("not empty"), std::string::npos) << again.err;
}

TEST_F(FlowCommand, DivergenceIsToldAndNotSaved) {
  const auto result =
      run({"flow", "flow.toml", "--out", "run", "--set", "geometry={kind=\"frobenius\"}", "--set",
           "objective={kind=\"quadratic\", lambda=1e30}", "--set", "integrator.end_time=100"});
  EXPECT_EQ(result.code, 1);
  EXPECT_NE(result.err.find("failed: non-finite result"), std::string::npos) << result.err;
  EXPECT_FALSE(std::filesystem::exists(folder / "run/state.safetensors"));
  EXPECT_FALSE(std::filesystem::exists(folder / "run/summary.json"));
  EXPECT_EQ(events("run", "end").back()["ending"], "non-finite");
}

TEST_F(FlowCommand, DataSetsThatAreNotThereCostOneLine) {
  std::filesystem::create_directory(folder / "empty");
  const auto with = [&](const std::string& objective) {
    return run({"flow", "flow.toml", "--out", "run", "--set", "objective=" + objective, "--set",
                "particles.shape=[3, 16]"});
  };
  expect_refusal(with("{kind=\"two_layer\", dataset=\"fashion_mnist\", file=\"empty\"}"), 1,
                 "obtain it with: apt-get install dataset-fashion-mnist");
  expect_refusal(with("{kind=\"moe\", dataset=\"next_letter\", file=\"empty\"}"), 1,
                 "obtain it with: apt-get download r-cran-janeaustenr");
  expect_refusal(with("{kind=\"moe\", dataset=\"next_leter\"}"), 2, "next_letter");
  expect_refusal(with("{kind=\"two_layer\", dataset=\"fashion_mnist\", samples=70000}"), 2,
                 "between 1 and 60000");
}

TEST_F(FlowCommand, ParticlesOfSeveralMatricesRunAndResume) {
  const std::vector<std::string> settings{"--set", "objective={kind=\"moe\", samples=9}",
                                          "--set", "geometry.router={weight=0.5}",
                                          "--set", "record.spectra=true",
                                          "--set", "run.checkpoint_every=25"};
  std::vector<std::string> whole{"flow", "flow.toml", "--out", "run"};
  whole.insert(whole.end(), settings.begin(), settings.end());
  ASSERT_EQ(run(whole).code, 0);
  const auto spectrum = events("run", "flow").back()["momentum_spectrum"];
  EXPECT_EQ(spectrum["router"].size(), 1u);
  EXPECT_EQ(spectrum["in"].size(), 3u);
  auto half = whole;
  half[3] = "half";
  half.insert(half.end(), {"--set", "integrator.end_time=0.25"});
  ASSERT_EQ(run(half).code, 0);
  const auto resumed = run({"flow", "--resume", "half", "--set", "integrator.end_time=0.5"});
  ASSERT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_EQ(read_text_file(folder / "half/state.safetensors"),
            read_text_file(folder / "run/state.safetensors"));
}

// A launcher whose processes this program cannot join, for want of MPI or for another MPI: without
// the refusal each would run the whole into the same folder.
TEST_F(FlowCommand, RefusesProcessesThatItCannotJoin) {
  ::setenv("PMI_SIZE", "2", 1);
  ::setenv("PMI_RANK", "0", 1);
  const auto first = run({"flow", "flow.toml", "--out", "run"});
  ::setenv("PMI_RANK", "1", 1);
  const auto second = run({"flow", "flow.toml", "--out", "run"});
  ::unsetenv("PMI_RANK");
  ::unsetenv("PMI_SIZE");
  expect_refusal(first, 2, "MPI");
  EXPECT_EQ(second.code, 0);
  EXPECT_EQ(second.out + second.err, "");
  EXPECT_FALSE(std::filesystem::exists(folder / "run"));
}

TEST_F(FlowCommand, DryRunWritesNothing) {
  const auto result = run({"flow", "flow.toml", "--out", "run", "--dry-run"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_NE(result.out.find("epsilon = 0.05"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(folder / "run"));
}

}  // namespace
}  // namespace muonflow::cli

// muonflow bench, from the command line: that it runs, what its documents hold and what it refuses,
// never how fast.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "muonflow/core/fields.hpp"
#include "muonflow/linalg/polar.hpp"
#include "tests/cli/run_program.hpp"

namespace muonflow::cli {
namespace {

class BenchCommandTest : public ProgramTest {
 protected:
  // The quickest benchmark of all works whose size can be chosen.
  static std::vector<std::string> tiny(const std::vector<std::string>& more) {
    std::vector<std::string> all{"bench",    "kernels", "--size", "12,20",
                                 "--rounds", "3",       "--work", "polar,polar_batch,regularized"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }

  // The lines that a shell command in the test's folder prints.
  std::vector<std::string> run_shell(const std::string& command) const {
    const auto in_folder = "cd '" + folder.path().string() + "' && " + command;
    std::FILE* const pipe = ::popen(in_folder.c_str(), "r");
    std::vector<std::string> lines;
    std::array<char, 4096> line{};
    while (std::fgets(line.data(), line.size(), pipe) != nullptr) {
      lines.emplace_back(line.data());
      if (lines.back().back() == '\n') lines.back().pop_back();
    }
    ::pclose(pipe);
    return lines;
  }

  static const Json& contender(const Json& row, const std::string& name) {
    for (const auto& entry : row["contenders"]) {
      if (entry["name"].get<std::string>().find(name) != std::string::npos) return entry;
    }
    static const Json nothing;
    return nothing;
  }
};

TEST_F(BenchCommandTest, KernelsBesideTheirRivals) {
  const auto result = run(tiny({"--peers", "onednn,openblas,ssyrk,eigen,lapack"}));
  ASSERT_EQ(result.code, 0) << result.err;
  for (const char* word : {"muonflow", "oneDNN", "OpenBLAS", "ssyrk", "SSE2", "sgesdd", "12 x 20",
                           "32 of 12 x 20", "condition 1e4", "best rival"}) {
    EXPECT_NE(result.out.find(word), std::string::npos) << word << "\n" << result.out;
  }
}

TEST_F(BenchCommandTest, TheDocumentHoldsEverySampleAndWhatIsMadeOfThem) {
  const auto result = run(tiny({"--peers", "onednn,lapack", "--json"}));
  ASSERT_EQ(result.code, 0) << result.err;
  const Json document = Json::parse(result.out);  // the tables stand on the other stream
  EXPECT_NE(result.err.find("muonflow"), std::string::npos);
  EXPECT_EQ(document["kind"], "bench kernels");
  EXPECT_EQ(document["format"], 1);
  for (const char* key : {"version", "created", "threads", "machine", "libraries", "peak_gflops"}) {
    EXPECT_TRUE(document.contains(key)) << key;
  }
  EXPECT_GT(document["peak_gflops"]["float"].get<double>(), 0);
  ASSERT_EQ(document["rows"].size(), 3u);
  for (const auto& row : document["rows"]) {
    ASSERT_GE(row["contenders"].size(), 2u);
    EXPECT_TRUE(row["contenders"][0]["ours"].get<bool>());
    EXPECT_EQ(row["contenders"][0]["ratio"], 1.0);
    EXPECT_GT(row["flops"].get<double>(), 0);
    EXPECT_FALSE(row["best_rival"].get<std::string>().empty());
    for (const auto& entry : row["contenders"]) {
      ASSERT_EQ(entry["samples"].size(), 3u);
      const double median = entry["median"];
      EXPECT_NEAR(entry["gflops"].get<double>() * median, 1e-9 * row["flops"].get<double>(), 1e-12);
      EXPECT_GE(entry["spread"].get<double>(), 0);
      EXPECT_GT(entry["fraction_of_peak"].get<double>(), 0);
      // Rounding of float in 20 x 20 matrices; of the regularized map enlarged by 1 / epsilon.
      EXPECT_LT(entry["error"].get<double>(), 1e-4) << entry["name"];
    }
  }
}

TEST_F(BenchCommandTest, SizesChooseThePolarFactorAndPeersWhoIsThere) {
  const auto result = run(
      {"bench", "kernels", "--size", "9", "--rounds", "1", "--peers", "none", "--json", "b.json"});
  ASSERT_EQ(result.code, 0) << result.err;
  const Json document = Json::parse(read_text_file(folder / "b.json"));
  ASSERT_EQ(document["rows"].size(), 1u);
  EXPECT_EQ(document["rows"][0]["work"], "polar");
  EXPECT_EQ(document["rows"][0]["size"], "9 x 9");
  EXPECT_EQ(document["rows"][0]["contenders"].size(), 1u);
  EXPECT_FALSE(document["rows"][0].contains("best_rival"));
}

TEST_F(BenchCommandTest, InverseRootsByEveryMethod) {
  const auto result = run({"bench", "kernels", "--work", "inverse_root", "--size", "12,20",
                           "--rounds", "1", "--peers", "lapack", "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  const Json document = Json::parse(result.out);
  ASSERT_EQ(document["rows"].size(), 2u);
  for (const auto& row : document["rows"]) {
    EXPECT_EQ(row["size"], "12 x 12");
    ASSERT_EQ(row["contenders"].size(), 5u);
    EXPECT_EQ(row["best_rival"], "LAPACK, dsyevd");
    for (const auto& entry : row["contenders"]) {
      // One rounding to float; an eigendecomposition in float also loses the condition, 1e4.
      const bool in_float = !entry["same_precision"].get<bool>();
      EXPECT_LT(entry["error"].get<double>(), in_float ? 12 * 1.2e-7 * 1e4 : 1e-6) << entry;
    }
    for (std::size_t i = 0; i < 3; ++i) EXPECT_TRUE(row["contenders"][i]["ours"].get<bool>());
  }
  EXPECT_EQ(document["rows"][0]["p"], 2);
  EXPECT_EQ(document["rows"][1]["p"], 4);
}

TEST_F(BenchCommandTest, AFolderGetsDocumentAndPage) {
  const auto result = run({"bench", "kernels", "--size", "8", "--rounds", "1", "--peers", "onednn",
                           "--output", "results/today"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(Json::parse(read_text_file(folder / "results/today/bench.json"))["rows"].size(), 1u);
  const auto page = read_text_file(folder / "results/today/report.html");
  EXPECT_NE(page.find("kernels-0-0"), std::string::npos);
}

// The document's form is that of bench kernels; sgd and adamw take everything, muon its matrices.
TEST_F(BenchCommandTest, StepsOfRulesWithTheirStateAndEntrywiseOnesBesideTheMemory) {
  const auto result = run({"bench", "steps", "--rules", "sgd,adamw,muon.moonlight", "--model",
                           "mlp", "--rounds", "1", "--peers", "none", "--output", "today"});
  ASSERT_EQ(result.code, 0) << result.err;
  for (const char* word :
       {"MLP", "sgd", "adamw", "muon.moonlight", "ms/step", "of the bandwidth"}) {
    EXPECT_NE(result.out.find(word), std::string::npos) << word << "\n" << result.out;
  }
  const Json document = Json::parse(read_text_file(folder / "today/bench.json"));
  EXPECT_EQ(document["kind"], "bench steps");
  EXPECT_EQ(document["format"], 1);
  ASSERT_EQ(document["rows"].size(), 3u);
  const double parameters = document["rows"][0]["parameters"];
  const std::array<std::string, 3> presets{"sgd", "adamw", "muon.moonlight+adamw"};
  for (std::size_t r = 0; r < 3; ++r) {
    const auto& row = document["rows"][r];
    EXPECT_EQ(row["preset"], presets[r]);
    EXPECT_EQ(row["cycle"], 1);
    EXPECT_FALSE(row.contains("trouble"));
    EXPECT_FALSE(row.contains("best_rival"));
    EXPECT_EQ(row.contains("floor"), r < 2);
    ASSERT_EQ(row["contenders"].size(), 1u);
    const auto& ours = row["contenders"][0];
    EXPECT_EQ(ours["samples"].size(), 1u);
    EXPECT_EQ(ours["ratio"], 1.0);
    EXPECT_NEAR(ours["parameters_per_second"].get<double>() * ours["median"].get<double>(),
                parameters, 1e-6 * parameters);
  }
  const auto state = [&](std::size_t r) -> double {
    return document["rows"][r]["contenders"][0]["state_bytes"];
  };
  EXPECT_EQ(state(0), 4 * parameters);  // one momentum
  EXPECT_EQ(state(1), 8 * parameters);  // two moments
  // One momentum of the matrices and two moments of the rest: the head and three biases.
  EXPECT_EQ(state(2), 4 * parameters + 4 * (10 * 128 + 128 + 128 + 10));
  // Each of three reads and a gradient's, three writes.
  EXPECT_EQ(document["rows"][1]["floor"]["bytes"].get<double>(), 28 * parameters);
  EXPECT_GT(document["rows"][1]["floor"]["fraction"].get<double>(), 0);
  EXPECT_NE(read_text_file(folder / "today/report.html").find("rules-0-0"), std::string::npos);
}

TEST_F(BenchCommandTest, RulesThatRefreshAreTimedOverWholeCycles) {
  const auto result = run({"bench", "steps", "--rules", "soap", "--model", "mlp", "--rounds", "1",
                           "--peers", "none", "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  const Json document = Json::parse(result.out);
  ASSERT_EQ(document["rows"].size(), 1u);
  EXPECT_EQ(document["rows"][0]["cycle"], 10);
  EXPECT_EQ(document["rows"][0]["preset"], "soap+adamw");
  EXPECT_GT(document["rows"][0]["contenders"][0]["median"].get<double>(), 0);
}

// The same steps: what PyTorch's weights have become is what ours have.
TEST_F(BenchCommandTest, PyTorchTakesTheSameSteps) {
  if (run_shell("/usr/bin/python3 -c 'import torch, numpy' && echo yes").size() != 1) {
    GTEST_SKIP() << "/usr/bin/python3 cannot import torch and numpy";
  }
  const auto result = run({"bench", "steps", "--rules", "sgd,adamw,muon", "--model", "mlp",
                           "--rounds", "1", "--threads", "1", "--peers", "torch", "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  const Json document = Json::parse(result.out);
  ASSERT_EQ(document["rows"].size(), 3u);
  for (const auto& row : document["rows"]) {
    ASSERT_GE(row["contenders"].size(), row["rule"] == "muon" ? 2u : 3u);
    EXPECT_NE(row["best_rival"].get<std::string>().find("PyTorch"), std::string::npos);
    const auto& ours = row["contenders"][0];
    for (std::size_t i = 1; i < row["contenders"].size(); ++i) {
      const auto& theirs = row["contenders"][i];
      EXPECT_EQ(theirs["state_bytes"].get<double>(), ours["state_bytes"].get<double>());
      // Rounding of float in weights that moved by a hundredth of their size, and of products.
      EXPECT_LT(theirs["difference"].get<double>(), 1e-4) << theirs["name"];
    }
  }
}

// Where there is no script above, likewise.
TEST_F(BenchCommandTest, ThePeerOfStepsIsSkippedWithALine) {
  std::filesystem::copy_file(MUONFLOW_PROGRAM, folder / "program");
  const auto lines = run_shell(
      "./program bench steps --rules sgd --model mlp --rounds 1 --peers torch 2>/dev/null");
  int skipped = 0;
  for (const auto& line : lines) skipped += line.rfind("PyTorch: skipped", 0) == 0 ? 1 : 0;
  EXPECT_EQ(skipped, 1);
}

TEST_F(BenchCommandTest, AccuracyOfEveryMethodInBothPrecisions) {
  const auto result = run({"bench", "accuracy", "--steps", "8", "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  const Json document = Json::parse(result.out);
  EXPECT_EQ(document["kind"], "bench accuracy");
  const auto conditions = document["conditions"].size();
  EXPECT_EQ(conditions, 9u);
  EXPECT_EQ(document["conditions"].back(), 1e8);
  const auto methods = EnumNames<linalg::PolarMethod>::names.size() + 1;  // and the regularized map
  ASSERT_EQ(document["series"].size(), 2 * methods);
  for (const auto& series : document["series"]) {
    ASSERT_EQ(series["errors"].size(), conditions);
    // The exact ones are exact where the matrix is well conditioned.
    if (series["name"] != "svd" && series["name"] != "regularized") continue;
    const double epsilon = series["dtype"] == "float32" ? 1.2e-7 : 2.3e-16;
    EXPECT_LT(series["errors"][0].get<double>(), 64 * epsilon) << series["name"];
  }
}

TEST_F(BenchCommandTest, ServesItsRivalsToAnotherProcess) {
  // 2 x 2, the identity: a rival leaves it as it is up to Jordan's five steps.
  const std::array<float, 4> identity{1, 0, 0, 1};
  write_file(folder / "input", std::as_bytes(std::span(identity)));
  write("lines",
        "about 1\nload 1x2x2 0 input\ntime polar_openblas 0\nsave polar_openblas out\n"
        "time nothing 0\nload 1x2x3 0 input\nload no 0 input\ndance\n");
  const auto result = run_shell("\"" MUONFLOW_PROGRAM "\" bench serve < lines");
  ASSERT_EQ(result.size(), 8u);
  EXPECT_TRUE(Json::parse(result[0]).is_object());
  EXPECT_EQ(result[1], "ok");
  EXPECT_GT(std::stod(result[2]), 0);
  EXPECT_EQ(result[3], "ok");
  for (std::size_t i = 4; i < 8; ++i) EXPECT_EQ(result[i].rfind("error", 0), 0u) << result[i];
  const auto bytes = read_file(folder / "out");
  ASSERT_EQ(bytes.size(), sizeof identity);
  std::array<float, 4> out{};
  std::copy(bytes.begin(), bytes.end(), std::as_writable_bytes(std::span(out)).begin());
  EXPECT_NEAR(out[0], out[3], 1e-6);
  EXPECT_NEAR(out[1], 0, 1e-6);
  EXPECT_GT(out[0], 0.6);
}

TEST_F(BenchCommandTest, PyTorchIsMeasuredAndJudgedLikeEverybody) {
  if (run_shell("/usr/bin/python3 -c 'import torch, numpy' && echo yes").size() != 1) {
    GTEST_SKIP() << "/usr/bin/python3 cannot import torch and numpy";
  }
  const auto result = run(tiny({"--threads", "1", "--peers", "torch", "--json"}));
  ASSERT_EQ(result.code, 0) << result.err;
  const Json document = Json::parse(result.out);
  for (const auto& row : document["rows"]) {
    const bool polar = row["work"] != "regularized";
    const auto& exact = contender(row, polar ? "float32" : "torch.linalg.svd");
    ASSERT_TRUE(exact.is_object()) << row.dump();
    EXPECT_LT(exact["error"].get<double>(), 1e-4);
    if (!polar) continue;
    const auto& coarse = contender(row, "bfloat16");
    EXPECT_LT(coarse["error"].get<double>(), 0.2);
    EXPECT_GT(coarse["error"].get<double>(), 1e-4);
    EXPECT_FALSE(coarse["same_precision"].get<bool>());
    EXPECT_EQ(row["best_rival"].get<std::string>().find("bfloat16"), std::string::npos);
  }
}

// Where there is no script above, one line says so and the rest goes on.
TEST_F(BenchCommandTest, APeerThatIsAbsentIsSkippedWithALine) {
  std::filesystem::copy_file(MUONFLOW_PROGRAM, folder / "program");
  const auto lines =
      run_shell("./program bench kernels --size 8 --rounds 1 --peers torch 2>/dev/null");
  int skipped = 0;
  for (const auto& line : lines) skipped += line.rfind("PyTorch: skipped", 0) == 0 ? 1 : 0;
  EXPECT_EQ(skipped, 1);
}

TEST_F(BenchCommandTest, WrongRequests) {
  expect_refusal(run({"bench", "kernel"}), 2, "kernels");
  expect_refusal(run({"bench", "kernels", "--rounds", "-1"}), 2, "--rounds");
  expect_refusal(run({"bench", "accuracy", "--steps", "-1"}), 2, "--steps");
  expect_refusal(run({"bench", "kernels", "--peers", "eigne"}), 2, "eigen");
  expect_refusal(run({"bench", "kernels", "--work", "poler"}), 2, "polar");
  for (const char* size : {"", "0", "3,", "3x4", "1,2,3", "-5", "99999"}) {
    expect_refusal(run({"bench", "kernels", "--size", size}), 2, "--size");
  }
  expect_refusal(run({"bench", "steps", "--rules", "adamv"}), 2, "adamw");
  expect_refusal(run({"bench", "steps", "--rules", "muon.jordon"}), 2, "jordan");
  expect_refusal(run({"bench", "steps", "--rules", ""}), 2, "--rules");
  expect_refusal(run({"bench", "steps", "--model", "vits"}), 2, "vit");
  expect_refusal(run({"bench", "steps", "--rules", "sgd", "--peers", "jax"}), 2, "--peers");
  expect_refusal(run({"bench", "training", "--output", "x"}), 2, "--output");
  expect_refusal(run({"bench", "accuracy", "--json", "no/such/folder.json"}), 1, "no/such");
}

}  // namespace
}  // namespace muonflow::cli

#include "muonflow/report/flow_run.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "muonflow/record/run_folder.hpp"
#include "tests/report/synthetic_runs.hpp"
#include "tests/support/temporary_folder.hpp"

namespace muonflow::report {
namespace {

using testing::TemporaryFolder;

TEST(ReadFlow, ColumnsAgreeWithWhatWasWritten) {
  TemporaryFolder folder;
  testing::write_flow_run(folder / "a", {.records = 50, .modes = 6});
  const auto run = flow_run(record::RunReader::open(folder / "a"), "a");
  ASSERT_EQ(run.time.size(), 51U);
  for (std::size_t i = 0; i < run.time.size(); ++i) {
    EXPECT_NEAR(run.energy[i], run.objective[i] + run.kinetic[i], 1e-12);
  }
  EXPECT_EQ(run.state, "");
  EXPECT_EQ(run.geometry, "smoothed_nuclear");
  EXPECT_EQ(run.shape, "6 × 12");
  EXPECT_EQ(run.particles, 1000);
  ASSERT_EQ(run.spectra.size(), 1U);
  EXPECT_EQ(run.spectra[0].rows.size(), 6U);
  EXPECT_EQ(run.spectra[0].time.size(), 51U);
  EXPECT_EQ(run.spectra[0].rows[0][20], run.momentum_op_norm[20]);
  EXPECT_GT(run.largest_ledger_error(), 0);
  EXPECT_EQ(run.rises.unit, "steps");
  EXPECT_EQ(run.rate, 0.57);
  EXPECT_EQ(run.rate_high, 0.58);
}

TEST(ReadFlow, RisesOfTheObjectiveAreMarked) {
  TemporaryFolder folder;
  {
    auto file = record::RunFolder::create(folder / "a", Json{{"kind", "flow"}}, "");
    const std::vector<double> objective{4, 3, 3.5, 3.5, 2};
    for (std::size_t i = 0; i < objective.size(); ++i) {
      file.event({{"kind", "flow"},
                  {"step", i},
                  {"time", 0.1 * static_cast<double>(i)},
                  {"objective", objective[i]},
                  {"energy", 5 - static_cast<double>(i)}});
    }
  }
  const auto run = flow_run(record::RunReader::open(folder / "a"), "a");
  EXPECT_EQ(run.increases, std::vector<std::size_t>{2});
  EXPECT_EQ(run.rises.objective, 1);
  EXPECT_EQ(run.rises.energy, 0);
  EXPECT_EQ(run.rises.out_of, 4);
  EXPECT_EQ(run.rises.unit, "recorded times");
  EXPECT_TRUE(std::isnan(run.largest_ledger_error()));
  EXPECT_TRUE(std::isnan(run.rate));
  EXPECT_TRUE(run.spectra.empty());
  EXPECT_FALSE(run.state.empty());
}

TEST(ReadFlow, SpectraOfSeveralBlocksByName) {
  TemporaryFolder folder;
  {
    auto file = record::RunFolder::create(folder / "a", Json{{"kind", "flow"}}, "");
    for (int i = 0; i < 3; ++i) {
      file.event({{"kind", "flow"},
                  {"step", i},
                  {"time", i},
                  {"momentum_spectrum", {{"in", {2.0, 1.0}}, {"out", {3.0, nullptr, 1.0}}}}});
    }
    // Of another length: left out rather than put into the wrong rows.
    file.event(
        {{"kind", "flow"}, {"step", 3}, {"time", 3}, {"momentum_spectrum", {{"in", {2.0}}}}});
  }
  const auto run = flow_run(record::RunReader::open(folder / "a"), "a");
  ASSERT_EQ(run.spectra.size(), 2U);
  EXPECT_EQ(run.spectra[0].block, "in");
  EXPECT_EQ(run.spectra[0].time.size(), 3U);
  EXPECT_EQ(run.spectra[1].rows.size(), 3U);
  EXPECT_TRUE(std::isnan(run.spectra[1].rows[1][0]));
}

}  // namespace
}  // namespace muonflow::report

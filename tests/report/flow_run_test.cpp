#include "muonflow/report/flow_run.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "muonflow/record/run_folder.hpp"
#include "muonflow/report/sections.hpp"
#include "tests/report/synthetic_runs.hpp"
#include "tests/support/temporary_folder.hpp"

namespace muonflow::report {
namespace {

using test::TemporaryFolder;

TEST(ReadFlow, ColumnsAgreeWithWhatWasWritten) {
  TemporaryFolder folder;
  test::write_flow_run(folder / "a", {.records = 50, .modes = 6});
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

TEST(ReadFlow, RateStandsBesideItsCertificate) {
  TemporaryFolder folder;
  {
    auto file = record::RunFolder::create(folder / "a", Json{{"kind", "flow"}}, "");
    for (int i = 0; i <= 10; ++i) {
      file.event({{"kind", "flow"},
                  {"step", i},
                  {"time", i},
                  {"objective", std::exp(-0.5 * i)},
                  {"energy", 1 + std::exp(-0.5 * i)},
                  {"particle_distance", 2.0}});
    }
    for (int i = 5; i <= 10; ++i) {
      file.event({{"kind", "certificate"},
                  {"step", i},
                  {"time", i},
                  {"lyapunov", std::exp(-0.4 * i)},
                  {"assumptions", i != 6}});
    }
    file.summary({{"infimum", 1.0},
                  {"fitted_rate", 0.5},
                  {"fitted_rate_times", {5, 10}},
                  {"certificate", {{"tail", {{"rate", 0.2}, {"from", 5}, {"to", 10}}}}}});
  }
  const auto run = flow_run(record::RunReader::open(folder / "a"), "a");
  EXPECT_EQ(run.certified_rate, 0.2);
  EXPECT_EQ(run.lyapunov.size(), 6U);
  PageData data;
  const auto markup = flow_figures(std::vector{run}, data);
  EXPECT_NE(markup.find("flow-distance"), std::string::npos);
  const auto found = std::find_if(data.figures().begin(), data.figures().end(),
                                  [](const Figure& f) { return f.id == "flow-0-rate"; });
  ASSERT_NE(found, data.figures().end());
  // The function whole and faint, and again where its assumptions hold.
  ASSERT_EQ(found->series.size(), 5U);
  EXPECT_EQ(found->series[2].role, "faint");
  EXPECT_TRUE(std::isfinite(found->series[2].y[1]));
  EXPECT_TRUE(std::isnan(found->series[3].y[1]));
  EXPECT_TRUE(std::isfinite(found->series[3].y[2]));
  EXPECT_EQ(markup.find("flow-0-blocks"), std::string::npos);
  const auto& fitted = found->series[1].y;
  EXPECT_NEAR(fitted[0], std::exp(-2.5), 1e-12) << "begins where the energy is";
  EXPECT_NEAR(fitted[1], std::exp(-5.0), 1e-12);
  const auto& certified = found->series[4].y;
  EXPECT_NEAR(certified[1], std::exp(-2.0 - 0.2 * 5), 1e-12) << "begins where the function is";
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

TEST(ReadFlow, AnInterruptedRunSaysHowFarItCame) {
  TemporaryFolder folder;
  const auto state = [&](const char* name, const Json& end) {
    const Json config{{"integrator", {{"end_time", 10.0}}}};
    auto file =
        record::RunFolder::create(folder / name, Json{{"kind", "flow"}, {"config", config}}, "");
    file.event({{"kind", "flow"}, {"step", 10}, {"time", 0.1}});
    file.event(end);
    return flow_run(record::RunReader::open(folder / name), name).state;
  };
  Json end{{"kind", "end"}, {"step", 19}, {"ending", "interrupted"}};
  EXPECT_EQ(state("old", end), "interrupted at time 0.1 of 10");
  end["time"] = 0.19;
  EXPECT_EQ(state("new", end), "interrupted at time 0.19 of 10");
}

TEST(ReadFlow, BlocksHaveALedgerEach) {
  TemporaryFolder folder;
  {
    auto file = record::RunFolder::create(folder / "a", Json{{"kind", "flow"}}, "");
    for (int i = 0; i < 4; ++i) {
      Json blocks{{"in", {{"kinetic", 2.0 + i}, {"dissipated", 0.5 * i}}}};
      if (i != 1) blocks["out"] = {{"kinetic", 1.0}, {"dissipated", 0.25 * i}};
      file.event({{"kind", "flow"}, {"step", i}, {"time", i}, {"blocks", blocks}});
    }
  }
  const auto run = flow_run(record::RunReader::open(folder / "a"), "a");
  ASSERT_EQ(run.blocks.size(), 2U);
  EXPECT_EQ(run.blocks[0].kinetic, (std::vector<double>{2, 3, 4, 5}));
  EXPECT_TRUE(std::isnan(run.blocks[1].kinetic[1])) << "left out of one record";
  EXPECT_EQ(run.blocks[1].dissipated[3], 0.75);
  PageData data;
  EXPECT_NE(flow_figures(std::vector{run}, data).find("flow-0-blocks"), std::string::npos);
  const auto found = std::find_if(data.figures().begin(), data.figures().end(),
                                  [](const Figure& f) { return f.id == "flow-0-blocks"; });
  ASSERT_NE(found, data.figures().end());
  EXPECT_EQ(found->series.size(), 4U);
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

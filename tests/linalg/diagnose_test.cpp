#include "muonflow/linalg/diagnose.hpp"

#include <gtest/gtest.h>

namespace muonflow::linalg {
namespace {

TEST(Diagnose, NamesTheLibraryThatIsLoaded) {
  const BlasReport report = diagnose_blas(false);
  EXPECT_NE(report.openblas_path.find("openblas"), std::string::npos) << report.openblas_path;
  EXPECT_NE(report.openblas_config.find("OpenBLAS"), std::string::npos) << report.openblas_config;
  EXPECT_FALSE(report.openblas_core.empty());
  EXPECT_EQ(report.openblas_core, blas_core_name());
  EXPECT_GE(report.openblas_threads, 1);
  EXPECT_EQ(report.threading, "openmp");
  EXPECT_FALSE(report.onednn_version.empty());
  EXPECT_FALSE(report.onednn_isa.empty());
  EXPECT_EQ(report.onednn_f32_gflops, 0);
}

TEST(Diagnose, MeasuresWhenAsked) {
  const BlasReport report = diagnose_blas();
  EXPECT_GT(report.onednn_f32_gflops, 0);
  EXPECT_GT(report.openblas_f64_gflops, 0);
}

TEST(Diagnose, AWrongKernelComesWithAdvice) {
  const BlasReport report = diagnose_blas(false);
  if (!report.core_fits) {
    ASSERT_FALSE(report.advice.empty());
    EXPECT_NE(report.advice[0].find("OPENBLAS_CORETYPE=" + report.right_core), std::string::npos);
  } else if (report.threading == "openmp") {
    EXPECT_TRUE(report.advice.empty());
  }
}

TEST(Diagnose, TheLibrariesComputeWhatPlainLoopsCompute) { EXPECT_TRUE(blas_self_check()); }

}  // namespace
}  // namespace muonflow::linalg

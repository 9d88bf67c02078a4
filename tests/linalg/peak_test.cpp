#include "muonflow/linalg/peak.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "muonflow/core/parallel.hpp"

namespace muonflow::linalg {
namespace {

// How fast is not for a test to say; that it is a rate, and on any number of threads, is.
TEST(Peak, IsARateOnAnyNumberOfThreads) {
  const int before = threads();
  for (const int count : {1, 2}) {
    set_threads(count);
    for (const double rate : {peak_gflops<float>(), peak_gflops<double>()}) {
      EXPECT_TRUE(std::isfinite(rate) && rate > 0) << rate << " on " << count;
    }
  }
  set_threads(before);
}

TEST(Peak, NamesItsInstructions) { EXPECT_FALSE(vector_instructions().empty()); }

}  // namespace
}  // namespace muonflow::linalg

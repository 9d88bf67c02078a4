#include "muonflow/core/cpu.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <sstream>

namespace muonflow {
namespace {

// The kernel's own reading of the first processor's `key` line; empty where there is none.
std::string kernel_says(const std::string& key) {
  std::ifstream file("/proc/cpuinfo");
  std::string line;
  while (std::getline(file, line)) {
    const auto colon = line.find(':');
    if (line.rfind(key, 0) == 0 && colon != std::string::npos && colon + 2 <= line.size()) {
      return line.substr(colon + 2);
    }
  }
  return "";
}

bool kernel_has(const std::string& flag) {
  std::istringstream flags(kernel_says("flags"));
  for (std::istream_iterator<std::string> it(flags), end; it != end; ++it) {
    if (*it == flag) return true;
  }
  return false;
}

TEST(Cpu, LargerSetsImplySmallerOnes) {
  const auto& cpu = cpu_features();
  if (cpu.avx512_fp16 || cpu.avx512_bf16) {
    EXPECT_TRUE(cpu.avx512);
  }
  if (cpu.avx512) {
    EXPECT_TRUE(cpu.avx2);
  }
  EXPECT_EQ(&cpu, &cpu_features());
}

#if defined(__x86_64__)
TEST(Cpu, AgreesWithTheKernel) {
  if (kernel_says("flags").empty()) GTEST_SKIP() << "no /proc/cpuinfo to compare with";
  const auto& cpu = cpu_features();
  EXPECT_EQ(cpu.vendor, kernel_says("vendor_id"));
  EXPECT_FALSE(cpu.model.empty());
  EXPECT_EQ(cpu.avx2, kernel_has("avx2") && kernel_has("fma"));
  EXPECT_EQ(cpu.avx512, kernel_has("avx512f") && kernel_has("avx512bw") && kernel_has("avx512dq") &&
                            kernel_has("avx512vl"));
  EXPECT_EQ(cpu.avx512_fp16, cpu.avx512 && kernel_has("avx512_fp16"));
  EXPECT_EQ(cpu.avx512_bf16, cpu.avx512 && kernel_has("avx512_bf16"));
}
#endif

}  // namespace
}  // namespace muonflow

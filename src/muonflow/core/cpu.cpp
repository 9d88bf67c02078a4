#include "muonflow/core/cpu.hpp"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include <array>
#include <cstdint>
#include <cstring>

namespace muonflow {
namespace {

#if defined(__x86_64__)

struct Registers {
  std::uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};

Registers cpuid(std::uint32_t leaf, std::uint32_t subleaf = 0) {
  Registers r;
  __cpuid_count(leaf, subleaf, r.eax, r.ebx, r.ecx, r.edx);
  return r;
}

bool bit(std::uint32_t word, int index) { return ((word >> index) & 1u) != 0; }

// Which register files the system saves at a context switch (XCR0); without that bit the
// instructions exist but fault.
std::uint64_t enabled_state() {
  std::uint32_t low = 0;
  std::uint32_t high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (static_cast<std::uint64_t>(high) << 32) | low;
}

std::string words_to_text(const std::uint32_t* words, std::size_t count) {
  std::string text(count * sizeof(std::uint32_t), '\0');
  std::memcpy(text.data(), words, text.size());
  text.resize(std::strlen(text.c_str()));
  const auto first = text.find_first_not_of(' ');
  if (first == std::string::npos) return "";
  return text.substr(first, text.find_last_not_of(' ') - first + 1);
}

CpuFeatures detect() {
  CpuFeatures features;
  const auto basic = cpuid(0);
  const std::array<std::uint32_t, 3> vendor{basic.ebx, basic.edx, basic.ecx};
  features.vendor = words_to_text(vendor.data(), vendor.size());
  if (cpuid(0x80000000u).eax >= 0x80000004u) {
    std::array<std::uint32_t, 12> brand{};
    for (std::uint32_t i = 0; i < 3; ++i) {
      const auto r = cpuid(0x80000002u + i);
      const std::array<std::uint32_t, 4> part{r.eax, r.ebx, r.ecx, r.edx};
      std::memcpy(&brand[4 * i], part.data(), sizeof part);
    }
    features.model = words_to_text(brand.data(), brand.size());
  }
  if (basic.eax < 7) return features;
  const auto one = cpuid(1);
  const bool system_saves_state = bit(one.ecx, 27);  // OSXSAVE
  const std::uint64_t state = system_saves_state ? enabled_state() : 0;
  const bool ymm = (state & 0x06u) == 0x06u;  // XMM and YMM
  const bool zmm = (state & 0xe6u) == 0xe6u;  // and the mask registers and both halves of ZMM
  const auto seven = cpuid(7);
  features.avx2 = ymm && bit(one.ecx, 28) && bit(one.ecx, 12) && bit(seven.ebx, 5);
  const bool f = bit(seven.ebx, 16);
  const bool dq = bit(seven.ebx, 17);
  const bool bw = bit(seven.ebx, 30);
  const bool vl = bit(seven.ebx, 31);
  features.avx512 = zmm && f && dq && bw && vl;
  features.avx512_fp16 = features.avx512 && bit(seven.edx, 23);
  // Subleaf 1 exists only where subleaf 0 says so; elsewhere its bits are noise.
  features.avx512_bf16 = features.avx512 && seven.eax >= 1 && bit(cpuid(7, 1).eax, 5);
  return features;
}

#else

CpuFeatures detect() { return {}; }

#endif

}  // namespace

const CpuFeatures& cpu_features() {
  static const CpuFeatures features = detect();
  return features;
}

}  // namespace muonflow

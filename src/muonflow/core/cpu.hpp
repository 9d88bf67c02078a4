// What the processor can do, read from the processor itself.
#pragma once

#include <string>

namespace muonflow {

struct CpuFeatures {
  std::string vendor;   // "GenuineIntel", "AuthenticAMD", ...
  std::string model;    // as the processor names itself
  bool avx2 = false;    // with FMA
  bool avx512 = false;  // F, BW, DQ, VL, and enabled by the system
  bool avx512_fp16 = false;
  bool avx512_bf16 = false;
};

const CpuFeatures& cpu_features();

}  // namespace muonflow

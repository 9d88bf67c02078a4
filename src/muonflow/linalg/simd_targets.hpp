// The instruction sets for which vector loops are compiled, here and in nn/; to be included before
// any header of Highway. A value given to the compiler, -DHWY_DISABLED_TARGETS=..., stands instead.
//
// Left out: SSSE3 and SSE4 (processors of before 2013 take the baseline loops) and AVX3_DL, whose
// additions serve integers, which together halves the time to compile; and SVE, whose vectors
// cannot be members of an array.
#pragma once

#ifndef HWY_DISABLED_TARGETS
#define HWY_DISABLED_TARGETS \
  (HWY_SSSE3 | HWY_SSE4 | HWY_AVX3_DL | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)
#endif

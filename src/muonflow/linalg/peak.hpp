// What the vector units of this machine can do at most, measured: the number that the rate of a
// kernel is a fraction of.
#pragma once

#include <string>

namespace muonflow::linalg {

// GF/s, two flops a multiply-add, of independent multiply-adds that stay in registers, on threads()
// threads at once (on one a processor where there are more threads than those). The best of a few
// stretches of 5 ms each, since everything that disturbs a stretch makes it slower. About 0.05 s.
template <class T>
double peak_gflops();

// The vector instructions that were chosen for this processor, such as "AVX3" (AVX-512) or "AVX2".
std::string vector_instructions();

}  // namespace muonflow::linalg

// What the linear algebra libraries of this process are and how fast they run: for `doctor` and for
// the manifest of a run.
#pragma once

#include <string>
#include <vector>

namespace muonflow::linalg {

struct BlasReport {
  std::string openblas_path;    // the shared library that is really loaded
  std::string openblas_core;    // its kernel, such as "SkylakeX" or "Prescott"
  std::string openblas_config;  // its own version line
  std::string threading;        // "openmp", "pthreads" or "sequential"
  int openblas_threads = 0;
  std::string right_core;  // the OPENBLAS_CORETYPE this processor deserves; empty if unknown
  bool core_fits = true;   // false: the kernel in use is far below what the processor can do
  std::string onednn_version;
  std::string onednn_isa;
  double onednn_f32_gflops = 0;     // measured, our panels on all threads; 0 when not measured
  double openblas_f64_gflops = 0;   // the same
  std::vector<std::string> advice;  // one line each; empty when all is well
};

// `measure` adds two short products (about 0.1 s).
BlasReport diagnose_blas(bool measure = true);

// The kernel OpenBLAS chose for this processor, such as "SkylakeX".
std::string blas_core_name();

// Whether a small product and an eigendecomposition by the loaded BLAS and LAPACK agree with plain
// loops. False means that the kernels compute wrong results on this machine.
bool blas_self_check();

}  // namespace muonflow::linalg

#include "muonflow/linalg/diagnose.hpp"

#include <dlfcn.h>
#include <oneapi/dnnl/dnnl.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>

#include "muonflow/core/cpu.hpp"
#include "muonflow/core/matrix.hpp"
#include "muonflow/linalg/detail/blas.hpp"
#include "muonflow/linalg/eigh.hpp"
#include "muonflow/linalg/gemm.hpp"

namespace muonflow::linalg {
namespace {

constexpr std::array kAvx512Cores{"SkylakeX", "Cooperlake", "SapphireRapids"};
constexpr std::array kAvx2Cores{"Haswell", "Zen"};

template <std::size_t N>
bool among(const std::array<const char*, N>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// Best of a few products of 384 x 384, on the threads of our pool.
template <class T>
double product_gflops() {
  constexpr Index kSize = 384;
  const Matrix<T> a = Matrix<T>::Constant(kSize, kSize, T(0.5));
  const Matrix<T> b = Matrix<T>::Constant(kSize, kSize, T(0.25));
  Matrix<T> c(kSize, kSize);
  double best = 0;
  for (int repeat = 0; repeat < 8; ++repeat) {
    const auto start = std::chrono::steady_clock::now();
    gemm<T>(Op::none, Op::none, T(1), a, b, T(0), c);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    best = std::max(best, 2e-9 * kSize * kSize * kSize / seconds.count());
  }
  return best;
}

std::string isa_name() {
  switch (dnnl_get_effective_cpu_isa()) {
    case dnnl_cpu_isa_sse41:
      return "SSE4.1";
    case dnnl_cpu_isa_avx:
      return "AVX";
    case dnnl_cpu_isa_avx2:
      return "AVX2";
    case dnnl_cpu_isa_avx2_vnni:
      return "AVX2 with VNNI";
    case dnnl_cpu_isa_all:
      return "all";
    default:
      return "AVX-512";
  }
}

std::string threading_name() {
  switch (openblas_get_parallel()) {
    case 0:
      return "sequential";
    case 1:
      return "pthreads";
    default:
      return "openmp";
  }
}

}  // namespace

std::string blas_core_name() { return openblas_get_corename(); }

BlasReport diagnose_blas(bool measure) {
  BlasReport report;
  Dl_info where{};
  if (dladdr(reinterpret_cast<const void*>(&openblas_get_corename), &where) != 0 &&
      where.dli_fname != nullptr) {
    report.openblas_path = where.dli_fname;
  }
  report.openblas_core = blas_core_name();
  report.openblas_config = openblas_get_config();
  report.threading = threading_name();
  report.openblas_threads = openblas_get_num_threads();
  const dnnl_version_t* const version = dnnl_version();
  report.onednn_version = std::to_string(version->major) + "." + std::to_string(version->minor) +
                          "." + std::to_string(version->patch);
  report.onednn_isa = isa_name();

  const CpuFeatures& cpu = cpu_features();
  if (cpu.avx512) {
    report.right_core = "SkylakeX";
    report.core_fits = among(kAvx512Cores, report.openblas_core);
  } else if (cpu.avx2) {
    report.right_core = cpu.vendor == "AuthenticAMD" ? "Zen" : "Haswell";
    report.core_fits = among(kAvx2Cores, report.openblas_core);
  }
  if (!report.core_fits) {
    report.advice.push_back("OpenBLAS runs its " + report.openblas_core +
                            " kernels on a processor that deserves " + report.right_core +
                            ": set OPENBLAS_CORETYPE=" + report.right_core +
                            " before the program starts");
  }
  if (report.threading == "pthreads") {
    report.advice.push_back(
        "OpenBLAS is the pthread build, whose threads compete with OpenMP's: on Debian install "
        "libopenblas0-openmp and let it be the one that is loaded");
  }
  if (measure) {
    report.onednn_f32_gflops = product_gflops<float>();
    report.openblas_f64_gflops = product_gflops<double>();
    // Double takes half the lanes; far below half of float means a wrong kernel.
    if (report.openblas_f64_gflops < 0.2 * report.onednn_f32_gflops) {
      report.advice.push_back(
          "double-precision products run at less than a fifth of the single-precision rate; look "
          "at "
          "the OpenBLAS kernel and at what else runs on this machine");
    }
  }
  return report;
}

bool blas_self_check() {
  constexpr Index kSize = 67;  // larger than a register tile, a multiple of none
  Matrix<double> a(kSize, kSize);
  Matrix<double> b(kSize, kSize);
  for (Index i = 0; i < kSize; ++i) {
    for (Index j = 0; j < kSize; ++j) {
      a(i, j) = std::sin(static_cast<double>(3 * i + 7 * j + 1));
      b(i, j) = std::cos(static_cast<double>(5 * i - 2 * j));
    }
  }
  // Entries are at most 1, so each sum of kSize terms errs by less than kSize^2 u.
  constexpr double kTolerance = kSize * kSize * 2.3e-16;
  Matrix<double> c = Matrix<double>::Zero(kSize, kSize);
  gemm<double>(Op::none, Op::none, 1.0, a, b, 0.0, c);
  for (Index i = 0; i < kSize; ++i) {
    for (Index j = 0; j < kSize; ++j) {
      double sum = 0;
      for (Index l = 0; l < kSize; ++l) sum += a(i, l) * b(l, j);
      if (!(std::abs(c(i, j) - sum) <= kTolerance)) return false;
    }
  }
  const Matrix<double> symmetric = (a + a.transpose()) / 2;
  const Eigh<double> e = eigh<double>(symmetric);
  if (!e.outcome.ok()) return false;
  for (Index i = 0; i < kSize; ++i) {
    for (Index j = 0; j < kSize; ++j) {
      double entry = 0;  // of vectors diag(values) vectors^T
      double inner = 0;  // of vectors^T vectors
      for (Index l = 0; l < kSize; ++l) {
        entry += e.vectors(i, l) * e.values[l] * e.vectors(j, l);
        inner += e.vectors(l, i) * e.vectors(l, j);
      }
      if (!(std::abs(entry - symmetric(i, j)) <= kSize * kTolerance)) return false;
      if (!(std::abs(inner - (i == j ? 1.0 : 0.0)) <= kTolerance)) return false;
    }
  }
  return true;
}

}  // namespace muonflow::linalg

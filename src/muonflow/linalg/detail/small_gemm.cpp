#include "muonflow/linalg/detail/small_gemm.hpp"

#include "muonflow/linalg/simd_targets.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "muonflow/linalg/detail/small_gemm.cpp"
#include <hwy/foreach_target.h>
// After foreach_target:
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace muonflow::linalg::detail::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Four rows of c and one vector of columns at a time: four independent chains hide the latency of
// the multiply-add.
template <int kRows, class D, class T = hn::TFromD<D>>
HWY_INLINE void rows_times_vector(D d, Index width, Index k, T alpha, const T* a, Index a_row,
                                  Index a_col, const T* b, Index ldb, T beta, T* c, Index ldc) {
  const auto lanes = static_cast<Index>(hn::Lanes(d));
  const bool full = width >= lanes;
  const auto mask = hn::FirstN(d, static_cast<size_t>(full ? lanes : width));
  auto sum0 = hn::Zero(d);
  auto sum1 = hn::Zero(d);
  auto sum2 = hn::Zero(d);
  auto sum3 = hn::Zero(d);
  for (Index l = 0; l < k; ++l) {
    const auto row = full ? hn::LoadU(d, b + l * ldb) : hn::MaskedLoad(mask, d, b + l * ldb);
    const T* const column = a + l * a_col;
    sum0 = hn::MulAdd(hn::Set(d, column[0]), row, sum0);
    if (kRows > 1) sum1 = hn::MulAdd(hn::Set(d, column[a_row]), row, sum1);
    if (kRows > 2) sum2 = hn::MulAdd(hn::Set(d, column[2 * a_row]), row, sum2);
    if (kRows > 3) sum3 = hn::MulAdd(hn::Set(d, column[3 * a_row]), row, sum3);
  }
  const auto write = [&](auto sum, T* to) HWY_ATTR {
    auto value = hn::Mul(hn::Set(d, alpha), sum);
    if (full) {
      if (beta != T(0)) value = hn::MulAdd(hn::Set(d, beta), hn::LoadU(d, to), value);
      hn::StoreU(value, d, to);
    } else {
      if (beta != T(0)) value = hn::MulAdd(hn::Set(d, beta), hn::MaskedLoad(mask, d, to), value);
      hn::BlendedStore(value, mask, d, to);
    }
  };
  write(sum0, c);
  if (kRows > 1) write(sum1, c + ldc);
  if (kRows > 2) write(sum2, c + 2 * ldc);
  if (kRows > 3) write(sum3, c + 3 * ldc);
}

template <class T>
void multiply(Index m, Index n, Index k, T alpha, const T* a, Index a_row, Index a_col, const T* b,
              Index ldb, T beta, T* c, Index ldc) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<Index>(hn::Lanes(d));
  for (Index j = 0; j < n; j += lanes) {
    const Index width = n - j;
    Index i = 0;
    for (; i + 4 <= m; i += 4) {
      rows_times_vector<4>(d, width, k, alpha, a + i * a_row, a_row, a_col, b + j, ldb, beta,
                           c + i * ldc + j, ldc);
    }
    for (; i + 2 <= m; i += 2) {
      rows_times_vector<2>(d, width, k, alpha, a + i * a_row, a_row, a_col, b + j, ldb, beta,
                           c + i * ldc + j, ldc);
    }
    for (; i < m; ++i) {
      rows_times_vector<1>(d, width, k, alpha, a + i * a_row, a_row, a_col, b + j, ldb, beta,
                           c + i * ldc + j, ldc);
    }
  }
}

void multiply_float(Index m, Index n, Index k, float alpha, const float* a, Index a_row,
                    Index a_col, const float* b, Index ldb, float beta, float* c, Index ldc) {
  multiply<float>(m, n, k, alpha, a, a_row, a_col, b, ldb, beta, c, ldc);
}
void multiply_double(Index m, Index n, Index k, double alpha, const double* a, Index a_row,
                     Index a_col, const double* b, Index ldb, double beta, double* c, Index ldc) {
  multiply<double>(m, n, k, alpha, a, a_row, a_col, b, ldb, beta, c, ldc);
}

}  // namespace muonflow::linalg::detail::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace muonflow::linalg::detail {

HWY_EXPORT(multiply_float);
HWY_EXPORT(multiply_double);

void small_gemm(Index m, Index n, Index k, float alpha, const float* a, Index a_row, Index a_col,
                const float* b, Index ldb, float beta, float* c, Index ldc) {
  HWY_DYNAMIC_DISPATCH(multiply_float)(m, n, k, alpha, a, a_row, a_col, b, ldb, beta, c, ldc);
}
void small_gemm(Index m, Index n, Index k, double alpha, const double* a, Index a_row, Index a_col,
                const double* b, Index ldb, double beta, double* c, Index ldc) {
  HWY_DYNAMIC_DISPATCH(multiply_double)(m, n, k, alpha, a, a_row, a_col, b, ldb, beta, c, ldc);
}

}  // namespace muonflow::linalg::detail
#endif  // HWY_ONCE

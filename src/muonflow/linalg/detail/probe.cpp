#include "muonflow/linalg/detail/probe.hpp"

#include <algorithm>
#include <array>

#include "muonflow/core/parallel.hpp"
#include "muonflow/linalg/simd_targets.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "muonflow/linalg/detail/probe.cpp"
#include <hwy/foreach_target.h>
// After foreach_target:
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace muonflow::linalg::detail::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Four vectors at a time: a row of A is loaded once for them.
template <int kCount, class T>
void down(Index rows, Index width, const T* a, Index stride, const T* v, Index v_stride, T* to,
          Index to_stride) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<Index>(hn::Lanes(d));
  using V = decltype(hn::Zero(d));
  Index j = 0;
  for (; j + 4 * lanes <= width; j += 4 * lanes) {
    V sum[kCount][4];
    for (int k = 0; k < kCount; ++k) {
      for (int l = 0; l < 4; ++l) sum[k][l] = hn::Zero(d);
    }
    for (Index i = 0; i < rows; ++i) {
      const T* const row = a + i * stride + j;
      V x[4];
#pragma GCC unroll 4
      for (int l = 0; l < 4; ++l) x[l] = hn::LoadU(d, row + l * lanes);
#pragma GCC unroll 4
      for (int k = 0; k < kCount; ++k) {
        const V factor = hn::Set(d, v[k * v_stride + i]);
#pragma GCC unroll 4
        for (int l = 0; l < 4; ++l) sum[k][l] = hn::MulAdd(factor, x[l], sum[k][l]);
      }
    }
    for (int k = 0; k < kCount; ++k) {
      for (int l = 0; l < 4; ++l) hn::StoreU(sum[k][l], d, to + k * to_stride + j + l * lanes);
    }
  }
  for (; j < width; ++j) {
    for (int k = 0; k < kCount; ++k) {
      T sum = 0;
      for (Index i = 0; i < rows; ++i) sum += v[k * v_stride + i] * a[i * stride + j];
      to[k * to_stride + j] = sum;
    }
  }
}

template <int kCount, class T>
void up(Index cols, const T* row, const T* v, Index v_stride, T* to, Index to_stride) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<Index>(hn::Lanes(d));
  using V = decltype(hn::Zero(d));
  V sum[kCount][2];
  for (int k = 0; k < kCount; ++k) sum[k][0] = sum[k][1] = hn::Zero(d);
  Index j = 0;
  for (; j + 2 * lanes <= cols; j += 2 * lanes) {
    const V x0 = hn::LoadU(d, row + j);
    const V x1 = hn::LoadU(d, row + j + lanes);
#pragma GCC unroll 4
    for (int k = 0; k < kCount; ++k) {
      sum[k][0] = hn::MulAdd(x0, hn::LoadU(d, v + k * v_stride + j), sum[k][0]);
      sum[k][1] = hn::MulAdd(x1, hn::LoadU(d, v + k * v_stride + j + lanes), sum[k][1]);
    }
  }
  for (int k = 0; k < kCount; ++k) {
    T total = hn::GetLane(hn::SumOfLanes(d, hn::Add(sum[k][0], sum[k][1])));
    for (Index l = j; l < cols; ++l) total += row[l] * v[k * v_stride + l];
    to[k * to_stride] = total;
  }
}

// Short runs in T, added in double.
template <class T>
double dot_row(Index cols, const T* a, const T* b) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<Index>(hn::Lanes(d));
  constexpr Index kRun = 1024;
  double total = 0;
  Index j = 0;
  while (j + 2 * lanes <= cols) {
    auto sum0 = hn::Zero(d);
    auto sum1 = hn::Zero(d);
    const Index end = std::min(cols, j + kRun);
    for (; j + 2 * lanes <= end; j += 2 * lanes) {
      sum0 = hn::MulAdd(hn::LoadU(d, a + j), hn::LoadU(d, b + j), sum0);
      sum1 = hn::MulAdd(hn::LoadU(d, a + j + lanes), hn::LoadU(d, b + j + lanes), sum1);
    }
    total += static_cast<double>(hn::GetLane(hn::SumOfLanes(d, hn::Add(sum0, sum1))));
  }
  for (; j < cols; ++j) total += static_cast<double>(a[j]) * static_cast<double>(b[j]);
  return total;
}
double dot_row_float(Index cols, const float* a, const float* b) { return dot_row(cols, a, b); }
double dot_row_double(Index cols, const double* a, const double* b) { return dot_row(cols, a, b); }

template <class T>
void down_any(Index count, Index rows, Index width, const T* a, Index stride, const T* v,
              Index v_stride, T* to, Index to_stride) {
  for (Index k = 0; k < count; k += 4) {
    const T* const from = v + k * v_stride;
    T* const target = to + k * to_stride;
    switch (std::min<Index>(4, count - k)) {
      case 1:
        down<1>(rows, width, a, stride, from, v_stride, target, to_stride);
        break;
      case 2:
        down<2>(rows, width, a, stride, from, v_stride, target, to_stride);
        break;
      case 3:
        down<3>(rows, width, a, stride, from, v_stride, target, to_stride);
        break;
      default:
        down<4>(rows, width, a, stride, from, v_stride, target, to_stride);
    }
  }
}

template <class T>
void up_any(Index count, Index rows, Index cols, const T* a, Index stride, const T* v,
            Index v_stride, T* to, Index to_stride) {
  for (Index i = 0; i < rows; ++i) {
    const T* const row = a + i * stride;
    for (Index k = 0; k < count; k += 4) {
      const T* const from = v + k * v_stride;
      T* const target = to + k * to_stride + i;
      switch (std::min<Index>(4, count - k)) {
        case 1:
          up<1>(cols, row, from, v_stride, target, to_stride);
          break;
        case 2:
          up<2>(cols, row, from, v_stride, target, to_stride);
          break;
        case 3:
          up<3>(cols, row, from, v_stride, target, to_stride);
          break;
        default:
          up<4>(cols, row, from, v_stride, target, to_stride);
      }
    }
  }
}

void down_float(Index count, Index rows, Index width, const float* a, Index stride, const float* v,
                Index v_stride, float* to, Index to_stride) {
  down_any(count, rows, width, a, stride, v, v_stride, to, to_stride);
}
void down_double(Index count, Index rows, Index width, const double* a, Index stride,
                 const double* v, Index v_stride, double* to, Index to_stride) {
  down_any(count, rows, width, a, stride, v, v_stride, to, to_stride);
}
void up_float(Index count, Index rows, Index cols, const float* a, Index stride, const float* v,
              Index v_stride, float* to, Index to_stride) {
  up_any(count, rows, cols, a, stride, v, v_stride, to, to_stride);
}
void up_double(Index count, Index rows, Index cols, const double* a, Index stride, const double* v,
               Index v_stride, double* to, Index to_stride) {
  up_any(count, rows, cols, a, stride, v, v_stride, to, to_stride);
}

}  // namespace muonflow::linalg::detail::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace muonflow::linalg::detail {

HWY_EXPORT(down_float);
HWY_EXPORT(down_double);
HWY_EXPORT(up_float);
HWY_EXPORT(up_double);
HWY_EXPORT(dot_row_float);
HWY_EXPORT(dot_row_double);

namespace {

template <class... A>
void dispatch_down(A... a) {
  HWY_DYNAMIC_DISPATCH(down_float)(a...);
}
void dispatch_down(Index count, Index rows, Index width, const double* a, Index stride,
                   const double* v, Index v_stride, double* to, Index to_stride) {
  HWY_DYNAMIC_DISPATCH(down_double)(count, rows, width, a, stride, v, v_stride, to, to_stride);
}
template <class... A>
void dispatch_up(A... a) {
  HWY_DYNAMIC_DISPATCH(up_float)(a...);
}
void dispatch_up(Index count, Index rows, Index cols, const double* a, Index stride,
                 const double* v, Index v_stride, double* to, Index to_stride) {
  HWY_DYNAMIC_DISPATCH(up_double)(count, rows, cols, a, stride, v, v_stride, to, to_stride);
}

double dispatch_dot(Index cols, const float* a, const float* b) {
  return HWY_DYNAMIC_DISPATCH(dot_row_float)(cols, a, b);
}
double dispatch_dot(Index cols, const double* a, const double* b) {
  return HWY_DYNAMIC_DISPATCH(dot_row_double)(cols, a, b);
}

// Pieces are cut by the shape alone, in whole cache lines; each is summed in one order.
constexpr Index kPiece = 256;
constexpr Index kWorthAThread = Index{1} << 15;

}  // namespace

template <class T>
void apply_down(const ConstMatrixRef<T>& a, const MatrixMap<T>& v, MatrixMap<T>& to) {
  const Index pieces = (a.cols() + kPiece - 1) / kPiece;
  parallel_for(pieces, std::max<Index>(1, kWorthAThread / std::max<Index>(1, a.rows() * kPiece)),
               [&](Index begin, Index end) {
                 for (Index p = begin; p < end; ++p) {
                   const Index j = p * kPiece;
                   dispatch_down(v.rows(), a.rows(), std::min(kPiece, a.cols() - j), a.data() + j,
                                 a.outerStride(), v.data(), v.outerStride(), to.data() + j,
                                 to.outerStride());
                 }
               });
}

template <class T>
void apply_up(const ConstMatrixRef<T>& a, const MatrixMap<T>& v, MatrixMap<T>& to) {
  parallel_for(a.rows(), std::max<Index>(1, kWorthAThread / std::max<Index>(1, a.cols())),
               [&](Index begin, Index end) {
                 dispatch_up(v.rows(), end - begin, a.cols(), a.data() + begin * a.outerStride(),
                             a.outerStride(), v.data(), v.outerStride(), to.data() + begin,
                             to.outerStride());
               });
}

template <class T>
double entry_dot(const ConstMatrixRef<T>& a, const ConstMatrixRef<T>& b) {
  // Parts of the rows by the shape alone.
  constexpr Index kParts = 16;
  std::array<double, kParts> sums{};
  const Index parts = std::min(kParts, a.rows());
  const Index a_part = a.size() / std::max<Index>(1, parts);
  parallel_for(parts, std::max<Index>(1, kWorthAThread / std::max<Index>(1, a_part)),
               [&](Index begin, Index end) {
                 for (Index p = begin; p < end; ++p) {
                   double sum = 0;
                   for (Index i = a.rows() * p / parts; i < a.rows() * (p + 1) / parts; ++i) {
                     sum += dispatch_dot(a.cols(), a.data() + i * a.outerStride(),
                                         b.data() + i * b.outerStride());
                   }
                   sums[static_cast<std::size_t>(p)] = sum;
                 }
               });
  double total = 0;
  for (const double sum : sums) total += sum;
  return total;
}

#define MUONFLOW_INSTANTIATE(T)                                                              \
  template void apply_down<T>(const ConstMatrixRef<T>&, const MatrixMap<T>&, MatrixMap<T>&); \
  template void apply_up<T>(const ConstMatrixRef<T>&, const MatrixMap<T>&, MatrixMap<T>&);   \
  template double entry_dot<T>(const ConstMatrixRef<T>&, const ConstMatrixRef<T>&);
MUONFLOW_INSTANTIATE(float)
MUONFLOW_INSTANTIATE(double)
#undef MUONFLOW_INSTANTIATE

}  // namespace muonflow::linalg::detail
#endif  // HWY_ONCE

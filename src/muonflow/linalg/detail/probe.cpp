#include "muonflow/linalg/detail/probe.hpp"

#include <algorithm>
#include <span>

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
          Index to_stride, bool add) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<Index>(hn::Lanes(d));
  using V = decltype(hn::Zero(d));
  Index j = 0;
  for (; j + 4 * lanes <= width; j += 4 * lanes) {
    V sum[kCount][4];
    for (int k = 0; k < kCount; ++k) {
      for (int l = 0; l < 4; ++l) {
        sum[k][l] = add ? hn::LoadU(d, to + k * to_stride + j + l * lanes) : hn::Zero(d);
      }
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
      T sum = add ? to[k * to_stride + j] : T(0);
      for (Index i = 0; i < rows; ++i) sum += v[k * v_stride + i] * a[i * stride + j];
      to[k * to_stride + j] = sum;
    }
  }
}

// Rows of A against rows of v: kRows of them at a time, so that v is loaded once for them.
template <int kRows, int kCount, class T>
void up(Index cols, const T* rows, Index stride, const T* v, Index v_stride, T* to,
        Index to_stride) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<Index>(hn::Lanes(d));
  using V = decltype(hn::Zero(d));
  V sum[kRows][kCount];
  for (int r = 0; r < kRows; ++r) {
    for (int k = 0; k < kCount; ++k) sum[r][k] = hn::Zero(d);
  }
  Index j = 0;
  for (; j + lanes <= cols; j += lanes) {
    V x[kRows];
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) x[r] = hn::LoadU(d, rows + r * stride + j);
#pragma GCC unroll 4
    for (int k = 0; k < kCount; ++k) {
      const V factor = hn::LoadU(d, v + k * v_stride + j);
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) sum[r][k] = hn::MulAdd(x[r], factor, sum[r][k]);
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int k = 0; k < kCount; ++k) {
      T total = hn::GetLane(hn::SumOfLanes(d, sum[r][k]));
      for (Index l = j; l < cols; ++l) total += rows[r * stride + l] * v[k * v_stride + l];
      to[k * to_stride + r] = total;
    }
  }
}

template <class D>
HWY_INLINE auto load(D d, const double* from) {
  return hn::LoadU(d, from);
}
template <class D>
HWY_INLINE auto load(D d, const float* from) {
  return hn::PromoteTo(d, hn::LoadU(hn::Rebind<float, D>(), from));
}

// Adds sums over a piece of two matrices, in double: squares of a, and products of a and b.
template <class T>
void sums(Index rows, Index width, const T* a, Index a_stride, const T* b, Index b_stride,
          EntrySums& to) {
  const hn::ScalableTag<double> d;
  const auto lanes = static_cast<Index>(hn::Lanes(d));
  auto squares0 = hn::Zero(d);
  auto squares1 = hn::Zero(d);
  auto products0 = hn::Zero(d);
  auto products1 = hn::Zero(d);
  for (Index i = 0; i < rows; ++i) {
    const T* const x = a + i * a_stride;
    const T* const y = b + i * b_stride;
    Index j = 0;
    for (; j + 2 * lanes <= width; j += 2 * lanes) {
      const auto x0 = load(d, x + j);
      const auto x1 = load(d, x + j + lanes);
      squares0 = hn::MulAdd(x0, x0, squares0);
      squares1 = hn::MulAdd(x1, x1, squares1);
      products0 = hn::MulAdd(x0, load(d, y + j), products0);
      products1 = hn::MulAdd(x1, load(d, y + j + lanes), products1);
    }
    for (; j < width; ++j) {
      to.squares += static_cast<double>(x[j]) * static_cast<double>(x[j]);
      to.products += static_cast<double>(x[j]) * static_cast<double>(y[j]);
    }
  }
  to.squares += hn::GetLane(hn::SumOfLanes(d, hn::Add(squares0, squares1)));
  to.products += hn::GetLane(hn::SumOfLanes(d, hn::Add(products0, products1)));
}
void sums_float(Index rows, Index width, const float* a, Index a_stride, const float* b,
                Index b_stride, EntrySums& to) {
  sums(rows, width, a, a_stride, b, b_stride, to);
}
void sums_double(Index rows, Index width, const double* a, Index a_stride, const double* b,
                 Index b_stride, EntrySums& to) {
  sums(rows, width, a, a_stride, b, b_stride, to);
}

template <class T>
void down_any(Index count, Index rows, Index width, const T* a, Index stride, const T* v,
              Index v_stride, T* to, Index to_stride, bool add) {
  for (Index k = 0; k < count; k += 4) {
    const T* const from = v + k * v_stride;
    T* const target = to + k * to_stride;
    switch (std::min<Index>(4, count - k)) {
      case 1:
        down<1>(rows, width, a, stride, from, v_stride, target, to_stride, add);
        break;
      case 2:
        down<2>(rows, width, a, stride, from, v_stride, target, to_stride, add);
        break;
      case 3:
        down<3>(rows, width, a, stride, from, v_stride, target, to_stride, add);
        break;
      default:
        down<4>(rows, width, a, stride, from, v_stride, target, to_stride, add);
    }
  }
}

template <int kRows, class T>
void up_rows(Index count, Index cols, const T* rows, Index stride, const T* v, Index v_stride,
             T* to, Index to_stride) {
  for (Index k = 0; k < count; k += 4) {
    const T* const from = v + k * v_stride;
    T* const target = to + k * to_stride;
    switch (std::min<Index>(4, count - k)) {
      case 1:
        up<kRows, 1>(cols, rows, stride, from, v_stride, target, to_stride);
        break;
      case 2:
        up<kRows, 2>(cols, rows, stride, from, v_stride, target, to_stride);
        break;
      case 3:
        up<kRows, 3>(cols, rows, stride, from, v_stride, target, to_stride);
        break;
      default:
        up<kRows, 4>(cols, rows, stride, from, v_stride, target, to_stride);
    }
  }
}

// The rows stand in the same fours for any number of threads, though a row's bits do not depend on
// its company.
template <class T>
void up_any(Index count, Index rows, Index cols, const T* a, Index stride, const T* v,
            Index v_stride, T* to, Index to_stride) {
  constexpr int kRows = HWY_MAX_BYTES >= 64 ? 4 : 2;  // registers: 4 x 4 sums
  Index i = 0;
  for (; i + kRows <= rows; i += kRows) {
    up_rows<kRows>(count, cols, a + i * stride, stride, v, v_stride, to + i, to_stride);
  }
  for (; i < rows; ++i)
    up_rows<1>(count, cols, a + i * stride, stride, v, v_stride, to + i, to_stride);
}

void down_float(Index count, Index rows, Index width, const float* a, Index stride, const float* v,
                Index v_stride, float* to, Index to_stride, bool add) {
  down_any(count, rows, width, a, stride, v, v_stride, to, to_stride, add);
}
void down_double(Index count, Index rows, Index width, const double* a, Index stride,
                 const double* v, Index v_stride, double* to, Index to_stride, bool add) {
  down_any(count, rows, width, a, stride, v, v_stride, to, to_stride, add);
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
HWY_EXPORT(sums_float);
HWY_EXPORT(sums_double);

namespace {

void dispatch_down(Index count, Index rows, Index width, const float* a, Index stride,
                   const float* v, Index v_stride, float* to, Index to_stride, bool add) {
  HWY_DYNAMIC_DISPATCH(down_float)(count, rows, width, a, stride, v, v_stride, to, to_stride, add);
}
void dispatch_down(Index count, Index rows, Index width, const double* a, Index stride,
                   const double* v, Index v_stride, double* to, Index to_stride, bool add) {
  HWY_DYNAMIC_DISPATCH(down_double)(count, rows, width, a, stride, v, v_stride, to, to_stride, add);
}
void dispatch_up(Index count, Index rows, Index cols, const float* a, Index stride, const float* v,
                 Index v_stride, float* to, Index to_stride) {
  HWY_DYNAMIC_DISPATCH(up_float)(count, rows, cols, a, stride, v, v_stride, to, to_stride);
}
void dispatch_up(Index count, Index rows, Index cols, const double* a, Index stride,
                 const double* v, Index v_stride, double* to, Index to_stride) {
  HWY_DYNAMIC_DISPATCH(up_double)(count, rows, cols, a, stride, v, v_stride, to, to_stride);
}
void dispatch_sums(Index rows, Index width, const float* a, Index a_stride, const float* b,
                   Index b_stride, EntrySums& to) {
  HWY_DYNAMIC_DISPATCH(sums_float)(rows, width, a, a_stride, b, b_stride, to);
}
void dispatch_sums(Index rows, Index width, const double* a, Index a_stride, const double* b,
                   Index b_stride, EntrySums& to) {
  HWY_DYNAMIC_DISPATCH(sums_double)(rows, width, a, a_stride, b, b_stride, to);
}

// Pieces are cut by the shape alone, columns in whole cache lines; each is summed in one order.
constexpr Index kWorthAThread = Index{1} << 12;
Index piece_of_columns(Index cols) { return cols <= 1024 ? 64 : 256; }
constexpr Index kPieceOfRows = 16;

// body(first, count) for the pieces of [0, size).
template <class Body>
void over_pieces(Index size, Index piece, Index across, const Body& body) {
  const Index pieces = (size + piece - 1) / piece;
  parallel_for(pieces, std::max<Index>(1, kWorthAThread / std::max<Index>(1, across * piece)),
               [&](Index begin, Index end) {
                 for (Index p = begin; p < end; ++p) {
                   body(p * piece, std::min(piece, size - p * piece));
                 }
               });
}

}  // namespace

template <class T>
void apply_down(const ConstMatrixRef<T>& a, const MatrixMap<T>& v, MatrixMap<T>& to) {
  over_pieces(a.cols(), piece_of_columns(a.cols()), a.rows(), [&](Index j, Index width) {
    dispatch_down(v.rows(), a.rows(), width, a.data() + j, a.outerStride(), v.data(),
                  v.outerStride(), to.data() + j, to.outerStride(), false);
  });
}

template <class T>
void apply_up(const ConstMatrixRef<T>& a, const MatrixMap<T>& v, MatrixMap<T>& to) {
  over_pieces(a.rows(), kPieceOfRows, a.cols(), [&](Index i, Index rows) {
    dispatch_up(v.rows(), rows, a.cols(), a.data() + i * a.outerStride(), a.outerStride(), v.data(),
                v.outerStride(), to.data() + i, to.outerStride());
  });
}

template <class T>
EntrySums first_pass(const ConstMatrixRef<T>& a, const ConstMatrixRef<T>& b, const MatrixMap<T>& v,
                     MatrixMap<T>& av, MatrixMap<T>& bv, Scratch& scratch) {
  const bool tall = a.rows() > a.cols();
  const Index size = tall ? a.rows() : a.cols();
  const Index piece = tall ? kPieceOfRows : piece_of_columns(a.cols());
  Scratch::Frame frame(scratch);
  const std::span<EntrySums> parts = frame.values<EntrySums>((size + piece - 1) / piece);
  over_pieces(size, piece, tall ? a.cols() : a.rows(), [&](Index first, Index count) {
    EntrySums sums;
    const auto add_sums = [&](Index i, Index j, Index rows, Index width) {
      dispatch_sums(rows, width, a.data() + i * a.outerStride() + j, a.outerStride(),
                    b.data() + i * b.outerStride() + j, b.outerStride(), sums);
    };
    const auto apply = [&](const ConstMatrixRef<T>& x, MatrixMap<T>& to, Index i, Index rows) {
      if (tall) {
        dispatch_up(v.rows(), rows, x.cols(), x.data() + i * x.outerStride(), x.outerStride(),
                    v.data(), v.outerStride(), to.data() + i, to.outerStride());
      } else {
        dispatch_down(v.rows(), rows, count, x.data() + i * x.outerStride() + first,
                      x.outerStride(), v.data() + i, v.outerStride(), to.data() + first,
                      to.outerStride(), i > 0);
      }
    };
    // A few rows of a piece, which stay in cache meanwhile.
    constexpr Index kRows = 32;
    const Index begin = tall ? first : 0;
    const Index end = tall ? first + count : a.rows();
    for (Index i = begin; i < end; i += kRows) {
      const Index rows = std::min(kRows, end - i);
      add_sums(i, tall ? 0 : first, rows, tall ? a.cols() : count);
      apply(a, av, i, rows);
      apply(b, bv, i, rows);
    }
    parts[static_cast<std::size_t>(first / piece)] = sums;
  });
  EntrySums total;
  for (const EntrySums& part : parts) {
    total.squares += part.squares;
    total.products += part.products;
  }
  return total;
}

#define MUONFLOW_INSTANTIATE(T)                                                              \
  template void apply_down<T>(const ConstMatrixRef<T>&, const MatrixMap<T>&, MatrixMap<T>&); \
  template void apply_up<T>(const ConstMatrixRef<T>&, const MatrixMap<T>&, MatrixMap<T>&);   \
  template EntrySums first_pass<T>(const ConstMatrixRef<T>&, const ConstMatrixRef<T>&,       \
                                   const MatrixMap<T>&, MatrixMap<T>&, MatrixMap<T>&, Scratch&);
MUONFLOW_INSTANTIATE(float)
MUONFLOW_INSTANTIATE(double)
#undef MUONFLOW_INSTANTIATE

}  // namespace muonflow::linalg::detail
#endif  // HWY_ONCE

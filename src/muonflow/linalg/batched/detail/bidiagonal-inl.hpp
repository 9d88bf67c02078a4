// M = U B V^T with B lower bidiagonal, for the matrices of a group: Golub and Kahan's reduction by
// Householder reflectors, backward stable in the arithmetic it is done in; and U S V^T.
//
// At step i a reflector from the right leaves of row i its diagonal entry d_i alone, and one from
// the left of column i the entry e_i below it. H = I - tau v v^T, v_0 = 1.
//
// The two reflectors of a step are applied together, M - w v^T - u y^T, in one pass that also forms
// the next step's product with v; on the way back two reflectors go together. So a load and half a
// store come with two multiply-adds, which is what keeps the units busy.
// 4 (rows^2 cols - rows^3 / 3) flops there, 4 rows^2 cols - 2 rows^3 and 2 rows^2 (2 cols - rows)
// back.
//
// Included once for each instruction set, inside no namespace.
#if defined(MUONFLOW_LINALG_BATCHED_BIDIAGONAL_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef MUONFLOW_LINALG_BATCHED_BIDIAGONAL_INL
#undef MUONFLOW_LINALG_BATCHED_BIDIAGONAL_INL
#else
#define MUONFLOW_LINALG_BATCHED_BIDIAGONAL_INL
#endif

#include <algorithm>
#include <type_traits>

#include "muonflow/linalg/batched/detail/tiles-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace muonflow::linalg::detail::HWY_NAMESPACE {

template <class T>
class Bidiagonal {
 public:
  using V = Lane<T>;

  // Vectors between two rows: odd, so that a column does not fall on a few sets of the cache.
  static constexpr Index stride(Index cols) { return cols | 1; }
  // Vectors of memory at `scratch`.
  static constexpr Index scratch_size(Index rows, Index cols) {
    return rows * stride(cols) + 5 * rows + cols;
  }

  HWY_INLINE Bidiagonal(T* scratch, Index rows, Index cols)
      : rows_(rows),
        cols_(cols),
        stride_(stride(cols)),
        m_(scratch),
        diagonal_(m_ + rows * stride_ * kLanes),
        below_(diagonal_ + rows * kLanes),
        right_(below_ + rows * kLanes),
        left_(right_ + rows * kLanes),
        w_(left_ + rows * kLanes),
        y_(w_ + rows * kLanes) {}

  // [rows][stride(cols)]: the matrix, its largest entry of the order of 1; its reflectors after.
  T* matrix() { return m_; }
  // Vectors from there on that hold all that `reduce` found.
  Index kept() const { return rows_ * (stride_ + 4); }
  // Behind the memory.
  T* end() { return y_ + cols_ * kLanes; }
  // B(k, k), and B(k + 1, k) for k < rows - 1.
  V diagonal(Index k) const { return get<T>(diagonal_, k); }
  V below(Index k) const { return get<T>(below_, k); }

  HWY_INLINE void reduce() {
    row_reflector(0);
    over(
        1, rows_, [&](auto count, Index k) HWY_ATTR __attribute__((always_inline)) {
          dots<count>(k);
        });
    for (Index i = 0; i + 1 < rows_; ++i) {
      column_reflector(i);
      over(
          i + 1, cols_, [&](auto count, Index j) HWY_ATTR __attribute__((always_inline)) {
            row_of_y<count>(i, j);
          });
      update_row(i);
      row_reflector(i + 1);
      over(
          i + 2, rows_, [&](auto count, Index k) HWY_ATTR __attribute__((always_inline)) {
            update_and_dots<count>(i, k);
          });
    }
  }

  // z <- U z V^T, z [rows][stride(cols)].
  HWY_INLINE void expand(T* z) const {
    // The shortest alone where their number is odd.
    Index i = rows_;
    if (i % 2 == 1) {
      --i;
      reflect<1>(at(i, i), nullptr, 1, cols_ - i, right(i), z + i * kLanes, stride_, rows_);
    }
    for (; i > 0; i -= 2) {
      const Index a = i - 2;
      reflect<2>(at(a, a), at(a + 1, a), 1, cols_ - a, right(a), z + a * kLanes, stride_, rows_,
                 right(a + 1));
    }
    i = std::max<Index>(rows_ - 2, 0);
    if (i % 2 == 1) {
      --i;
      reflect<1>(at(i + 1, i), nullptr, stride_, rows_ - i - 1, left(i), row(z, i + 1), 1, cols_);
    }
    for (; i > 0; i -= 2) {
      const Index a = i - 2;
      reflect<2>(at(a + 1, a), at(a + 1, a + 1), stride_, rows_ - a - 1, left(a), row(z, a + 1), 1,
                 cols_, left(a + 1));
    }
  }

 private:
  static constexpr Index kLanes = lanes<T>();
  // Vectors shorter than this are left alone: their squares would not be normal numbers, and they
  // are far below a roundoff of the largest entry.
  static constexpr T kNegligible =
      std::is_same_v<T, float> ? T(0x1p-100) : static_cast<T>(0x1p-960L);

  T* at(Index i, Index j) { return m_ + (i * stride_ + j) * kLanes; }
  const T* at(Index i, Index j) const { return m_ + (i * stride_ + j) * kLanes; }
  T* row(T* z, Index i) const { return z + i * stride_ * kLanes; }
  V right(Index i) const { return get<T>(right_, i); }
  V left(Index i) const { return get<T>(left_, i); }

  // body(4 | 2 | 1, first) over [begin, end).
  template <class Body>
  static HWY_INLINE void over(Index begin, Index end, Body&& body) {
    Index k = begin;
    for (; k + 4 <= end; k += 4) body(std::integral_constant<int, 4>(), k);
    if (k + 2 <= end) {
      body(std::integral_constant<int, 2>(), k);
      k += 2;
    }
    if (k < end) body(std::integral_constant<int, 1>(), k);
  }

  // x_0 at `x`, the others `step` vectors apart: H x = beta e_0; v replaces x but for v_0 = 1.
  struct Reflector {
    V beta, tau;
  };
  static HWY_INLINE Reflector make(T* x, Index step, Index count) {
    const Tag<T> d;
    V sum0 = hn::Zero(d), sum1 = hn::Zero(d), sum2 = hn::Zero(d), sum3 = hn::Zero(d);
    const auto add = [&](Index k, V & sum) HWY_ATTR __attribute__((always_inline)) {
      const V value = get<T>(x, k * step);
      sum = hn::MulAdd(value, value, sum);
    };
    Index k = 1;
    for (; k + 4 <= count; k += 4) {
      add(k, sum0);
      add(k + 1, sum1);
      add(k + 2, sum2);
      add(k + 3, sum3);
    }
    for (; k < count; ++k) add(k, sum0);
    const V sum = hn::Add(hn::Add(sum0, sum1), hn::Add(sum2, sum3));
    const V first = get<T>(x, 0);
    const auto moves = hn::Gt(sum, hn::Set(d, kNegligible));
    const V beta = hn::CopySign(hn::Sqrt(hn::MulAdd(first, first, sum)), hn::Neg(first));
    const V gap = hn::Sub(first, beta);
    const V scale = hn::IfThenElseZero(moves, hn::Div(hn::Set(d, T(1)), gap));
    for (k = 1; k < count; ++k) put<T>(hn::Mul(get<T>(x, k * step), scale), x, k * step);
    return {.beta = hn::IfThenElse(moves, beta, first),
            .tau = hn::IfThenElseZero(moves, hn::Neg(hn::Div(gap, beta)))};
  }

  HWY_INLINE void row_reflector(Index i) {
    const Reflector h = make(at(i, i), 1, cols_ - i);
    put<T>(h.beta, diagonal_, i);
    put<T>(h.tau, right_, i);
  }

  // w = tau M v for kRows rows from k on, v of row 0.
  template <int kRows>
  HWY_INLINE void dots(Index k) {
    V sum[kRows];
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) sum[r] = get<T>(at(k + r, 0), 0);
    for (Index j = 1; j < cols_; ++j) {
      const V v = get<T>(m_, j);
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) sum[r] = hn::MulAdd(get<T>(at(k + r, j), 0), v, sum[r]);
    }
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) put<T>(hn::Mul(right(0), sum[r]), w_, k + r);
  }

  // Column i after H from the right, and its own reflector u.
  HWY_INLINE void column_reflector(Index i) {
    for (Index k = i + 1; k < rows_; ++k) {
      T* const entry = at(k, i);
      put<T>(hn::Sub(get<T>(entry, 0), get<T>(w_, k)), entry, 0);
    }
    const Reflector h = make(at(i + 1, i), stride_, rows_ - i - 1);
    put<T>(h.beta, below_, i);
    put<T>(h.tau, left_, i);
    V sum = get<T>(w_, i + 1);  // u^T w
    for (Index k = i + 2; k < rows_; ++k) {
      sum = hn::MulAdd(get<T>(at(k, i), 0), get<T>(w_, k), sum);
    }
    across_ = sum;
  }

  // y = tau (M - w v^T)^T u for kCols columns from j on.
  template <int kCols>
  HWY_INLINE void row_of_y(Index i, Index j) {
    V sum[kCols];
#pragma GCC unroll 4
    for (int c = 0; c < kCols; ++c) {
      sum[c] = hn::NegMulAdd(get<T>(at(i, j + c), 0), across_, get<T>(at(i + 1, j + c), 0));
    }
    for (Index k = i + 2; k < rows_; ++k) {
      const V u = get<T>(at(k, i), 0);
#pragma GCC unroll 4
      for (int c = 0; c < kCols; ++c) sum[c] = hn::MulAdd(u, get<T>(at(k, j + c), 0), sum[c]);
    }
#pragma GCC unroll 4
    for (int c = 0; c < kCols; ++c) put<T>(hn::Mul(left(i), sum[c]), y_, j + c);
  }

  // Row i + 1 of M - w v^T - u y^T.
  HWY_INLINE void update_row(Index i) {
    const V w = get<T>(w_, i + 1);
    for (Index j = i + 1; j < cols_; ++j) {
      T* const entry = at(i + 1, j);
      const V value = hn::NegMulAdd(w, get<T>(at(i, j), 0), get<T>(entry, 0));
      put<T>(hn::Sub(value, get<T>(y_, j)), entry, 0);
    }
  }

  // The same for kRows rows from k on, and their w of the next step.
  template <int kRows>
  HWY_INLINE void update_and_dots(Index i, Index k) {
    V w[kRows], u[kRows], sum[kRows];
    const Index first = i + 1;
    {
      const V v = get<T>(at(i, first), 0);
      const V y = get<T>(y_, first);
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) {
        w[r] = get<T>(w_, k + r);
        u[r] = get<T>(at(k + r, i), 0);
        T* const entry = at(k + r, first);
        const V value = hn::NegMulAdd(u[r], y, hn::NegMulAdd(w[r], v, get<T>(entry, 0)));
        put<T>(value, entry, 0);
        sum[r] = value;
      }
    }
    for (Index j = first + 1; j < cols_; ++j) {
      const V v = get<T>(at(i, j), 0);
      const V y = get<T>(y_, j);
      const V next = get<T>(at(first, j), 0);
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) {
        T* const entry = at(k + r, j);
        const V value = hn::NegMulAdd(u[r], y, hn::NegMulAdd(w[r], v, get<T>(entry, 0)));
        put<T>(value, entry, 0);
        sum[r] = hn::MulAdd(value, next, sum[r]);
      }
    }
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) put<T>(hn::Mul(right(first), sum[r]), w_, k + r);
  }

  // x_k <- H_a x_k, or H_a H_b x_k (kHow = 2), for `count` vectors x_k `across` apart, their
  // entries and those of the reflectors `along` apart. a_0 = 1 and b_1 = 1, in whose places
  // something else stands.
  template <int kHow>
  static HWY_INLINE void reflect(const T* a, const T* b, Index along, Index length, V tau_a, T* x,
                                 Index across, Index count, V tau_b = hn::Zero(Tag<T>())) {
    V inner = hn::Zero(Tag<T>());
    if constexpr (kHow == 2) {
      if (length > 1) inner = get<T>(a, along);
      for (Index j = 2; j < length; ++j) {
        inner = hn::MulAdd(get<T>(a, j * along), get<T>(b, j * along), inner);
      }
    }
    over(
        0, count, [&](auto ways, Index k) HWY_ATTR __attribute__((always_inline)) {
          reflect_some<kHow, ways>(a, b, along, length, tau_a, tau_b, inner,
                                   x + k * across * kLanes, across);
        });
  }

  template <int kHow, int kWays>
  static HWY_INLINE void reflect_some(const T* a, const T* b, Index along, Index length, V tau_a,
                                      V tau_b, V inner, T* x, Index across) {
    V by_a[kWays], by_b[kWays];
    constexpr Index kFirst = kHow;
#pragma GCC unroll 4
    for (int c = 0; c < kWays; ++c) {
      by_a[c] = get<T>(x, c * across);
      if constexpr (kHow == 2) {
        by_b[c] = get<T>(x, c * across + along);
        by_a[c] = hn::MulAdd(get<T>(a, along), by_b[c], by_a[c]);
      }
    }
    for (Index j = kFirst; j < length; ++j) {
      const V left = get<T>(a, j * along);
      if constexpr (kHow == 2) {
        const V right = get<T>(b, j * along);
#pragma GCC unroll 4
        for (int c = 0; c < kWays; ++c) {
          const V value = get<T>(x, c * across + j * along);
          by_a[c] = hn::MulAdd(left, value, by_a[c]);
          by_b[c] = hn::MulAdd(right, value, by_b[c]);
        }
      } else {
#pragma GCC unroll 4
        for (int c = 0; c < kWays; ++c) {
          by_a[c] = hn::MulAdd(left, get<T>(x, c * across + j * along), by_a[c]);
        }
      }
    }
#pragma GCC unroll 4
    for (int c = 0; c < kWays; ++c) {
      if constexpr (kHow == 2) {
        by_b[c] = hn::Mul(tau_b, by_b[c]);
        by_a[c] = hn::NegMulAdd(by_b[c], inner, by_a[c]);
      }
      by_a[c] = hn::Mul(tau_a, by_a[c]);
      put<T>(hn::Sub(get<T>(x, c * across), by_a[c]), x, c * across);
      if constexpr (kHow == 2) {
        const V value = hn::Sub(get<T>(x, c * across + along), by_b[c]);
        put<T>(hn::NegMulAdd(get<T>(a, along), by_a[c], value), x, c * across + along);
      }
    }
    for (Index j = kFirst; j < length; ++j) {
      const V left = get<T>(a, j * along);
      const V right = get<T>(kHow == 2 ? b : a, j * along);
#pragma GCC unroll 4
      for (int c = 0; c < kWays; ++c) {
        V value = hn::NegMulAdd(left, by_a[c], get<T>(x, c * across + j * along));
        if constexpr (kHow == 2) value = hn::NegMulAdd(right, by_b[c], value);
        put<T>(value, x, c * across + j * along);
      }
    }
  }

  Index rows_, cols_, stride_;
  T* m_;
  T* diagonal_;
  T* below_;
  T* right_;  // tau
  T* left_;
  T* w_;
  T* y_;
  V across_ = hn::Zero(Tag<T>());  // u^T w
};

}  // namespace muonflow::linalg::detail::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // MUONFLOW_LINALG_BATCHED_BIDIAGONAL_INL

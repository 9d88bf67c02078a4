#include "muonflow/linalg/elementwise/detail/sums.hpp"

#include "muonflow/linalg/simd_targets.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "muonflow/linalg/elementwise/detail/sums.cpp"
#include <hwy/foreach_target.h>
// After foreach_target:
#include "muonflow/linalg/elementwise/detail/rows-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace muonflow::linalg::detail::HWY_NAMESPACE {
namespace {

using Wide = hn::CappedTag<double, 8>;
using V = hn::Vec<Wide>;
constexpr int kLanes = static_cast<int>(hn::MaxLanes(Wide()));
constexpr int kVectors = 8 / kLanes;

HWY_INLINE V as_double(const double* from) { return hn::LoadU(Wide(), from); }
HWY_INLINE V as_double(const float* from) {
  return hn::PromoteTo(Wide(), hn::LoadU(hn::Rebind<float, Wide>(), from));
}

// The eight running sums of a row.
struct Eight {
  V sums[kVectors];

  HWY_INLINE Eight() {
    for (V& sum : sums) sum = hn::Zero(Wide());
  }
  HWY_INLINE double total() const {
    HWY_ALIGN double lane[8];
    for (int k = 0; k < kVectors; ++k) hn::Store(sums[k], Wide(), lane + k * kLanes);
    return ((lane[0] + lane[4]) + (lane[1] + lane[5])) +
           ((lane[2] + lane[6]) + (lane[3] + lane[7]));
  }
};

// term(vectors of a, of b) over a row; beyond its end both are 0, and so must be the term.
template <class T, class Term>
HWY_INLINE double row_sum(const T* a, const T* b, Index cols, const Term& term) {
  Eight eight;
  Index j = 0;
  for (; j + 8 <= cols; j += 8) {
    for (int k = 0; k < kVectors; ++k) {
      const Index at = j + k * kLanes;
      eight.sums[k] = hn::Add(eight.sums[k], term(as_double(a + at), as_double(b + at)));
    }
  }
  if (j < cols) {
    HWY_ALIGN T rest_a[8] = {};
    HWY_ALIGN T rest_b[8] = {};
    for (Index i = j; i < cols; ++i) {
      rest_a[i - j] = a[i];
      rest_b[i - j] = b[i];
    }
    for (int k = 0; k < kVectors; ++k) {
      const auto x = as_double(rest_a + k * kLanes), y = as_double(rest_b + k * kLanes);
      eight.sums[k] = hn::Add(eight.sums[k], term(x, y));
    }
  }
  return eight.total();
}

template <class T, class Term>
HWY_INLINE double row_sums(const Rows<T>& a, const Rows<T>& b, const Term& term) {
  double sum = 0;
  for (Index i = 0; i < a.rows; ++i) {
    sum += row_sum(a.data + i * a.stride, b.data + i * b.stride, a.cols, term);
  }
  return sum;
}

template <class T>
HWY_INLINE double squares(const Rows<T>& a, double scale_a, double scale_b) {
  if (scale_a == 1 && scale_b == 1) {
    return row_sums(a, a, [](V x, V) HWY_ATTR { return hn::Mul(x, x); });
  }
  return row_sums(a, a, [=](V x, V) HWY_ATTR {
    const auto y = hn::Mul(hn::Mul(x, hn::Set(Wide(), scale_a)), hn::Set(Wide(), scale_b));
    return hn::Mul(y, y);
  });
}
template <class T>
HWY_INLINE double products(const Rows<T>& a, const Rows<T>& b) {
  return row_sums(a, b, [](V x, V y) HWY_ATTR { return hn::Mul(x, y); });
}
template <class T>
HWY_INLINE double absolutes(const Rows<T>& a) {
  return row_sums(a, a, [](V x, V) HWY_ATTR { return hn::Abs(x); });
}

// x - x is +0 for a finite x and NaN for any other: the bits of all of them, joined, are 0 or not.
template <class T>
HWY_INLINE bool finite_entries(const Rows<T>& a) {
  const hn::ScalableTag<T> wide;
  const hn::CappedTag<T, 1> one;
  const auto lanes = static_cast<Index>(hn::Lanes(wide));
  auto even = hn::Zero(wide), odd = hn::Zero(wide);
  auto last = hn::Zero(one);
  for (Index i = 0; i < a.rows; ++i) {
    const T* const row = a.data + i * a.stride;
    Index j = 0;
    for (; j + 2 * lanes <= a.cols; j += 2 * lanes) {
      const auto x = hn::LoadU(wide, row + j), y = hn::LoadU(wide, row + j + lanes);
      even = hn::Or(even, hn::Sub(x, x));
      odd = hn::Or(odd, hn::Sub(y, y));
    }
    for (; j < a.cols; ++j) {
      const auto x = hn::LoadU(one, row + j);
      last = hn::Or(last, hn::Sub(x, x));
    }
  }
  return hn::AllTrue(wide, hn::Eq(hn::Or(even, odd), hn::Zero(wide))) && hn::GetLane(last) == T(0);
}

template <class T>
HWY_INLINE T largest_entry(const Rows<T>& a) {
  const hn::ScalableTag<T> wide;
  const auto lanes = static_cast<Index>(hn::Lanes(wide));
  auto most = hn::Zero(wide);
  T last = 0;
  for (Index i = 0; i < a.rows; ++i) {
    const T* const row = a.data + i * a.stride;
    Index j = 0;
    for (; j + lanes <= a.cols; j += lanes) {
      const auto x = hn::Abs(hn::LoadU(wide, row + j));
      most = hn::IfThenElse(hn::Gt(x, most), x, most);
    }
    for (; j < a.cols; ++j) {
      const T x = row[j] < 0 ? -row[j] : row[j];
      last = x > last ? x : last;
    }
  }
  const T vector = hn::GetLane(hn::MaxOfLanes(wide, most));
  return vector > last ? vector : last;
}

}  // namespace

#define MUONFLOW_LOOPS(T)                                                                  \
  double squares_##T(const Rows<T>& a, double x, double y) { return squares<T>(a, x, y); } \
  double products_##T(const Rows<T>& a, const Rows<T>& b) { return products<T>(a, b); }    \
  double absolutes_##T(const Rows<T>& a) { return absolutes<T>(a); }                       \
  bool finite_##T(const Rows<T>& a) { return finite_entries<T>(a); }                       \
  T largest_##T(const Rows<T>& a) { return largest_entry<T>(a); }
MUONFLOW_LOOPS(float)
MUONFLOW_LOOPS(double)
#undef MUONFLOW_LOOPS

}  // namespace muonflow::linalg::detail::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace muonflow::linalg::detail {

#define MUONFLOW_EXPORT(T)                                                                     \
  HWY_EXPORT(squares_##T);                                                                     \
  HWY_EXPORT(products_##T);                                                                    \
  HWY_EXPORT(absolutes_##T);                                                                   \
  HWY_EXPORT(finite_##T);                                                                      \
  HWY_EXPORT(largest_##T);                                                                     \
  double sum_of_squares(const Rows<T>& a, double scale_a, double scale_b) {                    \
    return HWY_DYNAMIC_DISPATCH(squares_##T)(a, scale_a, scale_b);                             \
  }                                                                                            \
  double sum_of_products(const Rows<T>& a, const Rows<T>& b) {                                 \
    return HWY_DYNAMIC_DISPATCH(products_##T)(a, b);                                           \
  }                                                                                            \
  double sum_of_absolutes(const Rows<T>& a) { return HWY_DYNAMIC_DISPATCH(absolutes_##T)(a); } \
  bool finite(const Rows<T>& a) { return HWY_DYNAMIC_DISPATCH(finite_##T)(a); }                \
  T largest(const Rows<T>& a) { return HWY_DYNAMIC_DISPATCH(largest_##T)(a); }
MUONFLOW_EXPORT(float)
MUONFLOW_EXPORT(double)
#undef MUONFLOW_EXPORT

}  // namespace muonflow::linalg::detail
#endif  // HWY_ONCE

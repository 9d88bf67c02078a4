// One loop over the entries of matrices of one shape, with the widest vectors and then entry by
// entry: what the elementwise kernels share. Compiled once per instruction set.
#if defined(MUONFLOW_LINALG_ELEMENTWISE_DETAIL_ROWS_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef MUONFLOW_LINALG_ELEMENTWISE_DETAIL_ROWS_INL_HPP
#undef MUONFLOW_LINALG_ELEMENTWISE_DETAIL_ROWS_INL_HPP
#else
#define MUONFLOW_LINALG_ELEMENTWISE_DETAIL_ROWS_INL_HPP
#endif

#include <hwy/highway.h>

#include "muonflow/core/matrix.hpp"

HWY_BEFORE_NAMESPACE();
namespace muonflow::linalg::detail::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// body(tag, i): entries i and on, as many as the tag has lanes.
template <class T, class Body>
HWY_INLINE void over_row(Index count, const Body& body) {
  const hn::ScalableTag<T> wide;
  const auto lanes = static_cast<Index>(hn::Lanes(wide));
  Index i = 0;
  for (; i + 2 * lanes <= count; i += 2 * lanes) {
    body(wide, i);
    body(wide, i + lanes);
  }
  for (; i + lanes <= count; i += lanes) body(wide, i);
  for (; i < count; ++i) body(hn::CappedTag<T, 1>(), i);
}

}  // namespace muonflow::linalg::detail::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif

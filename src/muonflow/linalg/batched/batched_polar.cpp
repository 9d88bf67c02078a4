#include "muonflow/linalg/batched/batched_polar.hpp"

#include "muonflow/linalg/batched/detail/blocks.hpp"
#include "muonflow/linalg/batched/detail/polynomial_steps.hpp"

namespace muonflow::linalg {
namespace {

template <class T>
BatchOutcome run(const detail::BlockSource<T>& source, const BatchedPolar& options) {
  const Index rows = source.short_side();
  const Index cols = source.long_side();
  const std::size_t bytes = detail::polynomial_scratch<T>(rows, cols);
  const detail::PolynomialStart start{.guard = options.eps,
                                      .add = options.eps_mode == EpsMode::add};
  return detail::over_blocks<T>(source, [&](T* block, Index, Index) {
    struct Iterates;
    const detail::PolynomialResult result = detail::polynomial_steps<T>(
        block, rows, cols, options.steps, start, nullptr, detail::thread_scratch<Iterates>(bytes));
    return detail::BlockTrouble{.non_finite = result.non_finite, .overflowed = result.overflowed};
  });
}

}  // namespace

template <class T>
BatchOutcome batched_polar(InterleavedBatch<T>& batch, const BatchedPolar& options) {
  return run<T>(detail::BlockSource<T>(batch), options);
}
template <class T>
BatchOutcome batched_polar(T* x, Index count, Index rows, Index cols, const BatchedPolar& options) {
  return run<T>(detail::BlockSource<T>(x, count, rows, cols), options);
}

#define MUONFLOW_INSTANTIATE(T)                                                      \
  template BatchOutcome batched_polar<T>(InterleavedBatch<T>&, const BatchedPolar&); \
  template BatchOutcome batched_polar<T>(T*, Index, Index, Index, const BatchedPolar&);
MUONFLOW_INSTANTIATE(float)
MUONFLOW_INSTANTIATE(double)
#undef MUONFLOW_INSTANTIATE

}  // namespace muonflow::linalg

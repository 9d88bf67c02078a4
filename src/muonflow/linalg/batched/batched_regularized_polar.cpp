#include "muonflow/linalg/batched/batched_regularized_polar.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string>
#include <string_view>
#include <type_traits>

#include "muonflow/core/text.hpp"
#include "muonflow/linalg/batched/detail/blocks.hpp"
#include "muonflow/linalg/batched/detail/jacobi.hpp"
#include "muonflow/linalg/batched/detail/polynomial_steps.hpp"
#include "muonflow/linalg/batched/detail/smoothed_root.hpp"

namespace muonflow::linalg {
namespace {

void check_epsilon(double epsilon) {
  if (epsilon >= 0 && std::isfinite(epsilon)) return;
  throw ConfigError({.what = "epsilon of the regularized polar map",
                     .expected = "a finite number in [0, inf)",
                     .found = shortest(epsilon)});
}

void check_size(std::string_view what, std::size_t size, Index count) {
  if (size == 0 || static_cast<Index>(size) == count) return;
  throw ShapeError({.what = std::string(what) + " of a batch",
                    .expected = std::to_string(count) + " values, or none",
                    .found = std::to_string(size)});
}

void check(const BatchedRegularizedPolar& options, const SmoothedNorms& norms, Index count) {
  check_size("epsilons", options.epsilons.size(), count);
  check_size("potential", norms.potential.size(), count);
  check_size("pairing", norms.pairing.size(), count);
  check_epsilon(options.epsilon);
  for (const double epsilon : options.epsilons) check_epsilon(epsilon);
}

// Sixteen of each, for one block.
struct BlockValues {
  alignas(64) std::array<double, kBlock> epsilon;
  alignas(64) std::array<double, kBlock> potential;
  alignas(64) std::array<double, kBlock> pairing;

  BlockValues(const BatchedRegularizedPolar& options, Index first, Index lanes) {
    epsilon.fill(options.epsilons.empty() ? options.epsilon : 1.0);
    if (!options.epsilons.empty()) {
      std::copy_n(options.epsilons.data() + first, lanes, epsilon.data());
    }
    // Lanes that hold no matrix are zero and take the quick path with the others.
    if (lanes < kBlock) std::fill(epsilon.begin() + lanes, epsilon.end(), 1.0);
    potential.fill(std::numeric_limits<double>::quiet_NaN());
    pairing.fill(std::numeric_limits<double>::quiet_NaN());
  }

  void store(const SmoothedNorms& norms, Index first, Index lanes) const {
    if (!norms.potential.empty()) {
      std::copy_n(potential.data(), lanes, norms.potential.data() + first);
    }
    if (!norms.pairing.empty()) std::copy_n(pairing.data(), lanes, norms.pairing.data() + first);
  }
};

// Of partial fractions in double for results in double.
constexpr double kErrorInDouble = 4e-15;
// The part of a float's `error` that is left to the partial fractions: eight poles serve 2^-13.
// What the reduction's rounding is worth has the rest.
constexpr double kPartOfFractions = 0.55;

template <class T>
const PartialFractionsTable& table_of(double error) {
  if (std::is_same_v<T, double>) return PartialFractionsTable::shared(kErrorInDouble);
  return PartialFractionsTable::shared(kPartOfFractions * error);
}

template <class T>
BatchOutcome run(const detail::BlockSource<T>& source, const BatchedRegularizedPolar& options,
                 const SmoothedNorms& norms) {
  check(options, norms, source.count);
  const Index rows = source.short_side();
  const Index cols = source.long_side();
  const bool quickly = options.kernel == BatchedKernel::automatic;
  const double error = std::clamp(options.error, 1e-7, 1e-1);
  const PartialFractionsTable* const table = quickly ? &table_of<T>(error) : nullptr;
  const std::size_t bytes = std::max(detail::jacobi_scratch<T>(rows, cols),
                                     quickly ? detail::smoothed_root_scratch(rows, cols) : 0);
  return detail::over_blocks<T>(source, [&](T* block, Index first, Index lanes) {
    struct Pieces;
    std::byte* const scratch = detail::thread_scratch<Pieces>(bytes);
    BlockValues values(options, first, lanes);
    detail::SmoothedRootResult quick{.left = detail::kWholeBlock};
    if (table != nullptr) {
      quick = detail::smoothed_root<T>({.entries = block,
                                        .rows = rows,
                                        .cols = cols,
                                        .epsilon = values.epsilon.data(),
                                        .potential = values.potential.data(),
                                        .pairing = values.pairing.data(),
                                        .most_amplified = (1 - kPartOfFractions) * error * 0x1p24},
                                       *table, scratch);
    }
    detail::BlockTrouble trouble{.non_finite = quick.non_finite};
    if (quick.left != 0) {
      const detail::JacobiResult slow =
          detail::jacobi<T>(block, rows, cols, quick.left, detail::JacobiMap::regularized,
                            {.epsilon = values.epsilon.data(),
                             .potential = values.potential.data(),
                             .pairing = values.pairing.data()},
                            scratch);
      trouble.non_finite |= slow.non_finite;
      trouble.not_converged = slow.not_converged;
    }
    for (std::size_t k = 0; k < kBlock; ++k) {
      if ((trouble.any() >> k & 1U) == 0) continue;
      values.potential[k] = std::numeric_limits<double>::quiet_NaN();
      values.pairing[k] = std::numeric_limits<double>::quiet_NaN();
    }
    values.store(norms, first, lanes);
    return trouble;
  });
}

}  // namespace

template <class T>
BatchOutcome batched_regularized_polar(InterleavedBatch<T>& batch,
                                       const BatchedRegularizedPolar& options,
                                       const SmoothedNorms& norms) {
  return run<T>(detail::BlockSource<T>(batch), options, norms);
}
template <class T>
BatchOutcome batched_regularized_polar(T* x, Index count, Index rows, Index cols,
                                       const BatchedRegularizedPolar& options,
                                       const SmoothedNorms& norms) {
  return run<T>(detail::BlockSource<T>(x, count, rows, cols), options, norms);
}

template <class T>
BatchOutcome batched_regularized_polar_by(InterleavedBatch<T>& batch,
                                          const BatchedRegularizedPolar& options,
                                          std::span<const OddPolynomial> steps) {
  const detail::BlockSource<T> source(batch);
  check(options, {}, source.count);
  const Index rows = source.short_side();
  const Index cols = source.long_side();
  const std::size_t bytes = detail::polynomial_scratch<T>(rows, cols);
  return detail::over_blocks<T>(source, [&](T* block, Index first, Index lanes) {
    struct Pair;
    const BlockValues values(options, first, lanes);
    const detail::PolynomialResult result = detail::polynomial_steps<T>(
        block, rows, cols, steps, {}, values.epsilon.data(), detail::thread_scratch<Pair>(bytes));
    return detail::BlockTrouble{.non_finite = result.non_finite, .overflowed = result.overflowed};
  });
}

#define MUONFLOW_INSTANTIATE(T)                                                       \
  template BatchOutcome batched_regularized_polar<T>(                                 \
      InterleavedBatch<T>&, const BatchedRegularizedPolar&, const SmoothedNorms&);    \
  template BatchOutcome batched_regularized_polar<T>(                                 \
      T*, Index, Index, Index, const BatchedRegularizedPolar&, const SmoothedNorms&); \
  template BatchOutcome batched_regularized_polar_by<T>(                              \
      InterleavedBatch<T>&, const BatchedRegularizedPolar&, std::span<const OddPolynomial>);
MUONFLOW_INSTANTIATE(float)
MUONFLOW_INSTANTIATE(double)
#undef MUONFLOW_INSTANTIATE

}  // namespace muonflow::linalg

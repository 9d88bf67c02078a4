// The kinetic side of a System: velocities, potentials and spectra of all particles, and the step
// that needs one pass over them.
#include <array>
#include <cmath>
#include <limits>

#include "muonflow/flow/detail/system_scratch.hpp"
#include "muonflow/linalg/batched/singular_values_of.hpp"
#include "muonflow/linalg/elementwise/moments.hpp"
#include "muonflow/linalg/norms.hpp"

namespace muonflow::flow {

using detail::grain_of;
using detail::groups_of;
using detail::kGroup;

template <class T>
Outcome System<T>::map_run(Index first, MatrixRef<T> v, linalg::Workspace<T>& workspace) const {
  const auto count = static_cast<std::size_t>(v.rows());
  std::array<double, kChunk> phi{}, pairing{};
  std::array<Kinetic, kChunk> kinetics{};
  for (std::size_t b = 0; b < geometries_.size(); ++b) {
    const auto& [potential, weight] = geometries_[b];
    const auto& block = layout_.blocks()[b];
    const geometry::Batch<T> batch{.data = v.data() + block.offset,
                                   .count = v.rows(),
                                   .rows = block.rows,
                                   .cols = block.cols,
                                   .stride = layout_.width()};
    const auto outcome = potential->values_and_gradients(
        batch, std::span(phi).first(count), std::span(pairing).first(count), workspace);
    if (!outcome.ok()) return outcome;
    if (weight != 1) v.middleCols(block.offset, block.size()) *= static_cast<T>(weight);
    for (std::size_t i = 0; i < count; ++i) {
      kinetics[i].potential += weight * phi[i];
      kinetics[i].rate += weight * pairing[i];
    }
  }
  for (std::size_t i = 0; i < count; ++i) {
    auto& sum = scratch_->kinetics[(static_cast<std::size_t>(first) + i) / kGroup];
    sum.potential += kinetics[i].potential;
    sum.rate += kinetics[i].rate;
  }
  return {};
}

template <class T>
std::array<double, 2> System<T>::kinetic_sums() const {
  std::array<double, 2> sums{};
  for (const auto& group : scratch_->kinetics) {
    sums[0] += group.potential;
    sums[1] += group.rate;
  }
  return sums;
}

template <class T>
Outcome System<T>::velocity(const Matrix<T>& P, Matrix<T>& V, Kinetic& kinetic) const {
  const Index groups = groups_of(layout_.particles());
  scratch_->kinetics.assign(static_cast<std::size_t>(groups), {});
  V.resize(P.rows(), P.cols());
  const auto body = [&](Index begin, Index end, auto& workspace) {
    for (Index g = begin; g < end; g += kChunk / kGroup) {
      const Index first = g * kGroup;
      const Index count = std::min({kChunk, (end - g) * kGroup, layout_.particles() - first});
      auto v = V.middleRows(first, count);
      v = P.middleRows(first, count);
      if (auto o = map_run(first, v, workspace); !o.ok()) return o;
    }
    return Outcome{};
  };
  const Index grain = groups_of(grain_of(layout_));
  const Outcome outcome = scratch_->over(groups, grain, body);
  auto sums = kinetic_sums();
  if (auto o = agree(outcome, sums); !o.ok()) return o;
  kinetic.potential = sums[0] / static_cast<double>(layout_.total());
  kinetic.rate = sums[1] / static_cast<double>(layout_.total());
  return std::isfinite(kinetic.potential) ? Outcome{}
                                          : Outcome{.status = Status::non_finite_result};
}

namespace {

constexpr Index kFetched = 1 << 15;  // bytes of a chunk's W up to which particles are tiny

// Asks for memory that is needed soon: the hardware's own guesses end at the end of a page, which
// is where tiny particles wait.
template <class M>
void fetch(const M& rows) {
  constexpr Index kLine = 64;
  const auto* const bytes = reinterpret_cast<const std::byte*>(rows.data());
  const auto size = rows.size() * static_cast<Index>(sizeof(*rows.data()));
  for (Index at = 0; at < size; at += kLine) __builtin_prefetch(bytes + at, 1, 2);
}

}  // namespace

template <class T>
Outcome System<T>::sweep(T keep, T kick, T h, State<T>& state, Kinetic& kinetic) const {
  auto& scratch = *scratch_;
  if (scratch.taped == 0 || state.taped != scratch.taped) {
    if (auto o = features(state.W, state.objective); !o.ok()) return o;
  }
  ++scratch.forces;
  scratch.taped = state.taped = 0;
  scratch.kinetics.assign(static_cast<std::size_t>(groups_of(layout_.particles())), {});
  const bool tiny = kChunk * layout_.width() * static_cast<Index>(sizeof(T)) <= kFetched;
  const auto body = [&](Index begin, Index end, auto& workspace) -> Outcome {
    typename linalg::Workspace<T>::Frame frame(workspace);
    auto memory = frame.matrix(kChunk, layout_.width());
    for (Index c = begin; c < end; ++c) {
      auto W = rows_of(state.W, c);
      auto M = rows_of(state.M, c);
      auto v = memory.topRows(W.rows());  // G, then V
      objective_->pullback(W, rows_of(scratch.tape, c), scratch.r, v, workspace);
      if (!linalg::all_finite<T>(v)) return {.status = Status::non_finite_result};
      linalg::momentum_step<T>({.kept = keep, .added = kick}, v, M, v);
      if (tiny && c + 1 < end) {
        fetch(rows_of(state.M, c + 1));
        fetch(rows_of(scratch.tape, c + 1));
        fetch(rows_of(state.W, c + 1));
      }
      if (auto o = map_run(c * kChunk, v, workspace); !o.ok()) return o;
      linalg::momentum_step<T>({.kept = 1, .added = -h}, v, W, v);  // W + -h V, in one pass
      forward(c, state.W, workspace);
    }
    return {};
  };
  const Outcome outcome = scratch.over(chunks_here(), 1, body);
  auto sums = kinetic_sums();
  if (auto o = conclude(outcome, sums, state.objective); !o.ok()) return o;
  kinetic = {.potential = sums[0], .rate = sums[1]};
  state.taped = scratch.taped;
  return std::isfinite(kinetic.potential) ? Outcome{}
                                          : Outcome{.status = Status::non_finite_result};
}

template <class T>
Outcome System<T>::potentials(const Matrix<T>& P, std::span<const double> scales,
                              std::span<double> means) const {
  auto& values = scratch_->values;
  const auto count = static_cast<Index>(scales.size());
  values.setZero(layout_.particles(), count);
  const auto body = [&](Index begin, Index end, auto& workspace) {
    typename linalg::Workspace<T>::Frame frame(workspace);
    const auto memory = frame.template values<double>(kChunk * count);
    for (Index first = begin * kGroup; first < std::min(end * kGroup, layout_.particles());
         first += kChunk) {
      const Index run = std::min({kChunk, end * kGroup - first, layout_.particles() - first});
      const auto here = memory.first(static_cast<std::size_t>(run * count));
      for (std::size_t b = 0; b < geometries_.size(); ++b) {
        const auto& block = layout_.blocks()[b];
        geometries_[b].potential->scaled_values_of({.data = P.row(first).data() + block.offset,
                                                    .count = run,
                                                    .rows = block.rows,
                                                    .cols = block.cols,
                                                    .stride = layout_.width()},
                                                   scales, here, workspace);
        for (std::size_t k = 0; k < here.size(); ++k) {
          values.data()[first * count + static_cast<Index>(k)] += geometries_[b].weight * here[k];
        }
      }
    }
    return Outcome{};
  };
  const Outcome outcome =
      scratch_->over(groups_of(layout_.particles()), groups_of(grain_of(layout_)), body);
  for (Index j = 0; j < count; ++j) {
    double& sum = means[static_cast<std::size_t>(j)];
    sum = 0;
    for (Index i = 0; i < layout_.particles(); ++i) sum += values(i, j);
  }
  if (auto o = agree(outcome, means); !o.ok()) return o;
  for (double& mean : means) {
    mean /= static_cast<double>(layout_.total());
    if (!std::isfinite(mean)) return {.status = Status::non_finite_result};
  }
  return {};
}

template <class T>
Spectra System<T>::spectra(const Matrix<T>& P) const {
  Spectra spectra;
  for (const auto& block : layout_.blocks()) {
    const Index rank = std::min(block.rows, block.cols);
    auto& values = scratch_->values;
    values.resize(layout_.particles(), rank);
    const auto body = [&](Index begin, Index end, auto& workspace) {
      const Index first = begin * kGroup;
      const Index count = std::min(end * kGroup, layout_.particles()) - first;
      linalg::singular_values_of<T>(
          {.data = P.row(first).data() + block.offset,
           .count = count,
           .rows = block.rows,
           .cols = block.cols,
           .stride = layout_.width()},
          {values.row(first).data(), static_cast<std::size_t>(count * rank)}, workspace);
      return Outcome{};
    };
    (void)scratch_->over(groups_of(layout_.particles()), groups_of(grain_of(layout_)),
                         body);  // trouble is a NaN here
    auto& mean = spectra.mean.emplace_back(static_cast<std::size_t>(rank), 0.0);
    double largest = 0;
    for (Index i = 0; i < layout_.particles(); ++i) {
      largest = std::max(largest, values(i, 0));
      for (Index k = 0; k < rank; ++k) mean[static_cast<std::size_t>(k)] += values(i, k);
    }
    ranks_->sum(mean);
    for (double& m : mean) m /= static_cast<double>(layout_.total());
    spectra.largest_of.push_back(largest);
  }
  ranks_->max(spectra.largest_of);
  spectra.largest = *std::max_element(spectra.largest_of.begin(), spectra.largest_of.end());
  return spectra;
}

#define MUONFLOW_INSTANTIATE(T)                                                          \
  template Outcome System<T>::map_run(Index, MatrixRef<T>, linalg::Workspace<T>&) const; \
  template std::array<double, 2> System<T>::kinetic_sums() const;                        \
  template Outcome System<T>::velocity(const Matrix<T>&, Matrix<T>&, Kinetic&) const;    \
  template Outcome System<T>::sweep(T, T, T, State<T>&, Kinetic&) const;                 \
  template Outcome System<T>::potentials(const Matrix<T>&, std::span<const double>,      \
                                         std::span<double>) const;                       \
  template Spectra System<T>::spectra(const Matrix<T>&) const;
MUONFLOW_INSTANTIATE(float)
MUONFLOW_INSTANTIATE(double)
#undef MUONFLOW_INSTANTIATE

}  // namespace muonflow::flow

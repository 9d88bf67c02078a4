#include "muonflow/flow/system.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "muonflow/core/error.hpp"
#include "muonflow/core/parallel.hpp"
#include "muonflow/linalg/svd.hpp"

namespace muonflow::flow {
namespace {

constexpr Index kGroup = 16;

constexpr Index kLanesPerThread = 8;

// Particles that make a thread worth waking: some 50 us of decompositions, of which one takes about
// 1.5 + 0.02 r^2 max(m, n) us. Only a matter of speed.
Index grain_of(const Layout& layout) {
  double microseconds = 0;
  for (const auto& block : layout.blocks()) {
    const auto r = static_cast<double>(std::min(block.rows, block.cols));
    const auto longer = static_cast<double>(std::max(block.rows, block.cols));
    microseconds += 1.5 + 0.02 * r * r * longer;
  }
  return std::max<Index>(1, static_cast<Index>(50 / microseconds));
}

}  // namespace

// Memory that the calls keep from one to the next. One workspace a lane; a lane is a run of chunks
// or particles that one thread works through.
template <class T>
struct System<T>::Scratch {
  std::vector<linalg::Workspace<T>> lanes;
  Matrix<T> tape;                    // [N, tape_width]
  Matrix<double> sums;               // [chunks, q]
  std::vector<double> z, r;          // [q]
  std::vector<Outcome> trouble;      // [lanes]
  std::vector<Kinetic> kinetics;     // [N]
  std::vector<double> message;       // to the other ranks
  std::vector<double> phi, pairing;  // [N], of one block
  Matrix<double> values;             // [N, scales]
  std::int64_t forces = 0;           // calls so far

  // Calls body(begin, end, workspace) on contiguous runs of [0, count); `grain` is the least that
  // is worth a thread. More lanes than threads, handed out one by one: a thread whose processor is
  // busy elsewhere then does not keep the others waiting.
  template <class Body>
  Outcome over(Index count, Index grain, const Body& body) {
    const Index most = in_parallel() || threads() == 1 ? 1 : kLanesPerThread * threads();
    const Index lane_count = std::clamp<Index>(count / grain, 1, most);
    if (static_cast<Index>(lanes.size()) < lane_count) {
      lanes.resize(static_cast<std::size_t>(lane_count));
    }
    trouble.assign(static_cast<std::size_t>(lane_count), Outcome{});
    parallel_tasks(lane_count, [&](std::int64_t lane) {
      const auto at = static_cast<std::size_t>(lane);
      trouble[at] = body(count * lane / lane_count, count * (lane + 1) / lane_count, lanes[at]);
    });
    for (const auto& outcome : trouble) {
      if (!outcome.ok()) return outcome;
    }
    return {};
  }
};

void DynamicsOptions::fields(FieldVisitor& v) {
  v.real("gamma", gamma, kPositive, "damping: the momentum forgets at this rate");
  v.choice("kind", kind, "inertial, or momentum_free: W' = -grad Phi(G)");
  v.real("noise", noise, kNonNegative, "standard deviation of isotropic gradient noise");
}

template <class T>
System<T>::System(Layout layout, std::unique_ptr<Objective<T>> objective,
                  std::vector<BlockGeometry<T>> geometries, const DynamicsOptions& dynamics,
                  std::shared_ptr<dist::Communicator> ranks)
    : layout_(std::move(layout)),
      objective_(std::move(objective)),
      geometries_(std::move(geometries)),
      dynamics_(dynamics),
      ranks_(ranks ? std::move(ranks) : dist::serial()),
      scratch_(std::make_unique<Scratch>()) {
  if (geometries_.size() != layout_.blocks().size()) {
    throw ShapeError({.place = "geometry",
                      .expected = std::to_string(layout_.blocks().size()) + " (one a block)",
                      .found = std::to_string(geometries_.size())});
  }
}

template <class T>
System<T>::~System() = default;
template <class T>
System<T>::System(System&&) noexcept = default;

template <class T>
Outcome System<T>::agree(Outcome outcome, std::span<double> sums) const {
  if (ranks_->size() == 1) return outcome;
  auto& message = scratch_->message;
  message.assign(sums.begin(), sums.end());
  message.push_back(outcome.ok() ? 0 : 1);
  ranks_->sum(message);
  std::copy_n(message.begin(), sums.size(), sums.begin());
  const bool others = message.back() > 0;
  return outcome.ok() && others ? Outcome{.status = Status::non_finite_result} : outcome;
}

template <class T>
std::optional<double> System<T>::hessian_bound() const {
  double largest = 0;
  for (const auto& block : geometries_) {
    const auto bound = block.potential->hessian_bound();
    if (!bound) return std::nullopt;
    largest = std::max(largest, block.weight * *bound);
  }
  return largest;
}

template <class T>
std::int64_t System<T>::forces() const {
  return scratch_->forces;
}

template <class T>
Outcome System<T>::force(const Matrix<T>& W, Matrix<T>& G, double& J) const {
  auto& scratch = *scratch_;
  ++scratch.forces;
  const Index particles = layout_.particles();
  const Index chunks = (particles + kChunk - 1) / kChunk;
  const Index q = objective_->features();
  const Index width = objective_->tape_width();
  scratch.tape.resize(particles, width);
  scratch.sums.resize(chunks, q);
  scratch.z.assign(static_cast<std::size_t>(q), 0.0);
  scratch.r.resize(static_cast<std::size_t>(q));
  G.resize(particles, layout_.width());
  // A chunk of a matrix whose rows are particles; an empty tape is still a valid matrix [c, 0].
  const auto rows = [&](auto& matrix, Index chunk) {
    return matrix.middleRows(chunk * kChunk, std::min(kChunk, particles - chunk * kChunk));
  };
  const auto forward = [&](Index begin, Index end, auto& workspace) {
    for (Index c = begin; c < end; ++c) {
      objective_->forward(rows(W, c), rows(scratch.tape, c),
                          {scratch.sums.row(c).data(), static_cast<std::size_t>(q)}, workspace);
    }
    return Outcome{};
  };
  const Outcome forward_outcome = scratch.over(chunks, 1, forward);
  for (Index c = 0; c < chunks; ++c) {
    for (Index k = 0; k < q; ++k) scratch.z[static_cast<std::size_t>(k)] += scratch.sums(c, k);
  }
  if (auto o = agree(forward_outcome, scratch.z); !o.ok()) return o;
  for (double& z : scratch.z) z /= static_cast<double>(layout_.total());
  J = objective_->risk().value(scratch.z);
  objective_->risk().gradient(scratch.z, scratch.r);
  const auto pullback = [&](Index begin, Index end, auto& workspace) {
    for (Index c = begin; c < end; ++c) {
      auto g = rows(G, c);
      objective_->pullback(rows(W, c), rows(scratch.tape, c), scratch.r, g, workspace);
      if (!g.allFinite()) return Outcome{.status = Status::non_finite_result};
    }
    return Outcome{};
  };
  if (auto o = agree(scratch.over(chunks, 1, pullback)); !o.ok()) return o;
  if (!std::isfinite(J)) return {.status = Status::non_finite_result};
  return {};
}

template <class T>
Outcome System<T>::velocity(const Matrix<T>& P, Matrix<T>& V, Kinetic& kinetic) const {
  const auto particles = static_cast<std::size_t>(layout_.particles());
  auto& kinetics = scratch_->kinetics;
  kinetics.assign(particles, {});
  scratch_->phi.resize(particles);
  scratch_->pairing.resize(particles);
  V.resize(P.rows(), P.cols());
  // Runs of whole groups, so that kernels that take 16 matrices at a time are full.
  const auto body = [&](Index group, Index end_group, auto& workspace) {
    const Index begin = group * kGroup;
    const Index end = std::min(end_group * kGroup, layout_.particles());
    const auto first = static_cast<std::size_t>(begin),
               count = static_cast<std::size_t>(end - begin);
    const auto phi = std::span(scratch_->phi).subspan(first, count);
    const auto pairing = std::span(scratch_->pairing).subspan(first, count);
    V.middleRows(begin, end - begin) = P.middleRows(begin, end - begin);
    for (std::size_t b = 0; b < geometries_.size(); ++b) {
      const auto& [potential, weight] = geometries_[b];
      const auto& block = layout_.blocks()[b];
      const geometry::Batch<T> batch{.data = V.row(begin).data() + block.offset,
                                     .count = end - begin,
                                     .rows = block.rows,
                                     .cols = block.cols,
                                     .stride = layout_.width()};
      if (auto o = potential->values_and_gradients(batch, phi, pairing, workspace); !o.ok())
        return o;
      if (weight != 1) {
        V.block(begin, block.offset, end - begin, block.size()) *= static_cast<T>(weight);
      }
      for (std::size_t i = 0; i < count; ++i) {
        kinetics[first + i].potential += weight * phi[i];
        kinetics[first + i].rate += weight * pairing[i];
      }
    }
    return Outcome{};
  };
  const Index groups = (layout_.particles() + kGroup - 1) / kGroup;
  const Index grain = (grain_of(layout_) + kGroup - 1) / kGroup;
  const Outcome outcome = scratch_->over(groups, grain, body);
  std::array<double, 2> sums{};
  for (const auto& one : kinetics) {
    sums[0] += one.potential;
    sums[1] += one.rate;
  }
  if (auto o = agree(outcome, sums); !o.ok()) return o;
  kinetic.potential = sums[0] / static_cast<double>(layout_.total());
  kinetic.rate = sums[1] / static_cast<double>(layout_.total());
  if (!std::isfinite(kinetic.potential)) return {.status = Status::non_finite_result};
  return {};
}

template <class T>
Outcome System<T>::potentials(const Matrix<T>& P, std::span<const double> scales,
                              std::span<double> means) const {
  auto& values = scratch_->values;
  const auto count = static_cast<Index>(scales.size());
  values.resize(layout_.particles(), count);
  const auto body = [&](Index begin, Index end, auto& workspace) {
    typename linalg::Workspace<T>::Frame frame(workspace);
    const auto one = frame.template values<double>(count);
    for (Index i = begin; i < end; ++i) {
      values.row(i).setZero();
      for (std::size_t b = 0; b < geometries_.size(); ++b) {
        geometries_[b].potential->scaled_values(block_of(P.row(i).data(), layout_.blocks()[b]),
                                                scales, one, workspace);
        for (Index j = 0; j < count; ++j) {
          values(i, j) += geometries_[b].weight * one[static_cast<std::size_t>(j)];
        }
      }
    }
    return Outcome{};
  };
  const Outcome outcome = scratch_->over(layout_.particles(), grain_of(layout_), body);
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
      typename linalg::Workspace<T>::Frame frame(workspace);
      const auto s = frame.values(rank);
      for (Index i = begin; i < end; ++i) {
        const auto outcome =
            linalg::singular_values_into<T>(block_of(P.row(i).data(), block), s.data(), workspace);
        for (Index k = 0; k < rank; ++k) {
          values(i, k) = outcome.ok() ? static_cast<double>(s[static_cast<std::size_t>(k)])
                                      : std::numeric_limits<double>::quiet_NaN();
        }
      }
      return Outcome{};
    };
    (void)scratch_->over(layout_.particles(), grain_of(layout_), body);  // trouble is a NaN here
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

template <class T>
Outcome System<T>::refresh(State<T>& state) const {
  state.velocity_known = false;
  state.scale = 0;
  state.potential = 0;
  if (auto o = force(state.W, state.G, state.objective); !o.ok()) return o;
  if (!inertial()) return {};
  constexpr std::array kOne{1.0};
  return potentials(state.M, kOne, {&state.potential, 1});
}

template class System<float>;
template class System<double>;

}  // namespace muonflow::flow

#include "muonflow/flow/system.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "muonflow/core/error.hpp"
#include "muonflow/flow/detail/system_scratch.hpp"
#include "muonflow/linalg/norms.hpp"

namespace muonflow::flow {
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
void System<T>::forward(Index chunk, const Matrix<T>& W, linalg::Workspace<T>& workspace) const {
  auto& scratch = *scratch_;
  const auto q = static_cast<std::size_t>(objective_->features());
  objective_->forward(rows_of(W, chunk), rows_of(scratch.tape, chunk),
                      {scratch.sums.row(chunk).data(), q}, workspace);
}

template <class T>
Outcome System<T>::conclude(Outcome outcome, std::span<double> sums, double& J) const {
  auto& scratch = *scratch_;
  const auto q = static_cast<std::size_t>(objective_->features());
  scratch.z.assign(q + sums.size(), 0.0);
  for (Index c = 0; c < scratch.sums.rows(); ++c) {
    for (std::size_t k = 0; k < q; ++k) scratch.z[k] += scratch.sums(c, static_cast<Index>(k));
  }
  std::copy(sums.begin(), sums.end(), scratch.z.begin() + static_cast<std::ptrdiff_t>(q));
  if (auto o = agree(outcome, scratch.z); !o.ok()) return o;
  for (double& z : scratch.z) z /= static_cast<double>(layout_.total());
  std::copy_n(scratch.z.begin() + static_cast<std::ptrdiff_t>(q), sums.size(), sums.begin());
  scratch.z.resize(q);
  scratch.r.resize(q);
  J = objective_->risk().value(scratch.z);
  objective_->risk().gradient(scratch.z, scratch.r);
  scratch.taped = ++scratch.states;
  return std::isfinite(J) ? Outcome{} : Outcome{.status = Status::non_finite_result};
}

template <class T>
Outcome System<T>::features(const Matrix<T>& W, double& J) const {
  auto& scratch = *scratch_;
  const Index chunks = chunks_here();
  scratch.taped = 0;
  scratch.tape.resize(layout_.particles(), objective_->tape_width());
  scratch.sums.resize(chunks, objective_->features());
  const auto body = [&](Index begin, Index end, auto& workspace) {
    for (Index c = begin; c < end; ++c) forward(c, W, workspace);
    return Outcome{};
  };
  return conclude(scratch.over(chunks, 1, body), {}, J);
}

template <class T>
Outcome System<T>::force(const Matrix<T>& W, Matrix<T>& G, double& J) const {
  auto& scratch = *scratch_;
  ++scratch.forces;
  if (auto o = features(W, J); !o.ok()) return o;
  scratch.taped = 0;
  G.resize(layout_.particles(), layout_.width());
  const auto body = [&](Index begin, Index end, auto& workspace) {
    for (Index c = begin; c < end; ++c) {
      auto g = rows_of(G, c);
      objective_->pullback(rows_of(W, c), rows_of(scratch.tape, c), scratch.r, g, workspace);
      if (!linalg::all_finite<T>(g)) return Outcome{.status = Status::non_finite_result};
    }
    return Outcome{};
  };
  return agree(scratch.over(chunks_here(), 1, body));
}

template <class T>
Outcome System<T>::refresh(State<T>& state) const {
  state.velocity_known = false;
  state.scale = 0;
  state.potential = 0;
  state.taped = 0;
  if (state.keeps_forces) {
    if (auto o = force(state.W, state.G, state.objective); !o.ok()) return o;
  } else {
    ++scratch_->forces;
    state.G.resize(0, 0);
    if (auto o = features(state.W, state.objective); !o.ok()) return o;
    state.taped = scratch_->taped;
  }
  if (!inertial()) return {};
  constexpr std::array kOne{1.0};
  return potentials(state.M, kOne, {&state.potential, 1});
}

template class System<float>;
template class System<double>;

}  // namespace muonflow::flow

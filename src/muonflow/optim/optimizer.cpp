#include "muonflow/optim/optimizer.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <exception>
#include <mutex>
#include <numeric>

#include "muonflow/core/parallel.hpp"
#include "muonflow/linalg/norms.hpp"
#include "muonflow/optim/detail/optimizer_body.hpp"
#include "muonflow/optim/shape_scale.hpp"

namespace muonflow::optim {
namespace {

// Entries of an elementwise part: five buffers of it fit in a second-level cache.
constexpr Index kPartEntries = 16384;

// Work (see Part::cost) below which waking the other threads takes longer than it saves, about 50
// microseconds.
constexpr double kWorthThreads = 1e5;

constexpr std::uint64_t mixed(std::uint64_t x) {  // splitmix64's finalizer
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

std::uint64_t hashed(const std::string& name) {  // FNV-1a
  std::uint64_t h = 0xcbf29ce484222325ULL;
  for (const char c : name) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return h;
}

// Random numbers of step t of a part; the start of a state is step -1.
Rng rng_of(std::uint64_t seed, std::uint64_t stream, std::int64_t t) {
  return Rng(seed,
             mixed(stream + mixed(static_cast<std::uint64_t>(t + 1) + 0x9e3779b97f4a7c15ULL)));
}

template <class T>
MatrixMap<T> borrowed(T* data, std::int64_t stride, const Parameter<T>& parameter,
                      const detail::Part<T>& part) {
  const bool apart = parameter.shape.size() == 2 && stride != 0;
  T* const at = apart ? data + part.begin / part.cols * stride : data + part.begin;
  return MatrixMap<T>(at, part.rows, part.cols,
                      Eigen::OuterStride<>(apart ? static_cast<Index>(stride) : part.cols));
}

}  // namespace

template <class T>
void Optimizer<T>::Body::build(const PlaceOf& place_of) {
  for (const auto& parameter : parameters) check_buffers(parameter);
  table = route<T>(parameters, options, place_of);
  progress.resize(parameters.size());
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    kernels.push_back(table.rows[i].resolved.rule->kernel(T{}));
    const double* const momentum = kernels.back()->momentum();
    momenta.push_back(momentum ? *momentum : 0);
    first_part.push_back(parts.size());
    cut(i);
  }
  first_part.push_back(parts.size());
  order.resize(parts.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](auto a, auto b) { return parts[a].cost > parts[b].cost; });
}

template <class T>
void Optimizer<T>::Body::cut(std::size_t tensor) {
  const Route& row = table.rows[tensor];
  const RuleInfo& info = row.resolved.rule->info();
  const bool elementwise = has(info.traits, Trait::elementwise);
  Index begin = 0;
  const auto add = [&](Index rows, Index cols, double multiplier) {
    detail::Part<T> part{.tensor = tensor, .begin = begin, .rows = rows, .cols = cols};
    part.multiplier = multiplier;
    const auto size = static_cast<double>(rows * cols);
    entries += size;
    part.cost = elementwise ? size : size * static_cast<double>(std::min(rows, cols) + 1) * 10;
    part.stream = mixed(hashed(row.tensor) + parts.size() - first_part.back());
    Rng rng = rng_of(seed, part.stream, -1);
    part.state = kernels[tensor]->start(rows, cols, rng);
    parts.push_back(std::move(part));
    begin += rows * cols;
  };
  for (const auto [rows, cols] :
       matrices_of(row.shape, row.role, row.resolved.layout, row.split_sizes)) {
    const double multiplier =
        row.shape.size() < 2 ? 1 : shape_scale(row.resolved.adjust_lr, rows, cols);
    if (!elementwise) {
      add(rows, cols, multiplier);
    } else if (row.shape.size() == 2) {  // rows may lie apart, so parts are of whole rows
      const Index some = std::max<Index>(1, kPartEntries / cols);
      for (Index r = 0; r < rows; r += some) add(std::min(some, rows - r), cols, multiplier);
    } else {
      const Index size = rows * cols;
      for (Index e = 0; e < size; e += kPartEntries) {
        add(1, std::min(kPartEntries, size - e), multiplier);
      }
    }
  }
}

template <class T>
void Optimizer<T>::Body::check_buffers(const Parameter<T>& parameter) const {
  if (!parameter.weights) {
    throw ShapeError({.place = parameter.name, .what = "weights are null"});
  }
  const auto check = [&](std::int64_t stride, const char* what) {
    if (stride == 0) return;
    const auto& shape = parameter.shape;
    if (shape.size() == 2 && stride >= shape[1]) return;
    throw ShapeError({.place = parameter.name,
                      .what = std::string(what) + " stride " + std::to_string(stride),
                      .expected = shape.size() == 2
                                      ? "at least the " + std::to_string(shape[1]) + " columns"
                                      : "0: only rank 2 may have rows that lie apart",
                      .found = "shape " + to_string(shape)});
  };
  check(parameter.weights_stride, "weights");
  check(parameter.gradient_stride, "gradient");
}

template <class T>
MatrixMap<T> Optimizer<T>::Body::weights(const detail::Part<T>& part) const {
  const auto& p = parameters[part.tensor];
  return borrowed(p.weights, p.weights_stride, p, part);
}

template <class T>
MatrixMap<T> Optimizer<T>::Body::gradient(const detail::Part<T>& part) const {
  const auto& p = parameters[part.tensor];
  return borrowed(p.gradient, p.gradient_stride, p, part);
}

template <class T>
void Optimizer<T>::Body::look_at_gradients() {
  const auto look = [&](std::int64_t i) {
    auto& part = parts[static_cast<std::size_t>(i)];
    part.result = {};
    if (parameters[part.tensor].gradient && !linalg::all_finite<T>(gradient(part))) {
      part.result.outcome = {Status::non_finite_input, false};
    }
  };
  const auto count = static_cast<std::int64_t>(parts.size());
  if (entries < kWorthThreads) {
    for (std::int64_t i = 0; i < count; ++i) look(i);
  } else {
    parallel_tasks(count, look);
  }
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    auto& p = progress[i];
    p.finite = std::all_of(parts.begin() + static_cast<std::ptrdiff_t>(first_part[i]),
                           parts.begin() + static_cast<std::ptrdiff_t>(first_part[i + 1]),
                           [](const auto& part) { return part.result.outcome.ok(); });
    p.active = parameters[i].gradient && p.finite;
  }
}

template <class T>
double Optimizer<T>::Body::clip() {
  const double max_norm = *options.clip.max_norm;
  const auto apply = [&](std::span<Parameter<T>> all) {
    return options.clip.kind == ClipKind::global ? clip_gradients<T>(all, max_norm)
                                                 : clip_each_gradient<T>(all, max_norm);
  };
  const bool whole =
      std::all_of(progress.begin(), progress.end(), [](const auto& p) { return p.finite; });
  if (whole) return apply(parameters);
  auto rest = parameters;  // without those that the step leaves out
  for (std::size_t i = 0; i < rest.size(); ++i) {
    if (!progress[i].active) rest[i].gradient = nullptr;
  }
  return apply(rest);
}

template <class T>
void Optimizer<T>::Body::work(double schedule) {
  double remaining = 0;
  for (const auto& part : parts) {
    if (progress[part.tensor].active) remaining += part.cost;
  }
  const auto workers =
      remaining < kWorthThreads ? std::size_t{1} : static_cast<std::size_t>(threads());
  if (workspaces.size() < workers) workspaces.resize(workers);
  for (std::size_t i = 0; i < kernels.size(); ++i) {
    double* const momentum = kernels[i]->momentum();
    if (momentum && momenta[i] != 0) {  // a rule without momentum holds no buffer for it
      *momentum = options.momentum_warmup.momentum(steps, momenta[i]);
    }
  }
  std::mutex guard;
  std::exception_ptr thrown;
  const auto run = [&](std::size_t i, std::size_t worker) {
    auto& part = parts[order[i]];
    if (!progress[part.tensor].active) return;
    try {
      work_on(part, schedule, workspaces[worker]);
    } catch (...) {
      const std::lock_guard lock(guard);
      thrown = std::current_exception();
    }
  };
  // A part that would outlast all the others has the whole pool to itself: its kernels then share
  // their products out. The kernels give the same bits either way.
  std::size_t first = 0;
  for (; first < order.size(); ++first) {
    const auto& part = parts[order[first]];
    if (!progress[part.tensor].active) continue;
    if (part.cost * static_cast<double>(workers) <= remaining) break;
    run(first, 0);
    remaining -= part.cost;
  }
  std::atomic<std::size_t> next{first};
  parallel_tasks(static_cast<std::int64_t>(workers), [&](std::int64_t worker) {
    for (std::size_t i = next++; i < order.size(); i = next++) {
      run(i, static_cast<std::size_t>(worker));
    }
  });
  if (thrown) std::rethrow_exception(thrown);
}

template <class T>
void Optimizer<T>::Body::work_on(detail::Part<T>& part, double schedule,
                                 linalg::Workspace<T>& workspace) {
  const Route& row = table.rows[part.tensor];
  const RuleInfo& info = row.resolved.rule->info();
  const Decay decay = row.resolved.decay;
  const double lr = row.lr * schedule;
  const double wd = row.weight_decay;
  const double kept = wd == 0 ? 1 : decay == Decay::independent ? 1 - schedule * wd : 1 - lr * wd;
  const bool kept_before = wd != 0 && (decay == Decay::before || decay == Decay::independent);
  const auto t = progress[part.tensor].t;

  typename linalg::Workspace<T>::Frame frame(workspace);
  MatrixMap<T> W = weights(part);
  auto D = frame.matrix(part.rows, part.cols);
  auto coupled = frame.matrix(wd != 0 && decay == Decay::coupled ? part.rows : 0, part.cols);
  auto decayed =
      frame.matrix(kept_before && info.result == Result::weights ? part.rows : 0, part.cols);
  if (coupled.size()) coupled = gradient(part) + static_cast<T>(wd) * W;
  if (decayed.size()) decayed = static_cast<T>(kept) * W;

  Rng rng = rng_of(seed, part.stream, t);
  const StepContext<T> at{
      decayed.size() ? ConstMatrixRef<T>(decayed) : ConstMatrixRef<T>(W),
      coupled.size() ? ConstMatrixRef<T>(coupled) : ConstMatrixRef<T>(gradient(part)),
      lr,
      part.multiplier,
      t,
      rng,
      workspace};
  part.result = kernels[part.tensor]->step(at, *part.state, D);
  if (!part.result.outcome.ok() || part.result.skip) return;

  if (info.result != Result::weights) {
    const T by = static_cast<T>(info.result == Result::direction ? lr * part.multiplier : 1);
    if (kept_before) {
      D = static_cast<T>(kept) * W - by * D;
    } else {
      D = W - by * D;
    }
  }
  if (wd != 0 && decay == Decay::after) D *= static_cast<T>(kept);
  if (!linalg::all_finite<T>(D)) {
    part.result.outcome = {Status::non_finite_result, false};
    return;
  }
  W = D;
}

template <class T>
void Optimizer<T>::Body::finish(StepReport& report) {
  report.outcome = {Status::ok, false};
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    auto& p = progress[i];
    if (!parameters[i].gradient) ++report.missing;
    bool failed = false;
    for (std::size_t k = first_part[i]; k < first_part[i + 1]; ++k) {
      const StepResult& result = parts[k].result;
      if (!result.outcome.ok()) {
        failed = true;
        if (report.tensor.empty()) {
          report.tensor = parameters[i].name;
          report.outcome.status = result.outcome.status;
        }
      } else if (p.active && !result.skip) {
        report.outcome.changed = true;
      }
      if (!result.warning.empty() && !p.warned) {
        p.warned = true;
        report.warnings.push_back({parameters[i].name, std::string(result.warning)});
      }
    }
    if (failed) ++report.failed;
    if (p.active) ++p.t;
  }
}

template <class T>
Optimizer<T>::Optimizer(std::vector<Parameter<T>> parameters, const RoutingOptions& options,
                        std::uint64_t seed, const PlaceOf& place_of)
    : body_(std::make_unique<Body>()) {
  body_->parameters = std::move(parameters);
  body_->options = options;
  body_->seed = seed;
  body_->build(place_of);
}
template <class T>
Optimizer<T>::~Optimizer() = default;
template <class T>
Optimizer<T>::Optimizer(Optimizer&&) noexcept = default;
template <class T>
Optimizer<T>& Optimizer<T>::operator=(Optimizer&&) noexcept = default;

template <class T>
StepReport Optimizer<T>::step(double schedule) {
  if (!std::isfinite(schedule) || schedule < 0) {
    throw ConfigError(
        {.place = "schedule", .expected = "a factor of at least 0", .found = shortest(schedule)});
  }
  auto& body = *body_;
  for (const auto& parameter : body.parameters) body.check_buffers(parameter);
  StepReport report;
  body.look_at_gradients();
  if (body.options.non_finite == NonFinite::step) {
    const bool refused = std::any_of(body.progress.begin(), body.progress.end(),
                                     [](const auto& p) { return !p.finite; });
    if (refused) {
      for (auto& p : body.progress) p.active = false;
      body.finish(report);
      return report;
    }
  }
  if (body.options.clip.max_norm) report.gradient_norm = body.clip();
  body.work(schedule);
  body.finish(report);
  ++body.steps;
  return report;
}

template <class T>
std::int64_t Optimizer<T>::steps() const {
  return body_->steps;
}
template <class T>
const RoutingTable& Optimizer<T>::routing() const {
  return body_->table;
}
template <class T>
std::vector<Parameter<T>>& Optimizer<T>::parameters() {
  return body_->parameters;
}

template class Optimizer<float>;
template class Optimizer<double>;

}  // namespace muonflow::optim

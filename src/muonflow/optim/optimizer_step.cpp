// One step of the driver: look at the gradients, clip them, hand the parts to the threads.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <exception>
#include <mutex>

#include "muonflow/core/parallel.hpp"
#include "muonflow/linalg/elementwise/apply.hpp"
#include "muonflow/linalg/norms.hpp"
#include "muonflow/optim/detail/optimizer_body.hpp"
#include "muonflow/optim/transforms/cautious.hpp"
#include "muonflow/optim/transforms/weight_decay.hpp"

namespace muonflow::optim {
namespace {

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
  // From the last task to the first, so that the rules begin with gradients that are still in
  // cache.
  const auto look = [&](std::int64_t task) {
    const auto& [begin, end, cost] = tasks[tasks.size() - 1 - static_cast<std::size_t>(task)];
    for (std::size_t i = begin; i < end; ++i) {
      auto& part = parts[order[i]];
      part.result = {};
      part.norm = 0;
      if (!parameters[part.tensor].gradient) continue;
      const auto G = gradient(part);
      part.norm = linalg::frobenius_norm<T>(G);
      // The norm of finite doubles may be infinite, but that of a NaN or infinity is never finite.
      if (!std::isfinite(part.norm) && !linalg::all_finite<T>(G)) {
        part.result.outcome = {Status::non_finite_input, false};
      }
    }
  };
  const auto count = static_cast<std::int64_t>(tasks.size());
  if (entries < detail::kWorthThreads) {
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
double Optimizer<T>::Body::norm_of(std::size_t tensor) const {
  double norm = 0;  // by hypot: squares of double norms could overflow
  for (std::size_t k = first_part[tensor]; k < first_part[tensor + 1]; ++k) {
    norm = std::hypot(norm, parts[k].norm);
  }
  return norm;
}

template <class T>
double Optimizer<T>::Body::gradient_norm() const {
  const bool refused = options.non_finite == NonFinite::step;
  double norm = 0;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    if (!progress[i].finite && !refused) continue;
    const double own = norm_of(i);
    if (std::isnan(own)) return own;  // hypot of a NaN and an infinity is infinite
    norm = std::hypot(norm, own);
  }
  return norm;
}

template <class T>
void Optimizer<T>::Body::clip(double norm) {
  const auto& clip = options.clip;
  const bool global = clip.kind == ClipKind::global;
  if (!clip.max_norm || (global && clip.factor(norm) == 1)) return;
  const auto scale = [&](std::int64_t task) {
    const auto& [begin, end, cost] = tasks[static_cast<std::size_t>(task)];
    for (std::size_t i = begin; i < end; ++i) {
      const auto& part = parts[order[i]];
      if (!progress[part.tensor].active) continue;
      const double factor = clip.factor(global ? norm : norm_of(part.tensor));
      if (factor != 1) scale_gradient<T>(gradient(part), factor);
    }
  };
  parallel_tasks(static_cast<std::int64_t>(tasks.size()), scale);
}

template <class T>
void Optimizer<T>::Body::warm_up() {
  for (const auto& momentum : momenta) {
    if (momentum.own == 0) continue;  // a rule without momentum holds no buffer for it
    *momentum.at = table.rows[momentum.tensor].momentum_warmup.momentum(steps, momentum.own);
  }
}

template <class T>
void Optimizer<T>::Body::work(double schedule) {
  double remaining = 0;
  for (const auto& part : parts) {
    if (progress[part.tensor].active) remaining += part.cost;
  }
  const auto workers =
      remaining < detail::kWorthThreads ? std::size_t{1} : static_cast<std::size_t>(threads());
  if (workspaces.size() < workers) workspaces.resize(workers);
  std::mutex guard;
  std::exception_ptr thrown;
  const auto run_task = [&](const detail::Task& task, std::size_t worker) {
    try {
      run(task, schedule, workspaces[worker]);
    } catch (...) {
      const std::lock_guard lock(guard);
      thrown = std::current_exception();
    }
  };
  // A part that would outlast all the others has the whole pool to itself: its kernels then share
  // their products out. The kernels give the same bits either way.
  std::size_t first = 0;
  for (; first < tasks.size(); ++first) {
    const auto& task = tasks[first];
    if (!progress[parts[order[task.begin]].tensor].active) continue;
    if (task.cost * static_cast<double>(workers) <= remaining) break;
    run_task(task, 0);
    remaining -= task.cost;
  }
  std::atomic<std::size_t> next{first};
  parallel_tasks(static_cast<std::int64_t>(workers), [&](std::int64_t worker) {
    for (std::size_t i = next++; i < tasks.size(); i = next++) {
      run_task(tasks[i], static_cast<std::size_t>(worker));
    }
  });
  if (thrown) std::rethrow_exception(thrown);
}

template <class T>
void Optimizer<T>::Body::run(const detail::Task& task, double schedule,
                             linalg::Workspace<T>& workspace) {
  for (std::size_t i = task.begin, end = i; i < task.end; i = end) {
    auto& part = parts[order[i]];
    const bool active = progress[part.tensor].active;
    for (end = i + 1; end < task.end && active; ++end) {
      const auto& next = parts[order[end]];
      if (!together(part, next) || !progress[next.tensor].active) break;
    }
    if (!active) continue;
    if (part.batch >= 0) {  // though others may miss their gradients today: the bits stay the same
      work_on_batch(i, end, schedule, workspace);
    } else {
      work_on(part, schedule, workspace);
    }
  }
}

// call(what the rule of this part sees).
template <class T>
template <class Call>
void Optimizer<T>::Body::with_context(detail::Part<T>& part, double schedule,
                                      linalg::Workspace<T>& workspace, const Call& call) {
  const Route& row = table.rows[part.tensor];
  const Decay decay = row.resolved.decay;
  const double lr = row.lr * schedule;
  const double wd = row.weight_decay;
  const bool couples = wd != 0 && decay == Decay::coupled;
  const bool decays =
      wd != 0 && decays_first(decay) && row.resolved.rule->info().result == Result::weights;
  typename linalg::Workspace<T>::Frame frame(workspace);
  const MatrixMap<T> W = weights(part);
  auto coupled = frame.matrix(couples ? part.rows : 0, part.cols);
  auto decayed = frame.matrix(decays ? part.rows : 0, part.cols);
  if (couples) coupled = gradient(part) + static_cast<T>(wd) * W;
  if (decays) decayed = static_cast<T>(kept_weight(decay, lr, schedule, wd)) * W;
  const auto t = progress[part.tensor].t;
  Rng rng = detail::rng_of(seed, part.stream, t);
  call(StepContext<T>{decays ? ConstMatrixRef<T>(decayed) : ConstMatrixRef<T>(W),
                      couples ? ConstMatrixRef<T>(coupled) : ConstMatrixRef<T>(gradient(part)), lr,
                      part.multiplier, t, rng, workspace});
}

template <class T>
void Optimizer<T>::Body::work_on(detail::Part<T>& part, double schedule,
                                 linalg::Workspace<T>& workspace) {
  typename linalg::Workspace<T>::Frame frame(workspace);
  auto D = frame.matrix(part.rows, part.cols);
  with_context(part, schedule, workspace, [&](const StepContext<T>& at) {
    part.result = kernels[part.tensor]->step(at, *part.state, D);
  });
  apply(part, schedule, D);
}

// Parts order[begin, end), of one shape and equal rules.
template <class T>
void Optimizer<T>::Body::work_on_batch(std::size_t begin, std::size_t end, double schedule,
                                       linalg::Workspace<T>& workspace) {
  const auto& first = parts[order[begin]];
  const auto count = static_cast<Index>(end - begin);
  typename linalg::Workspace<T>::Frame frame(workspace);
  auto all = frame.matrix(count, first.rows * first.cols);
  const auto outcomes = frame.template values<Outcome>(count);
  const auto step_of = [&](Index i) {
    return MatrixMap<T>(all.row(i).data(), first.rows, first.cols,
                        Eigen::OuterStride<>(first.cols));
  };
  for (Index i = 0; i < count; ++i) {
    auto& part = parts[order[begin + static_cast<std::size_t>(i)]];
    with_context(part, schedule, workspace, [&](const StepContext<T>& at) {
      kernels[part.tensor]->begin(at, *part.state, step_of(i));
    });
  }
  kernels[first.tensor]->finish(all.data(), count, first.rows, first.cols, outcomes, workspace);
  for (Index i = 0; i < count; ++i) {
    auto& part = parts[order[begin + static_cast<std::size_t>(i)]];
    part.result = outcomes[static_cast<std::size_t>(i)];
    apply(part, schedule, step_of(i));
  }
}

// From what the rule gave, D, to new weights: decay, learning rate, shape scale, and a look at the
// result before it replaces the old ones.
template <class T>
void Optimizer<T>::Body::apply(detail::Part<T>& part, double schedule, MatrixRef<T> D) {
  if (!part.result.outcome.ok() || part.result.skip) return;
  const Route& row = table.rows[part.tensor];
  const RuleInfo& info = row.resolved.rule->info();
  const Decay decay = row.resolved.decay;
  const double lr = row.lr * schedule;
  const double wd = row.weight_decay;
  const double kept = wd == 0 ? 1 : kept_weight(decay, lr, schedule, wd);
  const bool kept_before = wd != 0 && decays_first(decay);
  const bool cautious =
      wd != 0 && decay != Decay::coupled && row.resolved.transforms.cautious.decay;
  const double kept_after = wd != 0 && decay == Decay::after ? kept : 1;
  MatrixMap<T> W = weights(part);
  bool finite = true;
  if (info.result == Result::weights) {
    if (kept_after != 1) D *= static_cast<T>(kept_after);
    finite = linalg::all_finite<T>(D);
  } else {
    const double by = info.result == Result::direction ? lr * part.multiplier : 1;
    if (cautious) {
      cautious_step<T>(W, D, by, kept, kept_before);
      finite = linalg::all_finite<T>(D);
    } else {
      finite = linalg::weights_after<T>(
          {.kept = kept_before ? kept : 1, .by = by, .after = kept_after}, W, D);
    }
  }
  if (!finite) {
    part.result.outcome = {Status::non_finite_result, false};
    return;
  }
  linalg::copy_rows<T>(D, W);
}

template <class T>
void Optimizer<T>::Body::clip_attention() {
  for (const auto& [options_, layer, rows] : attention) {
    if (clipped_heads(options_, layer) == 0) continue;
    for (const auto& [tensor, first_row, is_key] : rows) {
      const auto& p = parameters[tensor];
      // A bias is a column here.
      const bool matrix = p.shape.size() == 2;
      const Index cols = matrix ? p.shape[1] : 1;
      const Index stride = matrix && p.weights_stride != 0 ? p.weights_stride : cols;
      const Index count = (is_key ? layer.key_heads : layer.heads) * layer.head_size;
      const MatrixMap<T> heads(p.weights + first_row * stride, count, cols,
                               Eigen::OuterStride<>(stride));
      if (is_key) {
        clip_key<T>(options_, layer, heads);
      } else {
        clip_query<T>(options_, layer, heads);
      }
    }
  }
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
      } else if (p.active) {
        report.outcome.changed = report.outcome.changed || !result.skip;
        report.message_bytes +=
            static_cast<std::int64_t>(kernels[i]->message_bytes(parts[k].rows, parts[k].cols));
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

template struct Optimizer<float>::Body;
template struct Optimizer<double>::Body;

}  // namespace muonflow::optim

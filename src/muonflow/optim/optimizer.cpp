#include "muonflow/optim/optimizer.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <tuple>

#include "muonflow/core/error.hpp"
#include "muonflow/optim/detail/optimizer_body.hpp"

namespace muonflow::optim {
namespace {

// Entries of an elementwise part: five buffers of it fit in a second-level cache.
constexpr Index kPartEntries = 16384;

// Work of a task below which another part joins it: handing out a task costs a hundredth of that.
constexpr double kTaskCost = 1e4;

// Parts of a task that is a batch: four vectors of matrices; and as many in all as fill one vector,
// below which they are faster one by one.
constexpr std::size_t kBatch = 64;
constexpr int kWorthBatch = 16;

// Multiply-adds that a thread does in a nanosecond, roughly; an entry of an elementwise step takes
// about one.
constexpr double kRate = 50;

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

}  // namespace

Rng detail::rng_of(std::uint64_t seed, std::uint64_t stream, std::int64_t t) {
  return Rng(seed,
             mixed(stream + mixed(static_cast<std::uint64_t>(t + 1) + 0x9e3779b97f4a7c15ULL)));
}

template <class T>
void Optimizer<T>::Body::build(const PlaceOf& place_of) {
  for (const auto& parameter : parameters) check_buffers(parameter);
  table = route<T>(parameters, options, place_of);
  progress.resize(parameters.size());
  std::vector<double*> found;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    kernels.push_back(make_kernel<T>(table.rows[i].resolved));
    found.clear();
    kernels.back()->momenta(found);
    for (double* const at : found) momenta.push_back({at, *at, i});
    first_part.push_back(parts.size());
    cut(i);
  }
  first_part.push_back(parts.size());
  std::map<std::tuple<int, Index, Index>, int> equals;
  for (const auto& part : parts) ++equals[{part.batch, part.rows, part.cols}];
  for (auto& part : parts) {
    if (equals[{part.batch, part.rows, part.cols}] < kWorthBatch) part.batch = -1;
  }
  group_tasks();
}

// Largest first, so that no thread is left with a large part at the end; equals of one rule and
// shape side by side, tiny ones together in one task, and batches whole.
template <class T>
void Optimizer<T>::Body::group_tasks() {
  order.resize(parts.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto key = [&](std::size_t i) {
    const auto& part = parts[i];
    return std::tuple(-part.cost, part.batch, std::string_view(table.rows[part.tensor].rule),
                      part.rows, part.cols, i);
  };
  std::sort(order.begin(), order.end(), [&](auto a, auto b) { return key(a) < key(b); });
  for (std::size_t i = 0; i < order.size(); ++i) {
    const double cost = parts[order[i]].cost;
    if (tasks.empty() ||
        (tasks.back().cost + cost > kTaskCost && !joins_batch(tasks.back(), order[i]))) {
      tasks.push_back({i, i, 0});
    }
    tasks.back().end = i + 1;
    tasks.back().cost += cost;
  }
}

// Whether a part belongs to the batch that ends a task, and there is room for it.
template <class T>
bool Optimizer<T>::Body::joins_batch(const detail::Task& task, std::size_t part) const {
  return task.end - task.begin < kBatch && together(parts[order[task.end - 1]], parts[part]);
}

template <class T>
bool Optimizer<T>::Body::together(const detail::Part<T>& a, const detail::Part<T>& b) {
  return a.batch >= 0 && a.batch == b.batch && a.rows == b.rows && a.cols == b.cols;
}

// The number of a rule with its options, and with nothing around it, among those that take batches.
template <class T>
int Optimizer<T>::Body::batch_of(const ResolvedRule& resolved) {
  const auto key = resolved.name + " " + resolved.options + " " + resolved.transforms.to_text();
  const auto at = std::find(batches.begin(), batches.end(), key);
  if (at == batches.end()) batches.push_back(key);
  return static_cast<int>(at - batches.begin());
}

template <class T>
void Optimizer<T>::Body::cut(std::size_t tensor) {
  const Route& row = table.rows[tensor];
  const RuleInfo& info = row.resolved.rule->info();
  const bool elementwise = row.resolved.elementwise();
  const auto block = row.resolved.transforms.blocking.size;
  Index begin = 0;
  const auto add = [&](Index rows, Index cols, double multiplier) {
    detail::Part<T> part{.tensor = tensor, .begin = begin, .rows = rows, .cols = cols};
    part.multiplier = multiplier;
    const auto size = static_cast<double>(rows * cols);
    entries += size;
    const Index side = std::min<Index>(std::min(rows, cols), block.value_or(rows));
    const bool entrywise = has(info.traits, Trait::elementwise);
    part.cost = entrywise ? size : size * (2 + info.products * static_cast<double>(side) / kRate);
    if (kernels[tensor]->batches(rows, cols) && info.result == Result::direction) {
      part.batch = batch_of(row.resolved);
    }
    part.stream = mixed(hashed(row.tensor) + parts.size() - first_part.back());
    Rng rng = detail::rng_of(seed, part.stream, -1);
    part.state = kernels[tensor]->start(rows, cols, rng);
    parts.push_back(std::move(part));
    begin += rows * cols;
  };
  for (const auto [rows, cols] :
       matrices_of(row.shape, row.role, row.resolved.layout, row.split_sizes, row.num_heads)) {
    const double multiplier = row.step_multiplier(rows, cols);
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
  if (body.options.qk_clip.threshold && body.attention.empty()) {
    throw ConfigError({.place = "optimizer.qk_clip",
                       .what = "no attention layer has been named",
                       .expected = "Optimizer::clip_attention before the first step"});
  }
  for (const auto& parameter : body.parameters) body.check_buffers(parameter);
  StepReport report;
  if (body.observer) body.observer->before_step(*this, schedule);
  body.look_at_gradients();
  report.gradient_norm = body.gradient_norm();
  if (body.options.non_finite == NonFinite::step) {
    const bool refused = std::any_of(body.progress.begin(), body.progress.end(),
                                     [](const auto& p) { return !p.finite; });
    if (refused) {
      for (auto& p : body.progress) p.active = false;
      body.finish(report);
      if (body.observer) body.observer->after_step(*this, report);
      return report;
    }
  }
  body.clip(report.gradient_norm);
  body.warm_up();
  body.work(schedule);
  for (const auto& momentum : body.momenta) *momentum.at = momentum.own;  // as the state knows it
  body.finish(report);
  for (const auto& clip : body.attention) {
    report.clipped_heads += clipped_heads(clip.options, clip.layer);
  }
  if (body.observer) body.observer->after_step(*this, report);
  body.clip_attention();
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
const RoutingOptions& Optimizer<T>::options() const {
  return body_->options;
}
template <class T>
void Optimizer<T>::observe(StepObserver<T>* observer) {
  body_->observer = observer;
}
template <class T>
std::vector<Parameter<T>>& Optimizer<T>::parameters() {
  return body_->parameters;
}

template <class T>
void Optimizer<T>::clip_attention(const QkClip& options, const AttentionLayer& layer) {
  auto& body = *body_;
  const auto refuse = [](const std::string& place, const std::string& expected,
                         const std::string& found) {
    throw ConfigError({.place = place, .what = "qk_clip", .expected = expected, .found = found});
  };
  if (layer.heads < 1 || layer.key_heads < 1 || layer.heads % layer.key_heads != 0 ||
      layer.head_size < 1 || layer.max_logits.size() != static_cast<std::size_t>(layer.heads)) {
    refuse("attention layer", "heads, a divisor of them, a head size and a logit for each head",
           std::to_string(layer.heads) + ", " + std::to_string(layer.key_heads) + ", " +
               std::to_string(layer.head_size) + ", " + std::to_string(layer.max_logits.size()));
  }
  detail::AttentionClip clip{options, layer, {}};
  const auto find = [&](const HeadRows& rows, bool is_key) {
    const Index count = (is_key ? layer.key_heads : layer.heads) * layer.head_size;
    for (std::size_t i = 0; i < body.parameters.size(); ++i) {
      const auto& parameter = body.parameters[i];
      if (parameter.name != rows.tensor) continue;
      if (parameter.shape.size() > 2 || rows.first_row < 0 ||
          rows.first_row + count > parameter.shape[0]) {
        refuse(rows.tensor, std::to_string(count) + " rows from " + std::to_string(rows.first_row),
               to_string(parameter.shape));
      }
      clip.rows.push_back({i, rows.first_row, is_key});
      return;
    }
    refuse(rows.tensor, "a parameter of the optimizer", "no such name");
  };
  for (const auto& rows : layer.query) find(rows, false);
  for (const auto& rows : layer.key) find(rows, true);
  const auto before = std::find_if(body.attention.begin(), body.attention.end(),
                                   [&](const auto& other) { return other.rows == clip.rows; });
  if (before == body.attention.end()) {
    body.attention.push_back(std::move(clip));
  } else {
    *before = std::move(clip);
  }
}

template class Optimizer<float>;
template class Optimizer<double>;

}  // namespace muonflow::optim

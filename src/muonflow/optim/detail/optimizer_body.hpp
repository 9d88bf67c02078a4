// What an Optimizer holds; shared by its step and its saving and loading.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "muonflow/optim/optimizer.hpp"
#include "muonflow/optim/rule_registry.hpp"

namespace muonflow::optim {

namespace detail {

// Work (see Part::cost) below which waking the other threads takes longer than it saves.
inline constexpr double kWorthThreads = 1e5;

// Random numbers of step t of a part; the start of a state is step -1.
Rng rng_of(std::uint64_t seed, std::uint64_t stream, std::int64_t t);

// A part of a tensor that one call of a rule works on: a matrix, or some rows of an elementwise
// tensor, so that a large one is shared by all threads and a part's buffers fit in cache. Parts lie
// one after the other in the order of memory.
template <class T>
struct Part {
  std::size_t tensor = 0;
  Index begin = 0;  // elements before it in the tensor
  Index rows = 0;
  Index cols = 0;
  double multiplier = 1;
  double cost = 0;           // nanoseconds of one thread, roughly
  int batch = -1;            // parts of one number and shape are stepped together; -1: alone
  std::uint64_t stream = 0;  // of random numbers
  std::unique_ptr<RuleState<T>> state{};
  StepResult result{};  // of the step in progress
  double norm = 0;      // of its gradient, in the step in progress
};

// Parts order[begin, end) that one thread takes at once: a single large one, tiny ones, or a batch.
struct Task {
  std::size_t begin = 0;
  std::size_t end = 0;
  double cost = 0;
};

// An option `momentum` of a kernel, and its own value.
struct Momentum {
  double* at = nullptr;
  double own = 0;
  std::size_t tensor = 0;
};

// An attention layer whose rows have been found.
struct AttentionRows {
  std::size_t tensor = 0;
  Index first_row = 0;
  bool is_key = false;
  bool operator==(const AttentionRows&) const = default;
};
struct AttentionClip {
  QkClip options;
  AttentionLayer layer;
  std::vector<AttentionRows> rows;
};

struct TensorProgress {
  std::int64_t t = 0;  // steps taken
  bool warned = false;
  bool active = false;  // takes part in the step in progress
  bool finite = true;   // its gradient, in the step in progress
};

}  // namespace detail

template <class T>
struct Optimizer<T>::Body {
  std::vector<Parameter<T>> parameters;
  RoutingOptions options;
  RoutingTable table;
  std::uint64_t seed = 0;
  std::int64_t steps = 0;

  std::vector<std::unique_ptr<RuleKernel<T>>> kernels;  // one a tensor
  std::vector<detail::Momentum> momenta;                // of all kernels, for the warmup
  std::vector<detail::TensorProgress> progress;         // one a tensor
  std::vector<detail::Part<T>> parts;                   // in the order of tensors and memory
  std::vector<std::size_t> first_part;                  // of a tensor; one more at the end
  std::vector<std::size_t> order;                       // of work: largest part first
  std::vector<detail::Task> tasks;                      // over `order`
  std::vector<linalg::Workspace<T>> workspaces;         // one a thread
  std::vector<detail::AttentionClip> attention;         // layers of clip_attention
  StepObserver<T>* observer = nullptr;
  std::vector<std::string> batches;  // rule and options of Part::batch
  double entries = 0;                // of all parts

  void build(const PlaceOf& place_of);
  void cut(std::size_t tensor);
  void group_tasks();
  int batch_of(const ResolvedRule& resolved);
  bool joins_batch(const detail::Task& task, std::size_t part) const;
  static bool together(const detail::Part<T>& a, const detail::Part<T>& b);
  void check_buffers(const Parameter<T>& parameter) const;

  MatrixMap<T> weights(const detail::Part<T>& part) const;
  MatrixMap<T> gradient(const detail::Part<T>& part) const;
  void look_at_gradients();
  double norm_of(std::size_t tensor) const;  // of its gradient, as look_at_gradients found it
  double gradient_norm() const;              // over all tensors that the step does not leave out
  void clip(double norm);
  void warm_up();
  void work(double schedule);
  void run(const detail::Task& task, double schedule, linalg::Workspace<T>& workspace);
  void work_on(detail::Part<T>& part, double schedule, linalg::Workspace<T>& workspace);
  void work_on_batch(std::size_t begin, std::size_t end, double schedule,
                     linalg::Workspace<T>& workspace);
  template <class Call>
  void with_context(detail::Part<T>& part, double schedule, linalg::Workspace<T>& workspace,
                    const Call& call);
  void apply(detail::Part<T>& part, double schedule, MatrixRef<T> D);
  void clip_attention();
  void finish(StepReport& report);
};

namespace detail {

// One tensor of the state of a parameter, over all its parts.
template <class T>
struct StateField {
  std::string name;
  bool like_weights = false;
  Shape shape;                      // in a file
  std::vector<Matrix<T>*> of_part;  // null where it belongs to other parts
};

}  // namespace detail

}  // namespace muonflow::optim

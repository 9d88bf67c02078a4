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
  double cost = 0;           // flops, roughly; only the order matters
  std::uint64_t stream = 0;  // of random numbers
  std::unique_ptr<RuleState<T>> state{};
  StepResult result{};  // of the step in progress
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
  std::vector<double> momenta;                          // the rules' own, for the warmup
  std::vector<detail::TensorProgress> progress;         // one a tensor
  std::vector<detail::Part<T>> parts;                   // in the order of tensors and memory
  std::vector<std::size_t> first_part;                  // of a tensor; one more at the end
  std::vector<std::size_t> order;                       // of work: largest part first
  std::vector<linalg::Workspace<T>> workspaces;         // one a thread
  double entries = 0;                                   // of all parts

  void build(const PlaceOf& place_of);
  void cut(std::size_t tensor);
  void check_buffers(const Parameter<T>& parameter) const;

  MatrixMap<T> weights(const detail::Part<T>& part) const;
  MatrixMap<T> gradient(const detail::Part<T>& part) const;
  void look_at_gradients();
  double clip();
  void work(double schedule);
  void work_on(detail::Part<T>& part, double schedule, linalg::Workspace<T>& workspace);
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

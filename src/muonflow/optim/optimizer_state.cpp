// Saving and loading the state of an Optimizer.
#include <algorithm>
#include <cmath>

#include "muonflow/core/error.hpp"
#include "muonflow/optim/detail/optimizer_body.hpp"

namespace muonflow::optim {
namespace {

template <class T>
class Collector final : public StateVisitor<T> {
 public:
  struct Found {
    std::string name;
    Matrix<T>* value;
    bool like_weights;
  };
  using StateVisitor<T>::StateVisitor;
  std::vector<Found> found;

 private:
  void visit(std::string_view name, Matrix<T>& value, Index, Index, bool like_weights) override {
    found.push_back({std::string(name), &value, like_weights});
  }
};

template <class T>
std::vector<typename Collector<T>::Found> found_in(const RuleKernel<T>& kernel,
                                                   const detail::Part<T>& part) {
  Collector<T> collector(part.rows, part.cols);
  kernel.visit(*part.state, collector);
  return std::move(collector.found);
}

// The state tensors of parameter i. A field that is not like the weights is [rows, cols], or
// [parts, rows, cols] where a stack has several; where the parts differ, in shape or because only
// some have it, each has a field of its own, FIELD.0 and so on.
template <class T, class Body>
std::vector<detail::StateField<T>> fields_of(const Body& body, std::size_t i) {
  const std::size_t first = body.first_part[i];
  const std::size_t count = body.first_part[i + 1] - first;
  std::vector<detail::StateField<T>> fields;
  for (std::size_t k = 0; k < count; ++k) {
    for (const auto& f : found_in<T>(*body.kernels[i], body.parts[first + k])) {
      auto at = std::find_if(fields.begin(), fields.end(),
                             [&](const auto& field) { return field.name == f.name; });
      if (at == fields.end()) {
        at = fields.insert(at, {f.name, f.like_weights, {}, std::vector<Matrix<T>*>(count)});
      }
      at->of_part[k] = f.value;
    }
  }
  std::vector<detail::StateField<T>> all;
  for (auto& field : fields) {
    const auto shape_of = [](const Matrix<T>& a) { return Shape{a.rows(), a.cols()}; };
    const Matrix<T>* const front = field.of_part.front();
    const bool whole = std::all_of(field.of_part.begin(), field.of_part.end(),
                                   [](const auto* m) { return m != nullptr; });
    const bool same =
        whole && std::all_of(field.of_part.begin(), field.of_part.end(),
                             [&](const auto* m) { return shape_of(*m) == shape_of(*front); });
    if (field.like_weights && whole) {
      field.shape = body.table.rows[i].shape;
      all.push_back(std::move(field));
    } else if (same) {
      field.shape = shape_of(*front);
      if (count > 1) field.shape.insert(field.shape.begin(), static_cast<std::int64_t>(count));
      all.push_back(std::move(field));
    } else {
      for (std::size_t k = 0; k < count; ++k) {
        if (!field.of_part[k]) continue;
        all.push_back({field.name + "." + std::to_string(k), false, shape_of(*field.of_part[k]),
                       std::vector<Matrix<T>*>(count)});
        all.back().of_part[k] = field.of_part[k];
      }
    }
  }
  return all;
}

template <class T>
Tensor gathered(const detail::StateField<T>& field) {
  std::vector<T> values;
  values.reserve(static_cast<std::size_t>(element_count(field.shape)));
  for (const Matrix<T>* part : field.of_part) {
    if (part) values.insert(values.end(), part->data(), part->data() + part->size());
  }
  return make_tensor<T>(field.shape, values);
}

template <class T>
void scatter(const std::vector<T>& values, const detail::StateField<T>& field) {
  auto from = values.begin();
  for (Matrix<T>* part : field.of_part) {
    if (!part) continue;
    std::copy_n(from, part->size(), part->data());
    from += part->size();
  }
}

Tensor count_tensor(std::int64_t value) {
  return make_tensor<std::int64_t>({}, std::span<const std::int64_t>(&value, 1));
}

// A count as we write it (I64) or as PyTorch does (F32).
std::int64_t count_in(const Tensor& tensor, const std::string& key, const std::string& place) {
  double value = -1;
  if (tensor.count() == 1) {
    value = is_floating(tensor.dtype) ? tensor.to<double>()[0]
                                      : static_cast<double>(tensor.to<std::int64_t>()[0]);
  }
  if (value < 0 || value != std::floor(value) || value > 9e15) {
    throw ConfigError({.place = place + ": " + key,
                       .expected = "one whole number of at least 0",
                       .found = tensor.count() == 1 ? std::to_string(value)
                                                    : "shape " + to_string(tensor.shape)});
  }
  return static_cast<std::int64_t>(value);
}

Tensor name_tensor(const std::string& name) {
  std::vector<std::int32_t> letters(name.begin(), name.end());
  return make_tensor<std::int32_t>({static_cast<std::int64_t>(name.size())}, letters);
}

std::string name_in(const Tensor& tensor) {
  std::string name;
  for (const auto letter : tensor.to<std::int32_t>()) {
    name += letter >= 32 && letter < 127 ? static_cast<char>(letter) : '?';
  }
  return name;
}

[[noreturn]] void refuse(const std::string& place, const std::string& key,
                         const std::string& expected, const std::string& found) {
  throw ConfigError({.place = place + ": " + key,
                     .what = "not the state of this model and these rules",
                     .expected = expected,
                     .found = found});
}

template <class T>
void check_field(const Tensor& tensor, const detail::StateField<T>& field, const std::string& key,
                 const std::string& place) {
  if (tensor.shape != field.shape || !is_floating(tensor.dtype)) {
    refuse(place, key, "a floating " + to_string(field.shape),
           std::string(name_of(tensor.dtype)) + " " + to_string(tensor.shape));
  }
}

template <class Body>
std::size_t index_of(const Body& body, const std::string& parameter) {
  for (std::size_t i = 0; i < body.table.rows.size(); ++i) {
    if (body.table.rows[i].tensor == parameter) return i;
  }
  throw ConfigError({.place = parameter, .what = "no parameter of this name"});
}

}  // namespace

template <class T>
TensorMap Optimizer<T>::state() const {
  const Body& body = *body_;
  TensorMap state;
  state.emplace("steps", count_tensor(body.steps));
  for (const auto& row : body.table.rows) {
    const auto info_name = std::string(row.resolved.rule->info().name);
    state.emplace("rule/" + row.tensor, name_tensor(info_name));
    for (auto& [field, tensor] : state_of(row.tensor)) {
      state.emplace("s/" + row.tensor + "/" + field, std::move(tensor));
    }
  }
  return state;
}

template <class T>
TensorMap Optimizer<T>::state_of(const std::string& parameter) const {
  const Body& body = *body_;
  const std::size_t i = index_of(body, parameter);
  TensorMap fields;
  for (const auto& field : fields_of<T>(body, i)) fields.emplace(field.name, gathered(field));
  fields.emplace("step", count_tensor(body.progress[i].t));
  return fields;
}

template <class T>
void Optimizer<T>::load_state(const TensorMap& state, const std::string& place) {
  Body& body = *body_;
  const auto at = [&](const std::string& key) -> const Tensor& {
    const auto it = state.find(key);
    if (it == state.end()) refuse(place, key, "this tensor", "none");
    return it->second;
  };
  // First everything is read, then everything is set.
  struct Read {
    detail::StateField<T> field;
    std::vector<T> values;
  };
  std::vector<Read> reads;
  std::vector<std::int64_t> counts;
  TensorMap::size_type known = 0;
  for (std::size_t i = 0; i < body.table.rows.size(); ++i) {
    const auto& row = body.table.rows[i];
    const auto rule = std::string(row.resolved.rule->info().name);
    const std::string rule_key = "rule/" + row.tensor;
    if (const auto found = name_in(at(rule_key)); found != rule) {
      refuse(place, row.tensor, "the state of rule '" + rule + "'", "that of '" + found + "'");
    }
    const std::string prefix = "s/" + row.tensor + "/";
    for (auto& field : fields_of<T>(body, i)) {
      const Tensor& tensor = at(prefix + field.name);
      check_field(tensor, field, prefix + field.name, place);
      auto values = tensor.to<T>();
      reads.push_back({std::move(field), std::move(values)});
      ++known;
    }
    counts.push_back(count_in(at(prefix + "step"), prefix + "step", place));
    known += 2;
  }
  const auto steps = count_in(at("steps"), "steps", place);
  // What is left over belongs to parameters or fields that are not here.
  TensorMap::size_type ours = 0;
  for (const auto& [key, tensor] : state) ours += key.starts_with("s/") || key.starts_with("rule/");
  if (ours != known) {
    for (const auto& [key, tensor] : state) {
      if (!key.starts_with("s/") && !key.starts_with("rule/")) continue;
      const auto rows = body.table.rows;
      const bool expected = std::any_of(rows.begin(), rows.end(), [&](const auto& row) {
        if (key == "rule/" + row.tensor) return true;
        const std::string prefix = "s/" + row.tensor + "/";
        if (!key.starts_with(prefix)) return false;
        const auto field = key.substr(prefix.size());
        return field == "step" || state_of(row.tensor).contains(field);
      });
      if (!expected) refuse(place, key, "no such tensor", to_string(tensor.shape));
    }
  }
  for (const auto& read : reads) scatter(read.values, read.field);
  for (std::size_t i = 0; i < counts.size(); ++i) body.progress[i].t = counts[i];
  body.steps = steps;
}

template <class T>
void Optimizer<T>::start_from(const std::string& parameter, const TensorMap& given,
                              const std::string& place) {
  Body& body = *body_;
  const std::size_t i = index_of(body, parameter);
  auto fields = fields_of<T>(body, i);
  std::vector<std::string> known{"step"};
  for (const auto& field : fields) known.push_back(field.name);
  for (const auto& [name, tensor] : given) {
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    const auto near = nearest_name(name, known);
    throw ConfigError({.place = place + ": s/" + parameter + "/" + name,
                       .what = "rule '" + body.table.rows[i].rule + "' has no state of this name",
                       .expected = "one of " + join(known),
                       .advice = near.empty() ? "" : "did you mean '" + near + "'?"});
  }
  const std::string prefix = "s/" + parameter + "/";
  const bool counts = has(body.table.rows[i].resolved.rule->info().traits, Trait::counts_steps);
  if (counts && !given.empty() && !given.contains("step")) {
    throw ConfigError({.place = place + ": " + prefix + "step",
                       .what = "missing: the other fields mean nothing without it"});
  }
  for (const auto& field : fields) {
    if (const auto it = given.find(field.name); it != given.end()) {
      check_field(it->second, field, prefix + field.name, place);
    }
  }
  if (const auto it = given.find("step"); it != given.end()) {
    body.progress[i].t = count_in(it->second, prefix + "step", place);
  }
  for (const auto& field : fields) {
    if (const auto it = given.find(field.name); it != given.end()) {
      scatter(it->second.template to<T>(), field);
    }
  }
}

template <class T>
std::size_t Optimizer<T>::state_bytes() const {
  const Body& body = *body_;
  std::size_t bytes = 0;
  for (const auto& part : body.parts) {
    for (const auto& found : found_in<T>(*body.kernels[part.tensor], part)) {
      bytes += static_cast<std::size_t>(found.value->size()) * sizeof(T);
    }
  }
  return bytes;
}

#define MUONFLOW_INSTANTIATE(T)                                                 \
  template TensorMap Optimizer<T>::state() const;                               \
  template TensorMap Optimizer<T>::state_of(const std::string&) const;          \
  template void Optimizer<T>::load_state(const TensorMap&, const std::string&); \
  template void Optimizer<T>::start_from(const std::string&, const TensorMap&,  \
                                         const std::string&);                   \
  template std::size_t Optimizer<T>::state_bytes() const;
MUONFLOW_INSTANTIATE(float)
MUONFLOW_INSTANTIATE(double)
#undef MUONFLOW_INSTANTIATE

}  // namespace muonflow::optim

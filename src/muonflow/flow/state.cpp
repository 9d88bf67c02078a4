#include "muonflow/flow/state.hpp"

#include <cmath>
#include <cstring>
#include <span>
#include <utility>
#include <vector>

#include "muonflow/core/error.hpp"
#include "muonflow/core/rng.hpp"
#include "muonflow/flow/detail/tensor_values.hpp"

namespace muonflow::flow {
namespace {

std::string tensor_name(const std::string& kind, const Block& block) {
  return block.name.empty() ? kind : kind + "/" + block.name;
}

// Copies one tensor [N, m, n] into its columns of the particles' matrix.
template <class T>
void fill_block(const TensorMap& tensors, const std::string& name, const Layout& layout,
                const Block& block, const std::string& place, Matrix<T>& into) {
  const auto found = tensors.find(name);
  if (found == tensors.end()) {
    throw ShapeError(
        {.place = place, .what = "no tensor '" + name + "'", .expected = layout.text()});
  }
  const auto& tensor = found->second;
  const Shape expected{layout.total(), block.rows, block.cols};
  if (tensor.shape != expected) {
    throw ShapeError({.place = place + ", tensor " + name,
                      .expected = "shape " + to_string(expected) + " as [N, m, n]",
                      .found = to_string(tensor.shape)});
  }
  const auto values = detail::tensor_values<T>(tensor, name, place);
  for (Index i = 0; i < layout.particles(); ++i) {
    for (Index k = 0; k < block.size(); ++k) {
      const T value = values[static_cast<std::size_t>((layout.first() + i) * block.size() + k)];
      if (!std::isfinite(value)) {
        throw DataError({.place = place + ", tensor " + name + ", particle " +
                                  std::to_string(layout.first() + i),
                         .expected = "finite numbers",
                         .found = std::isnan(value) ? "NaN" : "infinity"});
      }
      into(i, block.offset + k) = value;
    }
  }
}

template <class T>
Tensor block_tensor(const Matrix<T>& all, const Layout& layout, const Block& block) {
  const Shape shape{layout.particles(), block.rows, block.cols};
  const auto tensor_of = [&shape](const Matrix<T>& entries) {
    return make_tensor<T>(
        shape, std::span<const T>(entries.data(), static_cast<std::size_t>(entries.size())));
  };
  if (block.size() == all.cols()) return tensor_of(all);
  return tensor_of(all.middleCols(block.offset, block.size()));
}

// W or M by blocks.
template <class T>
void add_tensors(const char* name, const Matrix<T>& all, const Layout& layout, TensorMap& tensors) {
  for (const auto& block : layout.blocks()) {
    tensors[tensor_name(name, block)] = block_tensor(all, layout, block);
  }
}

}  // namespace

template <class T>
State<T> draw_state(const Layout& layout, std::uint64_t seed, double scale) {
  State<T> state{.layout = layout};
  state.W.resize(layout.particles(), layout.width());
  state.M.setZero(layout.particles(), layout.width());
  for (Index i = 0; i < layout.particles(); ++i) {
    Rng rng(seed, static_cast<std::uint64_t>(layout.first() + i));
    for (Index k = 0; k < layout.width(); ++k) {
      state.W(i, k) = static_cast<T>(scale * rng.normal());
    }
  }
  return state;
}

Layout layout_of(const TensorMap& tensors, const std::string& place) {
  std::vector<Block> blocks;
  std::int64_t particles = 0;
  for (const auto& [name, tensor] : tensors) {
    if (name != "W" && !name.starts_with("W/")) continue;
    if (tensor.shape.size() != 3) {
      throw ShapeError({.place = place + ", tensor " + name,
                        .expected = "shape [N, m, n]",
                        .found = to_string(tensor.shape)});
    }
    if (!blocks.empty() && tensor.shape[0] != particles) {
      throw ShapeError({.place = place + ", tensor " + name,
                        .expected = std::to_string(particles) + " particles as in the other blocks",
                        .found = std::to_string(tensor.shape[0])});
    }
    particles = tensor.shape[0];
    blocks.push_back({.name = name == "W" ? "" : name.substr(2),
                      .rows = tensor.shape[1],
                      .cols = tensor.shape[2]});
  }
  if (blocks.empty()) {
    throw ShapeError({.place = place, .what = "no tensor 'W'", .expected = "W [N, m, n]"});
  }
  return Layout(particles, std::move(blocks));
}

template <class T>
State<T> state_from(const TensorMap& tensors, const Layout& layout, const std::string& place) {
  State<T> state{.layout = layout};
  state.W.resize(layout.particles(), layout.width());
  state.M.setZero(layout.particles(), layout.width());
  const bool momenta = std::any_of(tensors.begin(), tensors.end(), [](const auto& entry) {
    return entry.first == "M" || entry.first.starts_with("M/");
  });
  for (const auto& block : layout.blocks()) {
    fill_block(tensors, tensor_name("W", block), layout, block, place, state.W);
    if (momenta) fill_block(tensors, tensor_name("M", block), layout, block, place, state.M);
  }
  return state;
}

template <class T>
State<T> gathered(const State<T>& state, dist::Communicator& ranks) {
  State<T> whole;
  whole.time = state.time;
  const auto all = [&](const Matrix<T>& part) {
    const auto bytes = ranks.gather(
        std::as_bytes(std::span<const T>(part.data(), static_cast<std::size_t>(part.size()))));
    Matrix<T> result(static_cast<Index>(bytes.size() / sizeof(T)) / state.layout.width(),
                     state.layout.width());
    std::memcpy(result.data(), bytes.data(), bytes.size());
    return result;
  };
  whole.W = all(state.W);
  whole.M = all(state.M);
  if (ranks.rank() == 0) whole.layout = Layout(state.layout.total(), state.layout.blocks());
  return whole;
}

template <class T>
TensorMap state_tensors(const State<T>& state) {
  TensorMap tensors;
  add_tensors("W", state.W, state.layout, tensors);
  add_tensors("M", state.M, state.layout, tensors);
  return tensors;
}

template <class T>
TensorMap last_tensors(State<T>&& state, dist::Communicator& ranks) {
  state.G.resize(0, 0);
  state.V.resize(0, 0);
  if (ranks.size() > 1) return gathered_tensors(state, ranks);
  TensorMap tensors;
  add_tensors("W", state.W, state.layout, tensors);
  state.W.resize(0, 0);
  add_tensors("M", state.M, state.layout, tensors);
  state.M.resize(0, 0);
  return tensors;
}

template <class T>
TensorMap gathered_tensors(const State<T>& state, dist::Communicator& ranks) {
  if (ranks.size() == 1) return state_tensors(state);
  const auto whole = gathered(state, ranks);
  return ranks.rank() == 0 ? state_tensors(whole) : TensorMap{};
}

template State<float> draw_state(const Layout&, std::uint64_t, double);
template State<double> draw_state(const Layout&, std::uint64_t, double);
template State<float> state_from(const TensorMap&, const Layout&, const std::string&);
template State<double> state_from(const TensorMap&, const Layout&, const std::string&);
template State<float> gathered(const State<float>&, dist::Communicator&);
template State<double> gathered(const State<double>&, dist::Communicator&);
template TensorMap state_tensors(const State<float>&);
template TensorMap state_tensors(const State<double>&);
template TensorMap last_tensors(State<float>&&, dist::Communicator&);
template TensorMap last_tensors(State<double>&&, dist::Communicator&);
template TensorMap gathered_tensors(const State<float>&, dist::Communicator&);
template TensorMap gathered_tensors(const State<double>&, dist::Communicator&);

}  // namespace muonflow::flow

// two_layer: a two-layer network in the mean-field scaling, a mean of particles that each are a few
// neurons, fitted to a teacher of the same kind or to real data.
//
//   (1)  f_i(x) = V sigma(W_i x),   f(x) = (1/N) sum_i f_i(x)
//   (2)  F(W) = f_W on all n inputs, J = R(mean_i F(W_i)) with R a mean over the inputs
//   (3)  G_i = (1/n) sum_x (sigma'(W_i x) o V^T l'(f(x))) x^T
//
//   symbol  field   shape   meaning                           default
//   X       X       [n, p]  inputs                            N(0, 1) from `seed`
//   y       y       [n, o]  targets, or `labels` [n]          what the teacher makes of X
//   V       V       [o, m]  output weights, out = "fixed"     N(0, 1) from `seed`
//   -       out     -       "trained": V_i is the particle's block `out`, W_i its block `in`
//   -       teacher [K, m, p] (/in, /out) the particles behind y; with them inf J is known
// Particles have `particles.shape` [m, p]. `dataset` takes real inputs and labels instead.
// L. Chizat, F. Bach, arXiv:1805.09545; S. Mei et al., arXiv:1804.06561; arXiv 2605.23871.
#pragma once

#include <array>

#include "muonflow/flow/detail/enroll_objective.hpp"
#include "muonflow/flow/detail/unit_network.hpp"

namespace muonflow::flow {

enum class OutWeights { fixed, trained };
enum class UnitActivation { tanh, gelu, softplus, sigmoid };

template <class T>
class TwoLayer final : public detail::UnitNetwork<T> {
 public:
  inline static const ObjectiveInfo kInfo{
      .name = "two_layer",
      .equation = "f(x) = mean_i V sigma(W_i x), J = mean_x R(f(x), y(x))",
      .cite = "arXiv:1805.09545, arXiv:2605.23871",
      .risks = {RiskKind::squared, RiskKind::logistic, RiskKind::cross_entropy}};

  struct Options {
    detail::SupervisedOptions data;
    UnitActivation activation = UnitActivation::tanh;
    OutWeights out = OutWeights::fixed;

    void fields(FieldVisitor& v) {
      data.fields(v);
      v.choice("activation", activation, "of the hidden layer");
      v.choice("out", out, "output weights: one V for all, or the particle's second matrix");
    }
    detail::UnitSpec spec() const {
      return {.objective = kInfo.name,
              .activation = static_cast<nn::SmoothMap>(activation),
              .gate = {},
              .fixed_out = out == OutWeights::fixed,
              .seed = static_cast<std::uint64_t>(data.seed)};
    }
  };

  static std::vector<Block> blocks(const Options& options, const TensorMap* data,
                                   const Shape& shape, const std::string& place) {
    const Index outputs = data ? detail::outputs_of(*data, place) : options.data.outputs;
    return detail::unit_blocks(options.spec(), shape[0], shape[1], outputs);
  }

  static TensorMap draw(const Options& options, RiskKind risk, const Layout& layout) {
    return detail::draw_unit_data(options.spec(), options.data, risk, layout);
  }

  TwoLayer(const Options& options, RiskKind risk, const TensorMap& data, const Layout& layout,
           const std::string& place)
      : detail::UnitNetwork<T>(options.spec(), risk, data, layout, place) {}

  const ObjectiveInfo& info() const override { return kInfo; }
};

}  // namespace muonflow::flow

template <>
struct muonflow::EnumNames<muonflow::flow::OutWeights> {
  static constexpr std::array<std::string_view, 2> names{"fixed", "trained"};
};
// In the order of nn::SmoothMap, whose first four these are.
template <>
struct muonflow::EnumNames<muonflow::flow::UnitActivation> {
  static constexpr std::array<std::string_view, 4> names{"tanh", "gelu", "softplus", "sigmoid"};
};

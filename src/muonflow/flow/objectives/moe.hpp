// moe: a smooth mixture of experts in the mean-field scaling; a particle is an expert with its
// router, three matrices (arXiv 2605.23871: products of matrix spaces, blockwise flow).
//
//   (1)  e_i(x) = V_i sigma(U_i x)
//   (2)  gate "softmax": F(W_i) = (exp(r_i . x) e_i(x), exp(r_i . x)) on all n inputs, and
//        R(numerators, denominators) = risk(numerators / denominators), so that
//        f(x) = sum_i softmax(r . x)_i e_i(x)
//   (3)  gate "sigmoid", "softplus", not normalized: F(W_i) = g(r_i . x) e_i(x),
//        f(x) = (1/N) sum_i g(r_i . x) e_i(x)
//   (4)  J = mean_x risk(f(x), y(x))
//
//   symbol  field    shape    meaning                             default
//   U_i     in       [m, p]   block of the particle
//   V_i     out      [o, m]   block of the particle
//   r_i     router   [1, p]   block of the particle
//   X       X        [n, p]   inputs                              N(0, 1) from `seed`
//   y       y        [n, o]   targets, or `labels` [n]            what the teacher makes of X
//   -       teacher/in, /out, /router [K, ., .] the experts behind y; with them inf J is known
// Every function is smooth: no expert is ever switched off. Particles have `particles.shape`
// [m, p], the shape of U. `dataset` takes real inputs and labels instead. Routers that grow without
// bound overflow exp and end the run with an outcome.
#pragma once

#include "muonflow/flow/detail/enroll_objective.hpp"
#include "muonflow/flow/detail/unit_network.hpp"
#include "muonflow/flow/objectives/two_layer.hpp"

namespace muonflow::flow {

template <class T>
class Moe final : public detail::UnitNetwork<T> {
 public:
  inline static const ObjectiveInfo kInfo{
      .name = "moe",
      .equation = "f(x) = sum_i gate_i(r . x) V_i sigma(U_i x), J = mean_x R(f(x), y(x))",
      .cite = "arXiv:2605.23871",
      .risks = {RiskKind::squared, RiskKind::logistic, RiskKind::cross_entropy}};

  struct Options {
    detail::SupervisedOptions data;
    UnitActivation activation = UnitActivation::tanh;
    detail::Gate gate = detail::Gate::softmax;

    void fields(FieldVisitor& v) {
      data.fields(v);
      v.choice("activation", activation, "of the experts' hidden layer");
      v.choice("gate", gate, "softmax over the experts, or one that is not normalized");
    }
    detail::UnitSpec spec() const {
      return {.objective = kInfo.name,
              .activation = static_cast<nn::SmoothMap>(activation),
              .gate = gate,
              .fixed_out = false,
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

  Moe(const Options& options, RiskKind risk, const TensorMap& data, const Layout& layout,
      const std::string& place)
      : detail::UnitNetwork<T>(options.spec(), risk, data, layout, place) {}

  const ObjectiveInfo& info() const override { return kInfo; }
};

}  // namespace muonflow::flow

// attention_heads: an attention layer in the mean-field scaling; a particle is one head, four
// matrices, and the layer is the mean over the heads (arXiv 2605.23871: products of matrix spaces).
//
//   (1)  S_i = (K_i x)^T (Q_i x) / sqrt(k), a_i = softmax over keys, for a sequence x [p, t]
//   (2)  f_i(x) = O_i V_i x a_i [o, t], every token looks at every token;  f = (1/N) sum_i f_i
//   (3)  J = R(mean_i F(W_i)), F the values at all tokens of all sequences, R a mean over tokens
//
//   symbol  field    shape      meaning                              default
//   K_i     key      [k, p]     block of the particle
//   O_i     out      [o, k]     block of the particle
//   Q_i     query    [k, p]     block of the particle
//   V_i     value    [k, p]     block of the particle
//   X       X        [s, t, p]  sequences of t tokens                N(0, 1) from `seed`
//   y       y        [s, t, o]  targets, or `labels` [s, t]          what the teacher makes of X
//   -       teacher/key, ... [K, ., .]  the heads behind y; with them inf J is known
// Particles have `particles.shape` [k, p].
#pragma once

#include <cmath>

#include "muonflow/flow/detail/attention_units.hpp"
#include "muonflow/flow/detail/enroll_objective.hpp"
#include "muonflow/flow/detail/supervised.hpp"

namespace muonflow::flow {

template <class T>
class AttentionHeads final : public Objective<T> {
 public:
  inline static const ObjectiveInfo kInfo{
      .name = "attention_heads",
      .equation = "f(x) = mean_i O_i V_i x softmax((K_i x)^T Q_i x / sqrt(k)), J = mean R(f, y)",
      .cite = "arXiv:1706.03762, arXiv:2605.23871",
      .risks = {RiskKind::squared, RiskKind::logistic, RiskKind::cross_entropy}};

  struct Options {
    std::int64_t sequences = 16;
    std::int64_t tokens = 4;
    std::int64_t outputs = 2;
    std::int64_t teachers = 4;
    double teacher_scale = 0.5;
    double noise = 0;
    std::int64_t seed = 0;

    void fields(FieldVisitor& v) {
      v.integer("sequences", sequences, {.lo = 1, .hi = 1e6}, "number s, where data are drawn");
      v.integer("tokens", tokens, {.lo = 1, .hi = 4096}, "of a sequence, where data are drawn");
      v.integer("outputs", outputs, {.lo = 1, .hi = 4096}, "number o, where data are drawn");
      v.integer("teachers", teachers, {.lo = 1, .hi = 1e6},
                "heads of the teacher that makes the targets, where data are drawn");
      v.real("teacher_scale", teacher_scale, kNonNegative,
             "standard deviation of the teacher's entries");
      v.real("noise", noise, kNonNegative, "standard deviation of what is added to the teacher");
      v.integer("seed", seed, kNonNegative,
                "draws inputs, teacher and noise where no file is given");
    }
  };

  static std::vector<Block> blocks(const Options& options, const TensorMap* data,
                                   const Shape& shape, const std::string& place) {
    const Index outputs = data ? detail::outputs_of(*data, place) : options.outputs;
    return detail::attention_blocks(shape[0], shape[1], outputs);
  }

  static TensorMap draw(const Options& options, RiskKind risk, const Layout& layout) {
    const auto seed = static_cast<std::uint64_t>(options.seed);
    const Index inputs = layout.blocks().front().cols, tokens = options.tokens;
    TensorMap data;
    const auto X = detail::normal_matrix(options.sequences * tokens, inputs, 1, seed, 0);
    data["X"] = make_tensor<double>({options.sequences, tokens, inputs}, detail::span_of(X));
    const auto teacher =
        detail::normal_matrix(options.teachers, layout.width(), options.teacher_scale, seed, 1);
    detail::put_particles(data, "teacher", layout, teacher);
    const detail::AttentionUnits<double> units(X, tokens, layout, options.outputs, kInfo.name);
    auto y = detail::mean_features(units, teacher);
    Rng noise(seed, 2);
    detail::to_targets(y, options.outputs, risk, options.noise, noise);
    data["y"] = make_tensor<double>({options.sequences, tokens, options.outputs}, y);
    return data;
  }

  AttentionHeads(const Options&, RiskKind risk, const TensorMap& data, const Layout& layout,
                 const std::string& place)
      : units_(make_units<T>(data, layout, place)),
        risk_(risk, detail::targets_of(data, risk, units_.samples(), place), place,
              {.classes = units_.outputs(), .weight = 1 / static_cast<double>(units_.samples())}) {
    const auto least = risk_.infimum();
    const auto teacher = detail::get_particles(data, "teacher", layout, place);
    if (!teacher || !least) return;
    const auto z = detail::mean_features(make_units<double>(data, layout, place), *teacher);
    // Targets made by this teacher, but for the rounding of a float file.
    if (risk_.value(z) <= *least + 1e-12 * (1 + std::abs(*least))) infimum_ = least;
  }

  const ObjectiveInfo& info() const override { return kInfo; }
  const Risk& risk() const override { return risk_; }
  Index features() const override { return units_.features(); }
  Index tape_width() const override { return 0; }
  std::optional<double> infimum() const override { return infimum_; }
  void forward(const ConstMatrixRef<T>& w, MatrixRef<T>, std::span<double> sum,
               linalg::Workspace<T>& workspace) const override {
    units_.forward(w, sum, workspace);
  }
  void pullback(const ConstMatrixRef<T>& w, MatrixRef<T>, std::span<const double> r, MatrixRef<T> g,
                linalg::Workspace<T>& workspace) const override {
    units_.pullback(w, r, g, workspace);
  }

 private:
  template <class U>
  static detail::AttentionUnits<U> make_units(const TensorMap& data, const Layout& layout,
                                              const std::string& place) {
    const Index inputs = layout.blocks().front().cols;
    const auto X = detail::inputs_of(data, inputs, place);
    const auto& shape = data.at("X").shape;
    if (shape.size() != 3) {
      throw ShapeError({.place = place + ", tensor X",
                        .expected = "X [sequences, tokens, " + std::to_string(inputs) + "]",
                        .found = to_string(shape)});
    }
    return {X.template cast<U>(), shape[1], layout, detail::outputs_of(data, place), kInfo.name};
  }

  detail::AttentionUnits<T> units_;
  Risk risk_;
  std::optional<double> infimum_;
};

}  // namespace muonflow::flow

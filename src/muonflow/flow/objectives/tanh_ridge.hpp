// tanh_ridge: a network of q bounded ridge features of a matrix, the smallest objective on which
// the particles feel each other.
//
//   (1)  F_k(W) = tanh <A_k, W>,   z = (1/N) sum_i F(W_i),   J = R(z); squared: R = 1/2 |z - y|^2
//   (2)  G_i = sum_k R'_k(z) (1 - F_k(W_i)^2) A_k
//
//   symbol  field  shape      meaning           default
//   A       A      [q, m, n]  feature matrices  entries iid N(0, feature_scale^2) from `seed`
//   y       y      [q]        targets           uniform on (-target_scale, target_scale); logistic:
//   1 or -1
// Over many particles both are products: <A, W> is [c, d] x [d, q], G is [c, q] x [q, d].
// arXiv 2605.23871; the checks of the flow's identities use q = 5, N = 16, 3x4.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <type_traits>

#include "muonflow/core/rng.hpp"
#include "muonflow/flow/detail/enroll_objective.hpp"
#include "muonflow/linalg/gemm.hpp"
#include "muonflow/linalg/svd.hpp"
#include "muonflow/nn/smooth_map.hpp"

namespace muonflow::flow {

template <class T>
class TanhRidge final : public Objective<T> {
 public:
  inline static const ObjectiveInfo kInfo{
      .name = "tanh_ridge",
      .equation = "F_k(W) = tanh <A_k, W>, J = R(mean_i F(W_i))",
      .cite = "arXiv:2605.23871",
      .risks = {RiskKind::squared, RiskKind::logistic, RiskKind::linear}};

  struct Options {
    std::int64_t features = 8;
    std::int64_t seed = 0;
    double feature_scale = 0.5;
    double target_scale = 0.8;

    void fields(FieldVisitor& v) {
      v.integer("features", features, {.lo = 1, .hi = 1e6},
                "number q of features, where no file is given");
      v.integer("seed", seed, kNonNegative, "draws A and y where no file is given");
      v.real("feature_scale", feature_scale, kNonNegative,
             "standard deviation of the entries of a drawn A");
      v.real("target_scale", target_scale, kNonNegative,
             "drawn targets are uniform between minus and plus this");
    }
  };

  static TensorMap draw(const Options& options, RiskKind risk, const Layout& layout) {
    const auto& block = detail::only_block(layout, kInfo.name);
    const auto q = static_cast<std::size_t>(options.features);
    const auto seed = static_cast<std::uint64_t>(options.seed);
    std::vector<double> a(q * static_cast<std::size_t>(block.size()));
    std::vector<double> y(q);
    Rng features(seed, 0);
    for (auto& x : a) x = options.feature_scale * features.normal();
    Rng targets(seed, 1);
    for (auto& x : y) {
      const double u = 2 * targets.uniform() - 1;
      x = risk == RiskKind::logistic ? (u < 0 ? -1 : 1) : options.target_scale * u;
    }
    return {{"A", make_tensor<double>({options.features, block.rows, block.cols}, a)},
            {"y", make_tensor<double>({options.features}, y)}};
  }

  TanhRidge(const Options&, RiskKind risk, const TensorMap& data, const Layout& layout,
            const std::string& place)
      : risk_(risk, targets_of(data, layout, place), place) {
    const auto& block = detail::only_block(layout, kInfo.name);
    const auto values = detail::data_values<T>(data.at("A"), "A", place);
    features_ = Eigen::Map<const Matrix<T>>(values.data(), q_of(data), block.size());
  }

  const ObjectiveInfo& info() const override { return kInfo; }
  const Risk& risk() const override { return risk_; }
  Index features() const override { return features_.rows(); }
  Index tape_width() const override { return features_.rows(); }

  // Linearly independent A_k let every z in (-1, 1)^q be reached: the squared risk comes to 0 where
  // the targets lie inside, the linear one to -sum |y_k|, the logistic one to z_k = y_k.
  std::optional<double> infimum() const override {
    if (!independent_features()) return std::nullopt;
    std::vector<double> best(risk_.targets().begin(), risk_.targets().end());
    for (double& z : best) {
      if (risk_.kind() == RiskKind::linear) z = z > 0 ? -1 : 1;
      z = std::clamp(z, -1.0, 1.0);
    }
    return risk_.value(best);
  }

  // |DF| <= s_max(A); |tanh''| <= 4/(3 sqrt 3). Nothing dominates: tanh is flat far out.
  Constants constants() const override {
    const Vector<T> s = linalg::singular_values<T>(features_);
    const auto largest = static_cast<double>(s(0));
    const double bend = 4 / (3 * std::sqrt(3.0));
    const auto row = static_cast<double>(features_.rowwise().norm().maxCoeff());
    Constants all{.feature_slope = largest,
                  .feature_curvature = bend * row * largest,
                  .risk_slope = risk_.slope(1.0),
                  .risk_curvature = risk_.curvature()};
    double steepest = 0;  // of R along one feature
    for (const double y : risk_.targets()) {
      const double one = risk_.kind() == RiskKind::squared    ? 1 + std::abs(y)
                         : risk_.kind() == RiskKind::logistic ? 1
                                                              : std::abs(y);
      steepest = std::max(steepest, one);
    }
    // A^T diag(R'' F'F', R' F'') A, where the general bound takes all features at their worst.
    all.curvature = largest * largest * (*all.risk_curvature + bend * steepest);
    return all;
  }

  void forward(const ConstMatrixRef<T>& w, MatrixRef<T> tape, std::span<double> sum,
               linalg::Workspace<T>&) const override {
    linalg::gemm<T>(linalg::Op::none, linalg::Op::transpose, T{1}, w, features_, T{0}, tape);
    if constexpr (std::is_same_v<T, float>) {
      nn::smooth_value<T>(nn::SmoothMap::tanh, tape);  // (1); a tenth of a step by the library's
    } else {
      tape = tape.unaryExpr([](T x) { return std::tanh(x); });
    }
    std::fill(sum.begin(), sum.end(), 0.0);
    for (Index i = 0; i < tape.rows(); ++i) {
      for (Index k = 0; k < tape.cols(); ++k) {
        sum[static_cast<std::size_t>(k)] += static_cast<double>(tape(i, k));
      }
    }
  }

  void pullback(const ConstMatrixRef<T>&, MatrixRef<T> tape, std::span<const double> r,
                MatrixRef<T> g, linalg::Workspace<T>&) const override {
    for (Index i = 0; i < tape.rows(); ++i) {
      for (Index k = 0; k < tape.cols(); ++k) {
        const T f = tape(i, k);
        tape(i, k) = static_cast<T>(r[static_cast<std::size_t>(k)]) * (T{1} - f * f);
      }
    }
    linalg::gemm<T>(linalg::Op::none, linalg::Op::none, T{1}, tape, features_, T{0}, g);  // (2)
  }

 private:
  static Index q_of(const TensorMap& data) { return data.at("A").shape[0]; }

  static std::vector<double> targets_of(const TensorMap& data, const Layout& layout,
                                        const std::string& place) {
    const auto& block = detail::only_block(layout, kInfo.name);
    detail::data_tensor(data, "A", {-1, block.rows, block.cols},
                        "A [q, " + std::to_string(block.rows) + ", " + std::to_string(block.cols) +
                            "], as the particles are",
                        place);
    const auto& y = detail::data_tensor(
        data, "y", {q_of(data)}, "y [" + std::to_string(q_of(data)) + "], one for each A_k", place);
    return detail::data_values<double>(y, "y", place);
  }

  bool independent_features() const {
    if (features_.rows() > features_.cols()) return false;
    const Vector<T> s = linalg::singular_values<T>(features_);
    const double floor = static_cast<double>(features_.cols()) *
                         static_cast<double>(std::numeric_limits<T>::epsilon()) *
                         static_cast<double>(s(0));
    return static_cast<double>(s(s.size() - 1)) > floor;
  }

  Risk risk_;
  Matrix<T> features_;  // A as rows [q, m n]
};

}  // namespace muonflow::flow

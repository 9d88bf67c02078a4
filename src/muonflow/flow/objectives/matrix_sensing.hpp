// matrix_sensing: a matrix of low rank from few linear measurements, its estimate an average over
// the particles: of the particles themselves, a convex problem, or of their squares W W^T.
//
//   (1)  form "linear":   X = (1/N) sum_i W_i,          F_k(W) = <A_k, W>,      A_k [m, n]
//   (2)  form "factored": X = (1/N) sum_i W_i W_i^T,    F_k(W) = <A_k, W W^T>,  A_k [m, m]
//   (3)  J = R(A(X)); squared: R = 1/2 |A(X) - y|^2
//   (4)  G_i = B, or G_i = (B + B^T) W_i, with B = sum_k R'_k A_k, the same for all particles
//
//   symbol  field   shape        meaning                    default
//   A       A       [q, m, n]    measurements, (2) [q, m, m]  N(0, 1/q) from `seed`
//   y       y       [q]          what was measured          A(target), logistic: its signs
//   -       target  [m, n]       the matrix behind y, of rank `rank` and Frobenius norm 1; (2) [m,
//   m],
//                                positive semidefinite, and with it inf J is known; (1) knows it
//                                anyway
// M. Fazel, B. Recht, P. Parrilo, arXiv:0706.4138 (measurements); implicit bias of (1) under Muon:
// arXiv:2606.08388, whose experiment this is.
#pragma once

#include <array>
#include <cmath>
#include <limits>
#include <optional>

#include "muonflow/core/rng.hpp"
#include "muonflow/flow/detail/enroll_objective.hpp"
#include "muonflow/linalg/gemm.hpp"
#include "muonflow/linalg/svd.hpp"

namespace muonflow::flow {

enum class SensingForm { linear, factored };

template <class T>
class MatrixSensing final : public Objective<T> {
 public:
  inline static const ObjectiveInfo kInfo{
      .name = "matrix_sensing",
      .equation = "F_k(W) = <A_k, W> or <A_k, W W^T>, J = R(mean_i F(W_i))",
      .cite = "arXiv:0706.4138",
      .risks = {RiskKind::squared, RiskKind::logistic}};

  struct Options {
    SensingForm form = SensingForm::linear;
    std::int64_t measurements = 16;
    std::int64_t rank = 1;
    double noise = 0;
    std::int64_t seed = 0;

    void fields(FieldVisitor& v) {
      v.choice("form", form, "what is averaged: W, or W W^T");
      v.integer("measurements", measurements, {.lo = 1, .hi = 1e6},
                "number q of measurements, where no file is given");
      v.integer("rank", rank, {.lo = 1}, "rank of a drawn target, at most min(m, n)");
      v.real("noise", noise, kNonNegative, "standard deviation of what is added to y");
      v.integer("seed", seed, kNonNegative, "draws A, target and noise where no file is given");
    }
  };

  static TensorMap draw(const Options& options, RiskKind risk, const Layout& layout) {
    const auto& block = detail::only_block(layout, kInfo.name);
    const auto seed = static_cast<std::uint64_t>(options.seed);
    const bool factored = options.form == SensingForm::factored;
    const Index m = block.rows, n = factored ? m : block.cols;
    const Index q = options.measurements, rank = std::min({options.rank, m, n});
    Rng measuring(seed, 0), left(seed, 1), right(seed, 2), noise(seed, 3);
    const auto normal = [](Index rows, Index cols, double scale, Rng& rng) {
      Matrix<double> a(rows, cols);
      for (Index k = 0; k < a.size(); ++k) a.data()[k] = scale * rng.normal();
      return a;
    };
    const Matrix<double> A = normal(q, m * n, 1 / std::sqrt(static_cast<double>(q)), measuring);
    const Matrix<double> L = normal(m, rank, 1, left), R = factored ? L : normal(n, rank, 1, right);
    Matrix<double> target(m, n);
    linalg::gemm<double>(linalg::Op::none, linalg::Op::transpose, 1, L, R, 0, target);
    target /= target.norm();
    std::vector<double> y(static_cast<std::size_t>(q));
    for (Index k = 0; k < q; ++k) {
      double& value = y[static_cast<std::size_t>(k)];
      for (Index j = 0; j < m * n; ++j) value += A(k, j) * target.data()[j];
      if (options.noise > 0) value += options.noise * noise.normal();
      if (risk == RiskKind::logistic) value = value < 0 ? -1 : 1;
    }
    const std::span<const double> values(A.data(), static_cast<std::size_t>(A.size()));
    return {{"A", make_tensor<double>({q, m, n}, values)},
            {"target", make_tensor<double>(ConstMatrixRef<double>(target))},
            {"y", make_tensor<double>({q}, y)}};
  }

  MatrixSensing(const Options& options, RiskKind risk, const TensorMap& data, const Layout& layout,
                const std::string& place)
      : block_(detail::only_block(layout, kInfo.name)),
        form_(options.form),
        risk_(risk, targets_of(options, data, layout, place), place) {
    const auto values = detail::data_values<T>(data.at("A"), "A", place);
    const Index width = form_ == SensingForm::linear ? block_.size() : block_.rows * block_.rows;
    measurements_ = Eigen::Map<const Matrix<T>>(values.data(), data.at("A").shape[0], width);
    find_infimum(data, place);
  }

  const ObjectiveInfo& info() const override { return kInfo; }
  const Risk& risk() const override { return risk_; }
  Index features() const override { return measurements_.rows(); }
  Index tape_width() const override { return 0; }
  std::optional<double> infimum() const override { return infimum_; }

  // Linear and squared: G = A^T (A X - y), so that |G| is at least the least singular value other
  // than 0 times the part of the residual in A's range, which is all that can be lost.
  Constants constants() const override {
    if (form_ == SensingForm::factored) return {};
    const Vector<T> s = linalg::singular_values<T>(measurements_);
    const auto largest = static_cast<double>(s(0));
    Constants all{.curvature = largest * largest * *risk_.curvature(),
                  .feature_slope = largest,
                  .feature_curvature = 0,
                  .risk_slope = risk_.slope({}),
                  .risk_curvature = risk_.curvature()};
    if (risk_.kind() != RiskKind::squared) return all;
    const double cutoff =
        static_cast<double>(std::max(measurements_.rows(), measurements_.cols())) *
        static_cast<double>(std::numeric_limits<T>::epsilon()) * largest;
    for (const T value : s) {
      const auto one = static_cast<double>(value);
      if (one > cutoff) all.gradient_dominance = one * one;
    }
    return all;
  }

  void forward(const ConstMatrixRef<T>& w, MatrixRef<T>, std::span<double> sum,
               linalg::Workspace<T>& workspace) const override {
    const Index m = block_.rows, width = measurements_.cols();
    typename linalg::Workspace<T>::Frame frame(workspace);
    auto total = frame.matrix(1, width);
    if (form_ == SensingForm::linear) {
      for (Index k = 0; k < width; ++k) {
        double in_double = 0;
        for (Index i = 0; i < w.rows(); ++i) in_double += static_cast<double>(w(i, k));
        total(0, k) = static_cast<T>(in_double);
      }
    } else {
      MatrixMap<T> square(total.data(), m, m, Eigen::OuterStride<>(m));
      for (Index i = 0; i < w.rows(); ++i) {
        const auto W = block_of(w.row(i).data(), block_);
        linalg::gemm<T>(linalg::Op::none, linalg::Op::transpose, T{1}, W, W, i == 0 ? T{0} : T{1},
                        square);
      }
    }
    for (Index k = 0; k < measurements_.rows(); ++k) {  // (1), (2)
      double value = 0;
      for (Index j = 0; j < width; ++j) {
        value += static_cast<double>(measurements_(k, j)) * static_cast<double>(total(0, j));
      }
      sum[static_cast<std::size_t>(k)] = value;
    }
  }

  void pullback(const ConstMatrixRef<T>& w, MatrixRef<T>, std::span<const double> r, MatrixRef<T> g,
                linalg::Workspace<T>& workspace) const override {
    const Index m = block_.rows, width = measurements_.cols();
    typename linalg::Workspace<T>::Frame frame(workspace);
    auto slopes = frame.matrix(1, static_cast<Index>(r.size()));
    for (std::size_t k = 0; k < r.size(); ++k) {
      slopes(0, static_cast<Index>(k)) = static_cast<T>(r[k]);
    }
    auto back = frame.matrix(1, width);  // B
    linalg::gemm<T>(linalg::Op::none, linalg::Op::none, T{1}, slopes, measurements_, T{0}, back);
    if (form_ == SensingForm::linear) {
      for (Index i = 0; i < g.rows(); ++i) g.row(i) = back.row(0);  // (4)
      return;
    }
    const ConstMatrixMap<T> B(back.data(), m, m, Eigen::OuterStride<>(m));
    auto symmetric = frame.matrix(m, m);
    symmetric = B + B.transpose();
    for (Index i = 0; i < g.rows(); ++i) {
      linalg::gemm<T>(linalg::Op::none, linalg::Op::none, T{1}, symmetric,
                      block_of(w.row(i).data(), block_), T{0}, block_of(g.row(i).data(), block_));
    }
  }

 private:
  static std::vector<double> targets_of(const Options& options, const TensorMap& data,
                                        const Layout& layout, const std::string& place) {
    const auto& block = detail::only_block(layout, kInfo.name);
    const Shape shape{-1, block.rows,
                      options.form == SensingForm::linear ? block.cols : block.rows};
    const auto& A = detail::data_tensor(data, "A", shape,
                                        "A [q, " + std::to_string(shape[1]) + ", " +
                                            std::to_string(shape[2]) + "], as the particles are",
                                        place);
    const auto q = A.shape[0];
    const auto& y = detail::data_tensor(data, "y", {q},
                                        "y [" + std::to_string(q) + "], one for each A_k", place);
    return detail::data_values<double>(y, "y", place);
  }

  // Linear: the part of y outside the range of A, for ever unexplained. Factored: 0 where a target
  // explains y, since particles whose W W^T average to it are particles like any others.
  void find_infimum(const TensorMap& data, const std::string& place) {
    if (risk_.kind() != RiskKind::squared) return;
    const auto values = data.at("A").template to<double>();
    const Eigen::Map<const Matrix<double>> A(values.data(), measurements_.rows(),
                                             measurements_.cols());
    const auto y = risk_.targets();
    if (form_ == SensingForm::linear) {
      const auto svd = linalg::svd<double>(A);
      double rest = 0, whole = 0;
      for (const double v : y) rest += v * v;
      whole = rest;
      for (Index j = 0; j < svd.s.size(); ++j) {
        if (svd.s(j) <= 1e-10 * svd.s(0)) continue;
        double along = 0;
        for (std::size_t k = 0; k < y.size(); ++k) along += svd.u(static_cast<Index>(k), j) * y[k];
        rest -= along * along;
      }
      // Differences of squares know nothing below their rounding.
      infimum_ = rest > 1e-13 * whole * static_cast<double>(y.size()) ? rest / 2 : 0;
      return;
    }
    if (!data.contains("target")) return;
    const Index m = block_.rows;
    const auto target = detail::data_values<double>(
        detail::data_tensor(data, "target", {m, m}, to_string(Shape{m, m}), place), "target",
        place);
    std::vector<double> z(risk_.features(), 0.0);
    for (std::size_t k = 0; k < z.size(); ++k) {
      for (std::size_t j = 0; j < target.size(); ++j) {
        z[k] += values[k * target.size() + j] * target[j];
      }
    }
    // But for the rounding of a float file.
    if (risk_.value(z) <= 1e-12) infimum_ = 0;
  }

  Block block_;
  SensingForm form_;
  Risk risk_;
  Matrix<T> measurements_;  // A as rows [q, m n]
  std::optional<double> infimum_;
};

}  // namespace muonflow::flow

template <>
struct muonflow::EnumNames<muonflow::flow::SensingForm> {
  static constexpr std::array<std::string_view, 2> names{"linear", "factored"};
};

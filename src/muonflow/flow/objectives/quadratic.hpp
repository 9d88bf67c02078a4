// quadratic: every particle on its own in a bowl; the flow has closed forms, so it is the
// yardstick.
//
//   (1)  F(W) = lambda/2 ||W - C||_F^2,   R(z) = z,   J = (1/N) sum_i lambda/2 ||W_i - C||_F^2
//   (2)  G_i = lambda (W_i - C)
//
//   symbol  field   shape   meaning             default
//   C       C       [m, n]  the minimizer       entries iid N(0, scale^2) from `seed`
//   lambda  lambda  -       curvature           1
// inf J = 0. With the frobenius geometry every entry is a damped oscillator,
// x'' + gamma x' + gamma lambda x = 0 for x = W - C.
#pragma once

#include <optional>

#include "muonflow/core/rng.hpp"
#include "muonflow/flow/detail/enroll_objective.hpp"

namespace muonflow::flow {

template <class T>
class Quadratic final : public Objective<T> {
 public:
  inline static const ObjectiveInfo kInfo{.name = "quadratic",
                                          .equation = "J = mean_i lambda/2 ||W_i - C||_F^2",
                                          .cite = "closed form",
                                          .risks = {RiskKind::linear}};

  struct Options {
    double lambda = 1;
    std::int64_t seed = 0;
    double scale = 1;

    void fields(FieldVisitor& v) {
      v.real("lambda", lambda, kPositive, "curvature of the bowl");
      v.integer("seed", seed, kNonNegative, "draws C where no file is given");
      v.real("scale", scale, kNonNegative, "standard deviation of the entries of a drawn C");
    }
  };

  static TensorMap draw(const Options& options, RiskKind, const Layout& layout) {
    const auto& block = detail::only_block(layout, kInfo.name);
    Rng rng(static_cast<std::uint64_t>(options.seed));
    std::vector<double> c(static_cast<std::size_t>(block.size()));
    for (auto& x : c) x = options.scale * rng.normal();
    return {{"C", make_tensor<double>({block.rows, block.cols}, c)}};
  }

  Quadratic(const Options& options, RiskKind risk, const TensorMap& data, const Layout& layout,
            const std::string& place)
      : lambda_(options.lambda), risk_(risk, {1.0}, place) {
    const auto& block = detail::only_block(layout, kInfo.name);
    const Shape shape{block.rows, block.cols};
    const auto& tensor = detail::data_tensor(
        data, "C", shape, "C " + to_string(shape) + ", as the particles are", place);
    const auto values = detail::data_values<T>(tensor, "C", place);
    center_ = Eigen::Map<const Matrix<T>>(values.data(), 1, block.size());
  }

  const ObjectiveInfo& info() const override { return kInfo; }
  const Risk& risk() const override { return risk_; }
  Index features() const override { return 1; }
  Index tape_width() const override { return 0; }
  std::optional<double> infimum() const override { return 0; }
  // |G|^2 = 2 lambda (lambda/2 |W - C|^2), with equality.
  Constants constants() const override {
    return {.gradient_dominance = lambda_, .curvature = lambda_};
  }

  void forward(const ConstMatrixRef<T>& w, MatrixRef<T>, std::span<double> sum,
               linalg::Workspace<T>&) const override {
    double total = 0;
    for (Index i = 0; i < w.rows(); ++i) {
      for (Index k = 0; k < w.cols(); ++k) {
        const double away = static_cast<double>(w(i, k)) - static_cast<double>(center_(0, k));
        total += away * away;
      }
    }
    sum[0] = 0.5 * lambda_ * total;  // (1)
  }

  void pullback(const ConstMatrixRef<T>& w, MatrixRef<T>, std::span<const double> r, MatrixRef<T> g,
                linalg::Workspace<T>&) const override {
    const T slope = static_cast<T>(r[0] * lambda_);
    for (Index i = 0; i < w.rows(); ++i) g.row(i) = slope * (w.row(i) - center_.row(0));  // (2)
  }

 private:
  double lambda_;
  Risk risk_;
  Matrix<T> center_;  // C as a row [1, m n]
};

}  // namespace muonflow::flow

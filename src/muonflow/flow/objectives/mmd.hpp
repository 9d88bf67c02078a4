// mmd: the maximum mean discrepancy between the particles' law and a target law, for the kernel of
// random Fourier features. That kernel is exact, not an approximation, for everything here: J is
// the squared MMD of k below, and its features make J one more R(int F d rho), of cost linear in N.
//
//   (1)  F_k(W) = (cos <A_k, W>, sin <A_k, W>)/sqrt(q), k = 1..q, |F| = 1
//   (2)  k(W, W') = <F(W), F(W')> = (1/q) sum_k cos <A_k, W - W'>; A_k ~ N(0, 1/bandwidth^2) tends
//        to the Gaussian kernel exp(-|W - W'|^2/(2 bandwidth^2)) at the rate 1/sqrt(q)
//   (3)  J = 1/2 |mean_i F(W_i) - y|^2 = 1/2 MMD_k(rho_N, nu)^2 with y = int F d nu
//
//   symbol  field   shape      meaning                      default
//   A       A       [q, m, n]  frequencies                  N(0, 1/bandwidth^2) from `seed`
//   nu      target  [K, m, n]  atoms of equal weight        `atoms` from N(0, target_scale^2)
// inf J = 0 over all measures. Random features: A. Rahimi, B. Recht, NIPS 2007; MMD flows: M. Arbel
// et al., arXiv:1906.04370.
#pragma once

#include <cmath>
#include <optional>

#include "muonflow/core/rng.hpp"
#include "muonflow/flow/detail/enroll_objective.hpp"
#include "muonflow/linalg/gemm.hpp"
#include "muonflow/linalg/svd.hpp"

namespace muonflow::flow {

template <class T>
class Mmd final : public Objective<T> {
 public:
  inline static const ObjectiveInfo kInfo{
      .name = "mmd",
      .equation = "J = 1/2 MMD(rho, nu)^2, k(W, W') = mean_k cos <A_k, W - W'>",
      .cite = "arXiv:1906.04370",
      .risks = {RiskKind::squared}};

  struct Options {
    std::int64_t features = 64;
    double bandwidth = 2;
    std::int64_t atoms = 32;
    double target_scale = 1;
    std::int64_t seed = 0;

    void fields(FieldVisitor& v) {
      v.integer("features", features, {.lo = 1, .hi = 1e6},
                "number q of frequencies, where no file is given");
      v.real("bandwidth", bandwidth, kPositive, "of the Gaussian kernel that they stand for");
      v.integer("atoms", atoms, {.lo = 1, .hi = 1e7}, "of a drawn target law");
      v.real("target_scale", target_scale, kNonNegative,
             "standard deviation of the entries of drawn atoms");
      v.integer("seed", seed, kNonNegative, "draws A and the atoms where no file is given");
    }
  };

  static TensorMap draw(const Options& options, RiskKind, const Layout& layout) {
    const auto& block = detail::only_block(layout, kInfo.name);
    const auto normal = [&](std::int64_t count, double scale, std::uint64_t stream) {
      Rng rng(static_cast<std::uint64_t>(options.seed), stream);
      std::vector<double> values(static_cast<std::size_t>(count * block.size()));
      for (auto& x : values) x = scale * rng.normal();
      return make_tensor<double>({count, block.rows, block.cols}, values);
    };
    return {{"A", normal(options.features, 1 / options.bandwidth, 0)},
            {"target", normal(options.atoms, options.target_scale, 1)}};
  }

  Mmd(const Options&, RiskKind risk, const TensorMap& data, const Layout& layout,
      const std::string& place)
      : frequencies_(rows_of(data, "A", layout, place).template cast<T>()),
        risk_(risk, target_mean(data, layout, place), place) {}

  const ObjectiveInfo& info() const override { return kInfo; }
  const Risk& risk() const override { return risk_; }
  Index features() const override { return 2 * frequencies_.rows(); }
  Index tape_width() const override { return 2 * frequencies_.rows(); }
  std::optional<double> infimum() const override { return 0; }

  // Each pair of features moves along a circle of radius 1/sqrt(q), at the speed <A_k, W'>.
  Constants constants() const override {
    const Vector<T> s = linalg::singular_values<T>(frequencies_);
    const double slope =
        static_cast<double>(s(0)) / std::sqrt(static_cast<double>(frequencies_.rows()));
    const auto row = static_cast<double>(frequencies_.rowwise().norm().maxCoeff());
    double squares = 0;
    for (const double y : risk_.targets()) squares += y * y;
    return Constants{.feature_slope = slope,
                     .feature_curvature = row * slope,
                     .risk_slope = 1 + std::sqrt(squares),  // |z| <= 1
                     .risk_curvature = 1}
        .completed();
  }

  void forward(const ConstMatrixRef<T>& w, MatrixRef<T> tape, std::span<double> sum,
               linalg::Workspace<T>&) const override {
    const Index q = frequencies_.rows();
    MatrixRef<T> angles = tape.leftCols(q);
    linalg::gemm<T>(linalg::Op::none, linalg::Op::transpose, T{1}, w, frequencies_, T{0}, angles);
    std::fill(sum.begin(), sum.end(), 0.0);
    const double scale = 1 / std::sqrt(static_cast<double>(q));
    for (Index i = 0; i < w.rows(); ++i) {
      for (Index k = 0; k < q; ++k) {
        const T angle = tape(i, k);
        tape(i, k) = std::cos(angle);
        tape(i, q + k) = std::sin(angle);
        sum[static_cast<std::size_t>(k)] += scale * static_cast<double>(tape(i, k));  // (1)
        sum[static_cast<std::size_t>(q + k)] += scale * static_cast<double>(tape(i, q + k));
      }
    }
  }

  void pullback(const ConstMatrixRef<T>&, MatrixRef<T> tape, std::span<const double> r,
                MatrixRef<T> g, linalg::Workspace<T>&) const override {
    const Index q = frequencies_.rows();
    const double scale = 1 / std::sqrt(static_cast<double>(q));
    for (Index i = 0; i < tape.rows(); ++i) {
      for (Index k = 0; k < q; ++k) {
        const T along_cos = static_cast<T>(scale * r[static_cast<std::size_t>(k)]);
        const T along_sin = static_cast<T>(scale * r[static_cast<std::size_t>(q + k)]);
        tape(i, k) = along_sin * tape(i, k) - along_cos * tape(i, q + k);
      }
    }
    const MatrixRef<T> slopes = tape.leftCols(q);
    linalg::gemm<T>(linalg::Op::none, linalg::Op::none, T{1}, slopes, frequencies_, T{0}, g);
  }

 private:
  // A tensor [count, m, n] as rows.
  static Matrix<double> rows_of(const TensorMap& data, const std::string& name,
                                const Layout& layout, const std::string& place) {
    const auto& block = detail::only_block(layout, kInfo.name);
    const auto& tensor =
        detail::data_tensor(data, name, {-1, block.rows, block.cols},
                            name + " [count, " + std::to_string(block.rows) + ", " +
                                std::to_string(block.cols) + "], as the particles are",
                            place);
    const auto values = detail::data_values<double>(tensor, name, place);
    return Eigen::Map<const Matrix<double>>(values.data(), tensor.shape[0], block.size());
  }

  // y of (3), in double whatever T is.
  static std::vector<double> target_mean(const TensorMap& data, const Layout& layout,
                                         const std::string& place) {
    const auto A = rows_of(data, "A", layout, place),
               atoms = rows_of(data, "target", layout, place);
    Matrix<double> angles(atoms.rows(), A.rows());
    linalg::gemm<double>(linalg::Op::none, linalg::Op::transpose, 1, atoms, A, 0, angles);
    const auto q = static_cast<std::size_t>(A.rows());
    const double scale =
        1 / (std::sqrt(static_cast<double>(q)) * static_cast<double>(atoms.rows()));
    std::vector<double> y(2 * q, 0.0);
    for (Index i = 0; i < angles.rows(); ++i) {
      for (Index k = 0; k < angles.cols(); ++k) {
        y[static_cast<std::size_t>(k)] += scale * std::cos(angles(i, k));
        y[q + static_cast<std::size_t>(k)] += scale * std::sin(angles(i, k));
      }
    }
    return y;
  }

  Matrix<T> frequencies_;  // A as rows [q, m n]
  Risk risk_;
};

}  // namespace muonflow::flow

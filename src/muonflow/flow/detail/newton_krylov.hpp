// Solves F(x) = 0 for all particles at once: Newton's method whose linear systems are solved by
// GMRES, with products of the Jacobian taken by differences of F and a line search on |F|.
// (Y. Saad & M. Schultz 1986; C. T. Kelley, "Solving Nonlinear Equations with Newton's Method",
// 2003.)
//
// Matrices [N, d] are the vectors; no Jacobian is stored, only the Krylov basis. All sums are made
// in a fixed order in double, over all ranks.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "muonflow/core/outcome.hpp"
#include "muonflow/flow/detail/elementwise.hpp"
#include "muonflow/flow/detail/reductions.hpp"

namespace muonflow::flow::detail {

// What to be content with, asked after the first residual: |F| <= max(tolerance scale, roundoff).
struct NewtonGoal {
  double scale = 1;     // size of the terms of F
  double roundoff = 0;  // |F| below which it is rounding
};

struct NewtonOptions {
  double tolerance = 1e-13;
  std::int64_t max_iterations = 50;
};

template <class T>
class NewtonKrylov {
 public:
  // residual(x, F) -> Outcome writes F [N, d]; the last call before a successful return is at the
  // solution, so that what it left behind belongs to it. goal() -> NewtonGoal.
  // not_converged: x is the best iterate.
  template <class Residual, class Goal>
  Outcome solve(const System<T>& system, const Residual& residual, const Goal& goal_of,
                const NewtonOptions& options, Matrix<T>& x) {
    if (auto o = residual(x, F_); !o.ok()) return o;
    double size = norm(system, F_);
    const NewtonGoal asked = goal_of();
    const double wanted =
        std::max(options.tolerance * asked.scale, std::max(asked.roundoff, kEps * asked.scale));
    for (std::int64_t k = 0; k < options.max_iterations; ++k) {
      if (size <= wanted) return {};
      if (auto o = gmres(system, residual, x, size); !o.ok()) return o;
      const double before = size;
      double length = 1;
      for (;;) {
        add_scaled(x, static_cast<T>(length), step_, trial_);
        const auto outcome = residual(trial_, F_);
        size = outcome.ok() ? norm(system, F_) : std::numeric_limits<double>::infinity();
        if (size <= (1 - 1e-4 * length) * before) break;
        length /= 2;
        if (length < kShortest) return {.status = Status::not_converged};
      }
      x.swap(trial_);
    }
    return {.status = size <= wanted ? Status::ok : Status::not_converged};
  }

 private:
  static constexpr double kEps = std::numeric_limits<T>::epsilon();
  static constexpr std::size_t kBasis = 40;
  static constexpr double kShortest = 1.0 / 256;
  // Linear systems are solved no better than Jacobian products by differences know them.
  static constexpr double kLinear = 1e-4;

  // step_ <- approximate solution of F'(x) step = -F(x), where F_ = F(x) has norm `size`.
  template <class Residual>
  Outcome gmres(const System<T>& system, const Residual& residual, const Matrix<T>& x,
                double size) {
    const double goal = kLinear * size;
    basis_.resize(1);
    combine(static_cast<T>(-1 / size), F_, T{0}, F_, basis_[0]);
    std::vector<std::vector<double>> h;  // columns of the Hessenberg matrix, rotated
    std::vector<double> cosine, sine, g{size};
    const double reach = std::sqrt(kEps) * (1 + norm(system, x));
    for (std::size_t j = 0; j < kBasis; ++j) {
      add_scaled(x, static_cast<T>(reach), basis_[j], trial_);
      if (auto o = residual(trial_, image_); !o.ok()) return o;
      combine(static_cast<T>(1 / reach), image_, static_cast<T>(-1 / reach), F_, image_);
      auto& column = h.emplace_back();
      for (std::size_t i = 0; i <= j; ++i) {
        column.push_back(inner(system, image_, basis_[i]));
        add_scaled(image_, static_cast<T>(-column[i]), basis_[i], image_);
      }
      const double rest = norm(system, image_);
      for (std::size_t i = 0; i < j; ++i) {
        const double upper = column[i], lower = column[i + 1];
        column[i] = cosine[i] * upper + sine[i] * lower;
        column[i + 1] = cosine[i] * lower - sine[i] * upper;
      }
      const double radius = std::hypot(column[j], rest);
      if (!(radius > 0)) {
        h.pop_back();
        break;
      }
      cosine.push_back(column[j] / radius);
      sine.push_back(rest / radius);
      column[j] = radius;
      g.push_back(-sine[j] * g[j]);
      g[j] *= cosine[j];
      if (std::abs(g[j + 1]) <= goal || j + 1 == kBasis) break;
      basis_.resize(j + 2);
      combine(static_cast<T>(1 / rest), image_, T{0}, image_, basis_[j + 1]);
    }
    std::vector<double> y(h.size());
    for (std::size_t i = h.size(); i-- > 0;) {
      double sum = g[i];
      for (std::size_t j = i + 1; j < h.size(); ++j) sum -= h[j][i] * y[j];
      y[i] = sum / h[i][i];
    }
    step_.setZero(x.rows(), x.cols());
    for (std::size_t i = 0; i < y.size(); ++i) {
      add_scaled(step_, static_cast<T>(y[i]), basis_[i], step_);
    }
    return {};
  }

  Matrix<T> F_, trial_, image_, step_;
  std::vector<Matrix<T>> basis_;
};

}  // namespace muonflow::flow::detail

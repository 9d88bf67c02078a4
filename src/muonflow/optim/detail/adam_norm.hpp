// The size of Adam's step, for rules that borrow it.
#pragma once

#include <cmath>
#include <cstdint>

#include "muonflow/core/matrix.hpp"

namespace muonflow::optim::detail {

struct AdamNorm {
  double beta1, beta2, eps;

  // Frobenius norm of M / (1 - beta1^t) / (sqrt(V / (1 - beta2^t)) + eps) at step t (from 0, so one
  // more in the powers), after V = beta2 V + (1 - beta2) G^2; M is the average that already holds
  // G. Summed in double; eps above 0.
  template <class T>
  double operator()(const Matrix<T>& M, Matrix<T>& V, const ConstMatrixRef<T>& G,
                    std::int64_t t) const {
    const auto steps = static_cast<double>(t + 1);
    const double first = 1 / (1 - std::pow(beta1, steps));
    const double root = 1 / std::sqrt(1 - std::pow(beta2, steps));
    V = static_cast<T>(beta2) * V + static_cast<T>(1 - beta2) * G.cwiseAbs2();
    const auto step = first * M.array().template cast<double>() /
                      (root * V.array().template cast<double>().sqrt() + eps);
    return std::sqrt(step.square().sum());
  }
};

}  // namespace muonflow::optim::detail

// Products by plain loops in double.
#pragma once

#include "muonflow/core/matrix.hpp"

namespace muonflow::reference {

template <class A, class B>
Matrix<double> product(const A& a, const B& b) {
  Matrix<double> c = Matrix<double>::Zero(a.rows(), b.cols());
  for (Index i = 0; i < a.rows(); ++i) {
    for (Index j = 0; j < b.cols(); ++j) {
      long double sum = 0;
      for (Index l = 0; l < a.cols(); ++l) {
        sum += static_cast<long double>(a(i, l)) * static_cast<long double>(b(l, j));
      }
      c(i, j) = static_cast<double>(sum);
    }
  }
  return c;
}

}  // namespace muonflow::reference

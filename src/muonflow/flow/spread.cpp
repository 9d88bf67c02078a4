#include "muonflow/flow/spread.hpp"

#include <cmath>

namespace muonflow::flow {

template <class T>
double particle_distance(const Matrix<T>& W) {
  if (W.rows() < 2) return 0;
  const auto n = static_cast<double>(W.rows());
  Vector<double> mean = Vector<double>::Zero(W.cols());
  for (Index i = 0; i < W.rows(); ++i) mean += W.row(i).transpose().template cast<double>();
  mean /= n;
  double squares = 0;
  for (Index i = 0; i < W.rows(); ++i) {
    squares += (W.row(i).transpose().template cast<double>() - mean).squaredNorm();
  }
  return std::sqrt(2 * squares / (n - 1));
}

template double particle_distance(const Matrix<float>&);
template double particle_distance(const Matrix<double>&);

}  // namespace muonflow::flow

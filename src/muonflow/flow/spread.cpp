#include "muonflow/flow/spread.hpp"

#include <cmath>
#include <span>

namespace muonflow::flow {

template <class T>
double particle_distance(const Matrix<T>& W, dist::Communicator* ranks) {
  const auto over_ranks = [&](std::span<double> sums) {
    if (ranks != nullptr) ranks->sum(sums);
  };
  auto n = static_cast<double>(W.rows());
  over_ranks({&n, 1});
  if (n < 2) return 0;
  Vector<double> mean = Vector<double>::Zero(W.cols());
  for (Index i = 0; i < W.rows(); ++i) mean += W.row(i).transpose().template cast<double>();
  over_ranks({mean.data(), static_cast<std::size_t>(mean.size())});
  mean /= n;
  double squares = 0;
  for (Index i = 0; i < W.rows(); ++i) {
    squares += (W.row(i).transpose().template cast<double>() - mean).squaredNorm();
  }
  over_ranks({&squares, 1});
  return std::sqrt(2 * squares / (n - 1));
}

template double particle_distance(const Matrix<float>&, dist::Communicator*);
template double particle_distance(const Matrix<double>&, dist::Communicator*);

}  // namespace muonflow::flow

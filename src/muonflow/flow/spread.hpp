// How far apart the particles are: whether the law of the flow spreads or concentrates.
#pragma once

#include "muonflow/core/matrix.hpp"

namespace muonflow::flow {

// Root mean square of the Frobenius distance between two different particles, rows of W [N, d]; 0
// for one particle. N d flops, by the distances to the mean: sum_ij |W_i - W_j|^2 = 2 N sum_i |W_i
// - mean|^2. Summed in double, in the order of the particles.
template <class T>
double particle_distance(const Matrix<T>& W);

extern template double particle_distance(const Matrix<float>&);
extern template double particle_distance(const Matrix<double>&);

}  // namespace muonflow::flow

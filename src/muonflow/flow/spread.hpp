// How far apart the particles are: whether the law of the flow spreads or concentrates.
#pragma once

#include "muonflow/core/matrix.hpp"
#include "muonflow/dist/communicator.hpp"

namespace muonflow::flow {

// Root mean square of the Frobenius distance between two different particles, rows of W [N, d]; 0
// for one particle. N d flops, by the distances to the mean: sum_ij |W_i - W_j|^2 = 2 N sum_i |W_i
// - mean|^2. Summed in double, in the order of the particles. Of the particles of all `ranks`,
// where W is a part; collective then.
template <class T>
double particle_distance(const Matrix<T>& W, dist::Communicator* ranks = nullptr);

extern template double particle_distance(const Matrix<float>&, dist::Communicator*);
extern template double particle_distance(const Matrix<double>&, dist::Communicator*);

}  // namespace muonflow::flow

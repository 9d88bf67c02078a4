// Fan-in and fan-out of a parameter beside those of the same one in a base model: what
// hyperparameter transfer (muP) scales by.
//
// G. Yang, J. Simon, J. Bernstein, "A spectral condition for feature learning", arXiv:2310.17813;
// G. Yang et al., arXiv:2203.03466. Derivations: docs/theory/transfer.md.
#pragma once

#include "muonflow/core/parameter.hpp"

namespace muonflow {

struct FanRatios {
  double in = 1;   // fan-in over the base model's
  double out = 1;  // fan-out over the base model's
};

// Of a tensor of this shape. The rows of a matrix are its outputs but for an embedding, whose rows
// are looked up and whose columns are outputs; a vector has a fan-in of 1; a convolution
// [out, in...] is one matrix, and of other tensors of rank 3 and 4 the last two sizes count. An
// empty base: 1, 1. Throws ShapeError where the ranks differ or a size is not positive.
FanRatios fan_ratios(const Shape& shape, const Shape& base, Role role);

// Standard deviation of initial weights over the base model's: that of a random matrix whose
// operator norm goes with sqrt(out / in), min(1, sqrt(out / in)) / sqrt(in) in ratios
// (the spectral parametrization of arXiv:2310.17813). 1 / sqrt(in) for a hidden matrix, 1 / in for
// a head; 1 for embeddings, which see one row at a time, and for vectors.
double initial_scale(const FanRatios& ratios, const Shape& shape, Role role);

}  // namespace muonflow

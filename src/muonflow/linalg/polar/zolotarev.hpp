// The polar factor by Zolo-PD: two steps for any condition, each a sum of up to eight independent
// resolvents that threads share (Y. Nakatsukasa, R. Freund, "Computing fundamental matrix
// decompositions accurately via the matrix sign function in two iterations", SIAM Review 58, 2016).
//
// More flops than QDWH, in fewer steps that depend on each other: for many threads. One term is
// QDWH.
#pragma once

#include "muonflow/linalg/polar/rational.hpp"

namespace muonflow::linalg {

// In place; see rational_polar for the rule of the rank, scaling and outcomes. Terms are summed in
// their order. Accuracy as qdwh, measured; the sum has terms of both orders of size, so
// orthogonality before the closing step is a digit worse.
template <class T>
Outcome zolotarev(MatrixRef<T> x, const RationalPolar& options, Workspace<T>& workspace,
                  RationalPolarReport* report = nullptr);

}  // namespace muonflow::linalg

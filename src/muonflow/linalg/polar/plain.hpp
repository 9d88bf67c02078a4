// Jordan's steps as a straightforward program writes them: three full products a step by one
// library on the library's own threads. What the benchmark sets beside our kernels; not for use.
#pragma once

#include <cstdint>

#include "muonflow/core/matrix.hpp"
#include "muonflow/linalg/workspace.hpp"

namespace muonflow::linalg {

enum class ProductLibrary { onednn, openblas };

// x [m, n] <- steps of x / (||x||_F + 1e-7), in place. Contiguous rows. Threads as threads().
void plain_jordan(MatrixRef<float> x, std::int64_t steps, ProductLibrary library,
                  Workspace<float>& workspace);

// 4 r^2 N + 2 r^3 flops a step, r = min(m, n), N = max(m, n).
double plain_jordan_flops(Index rows, Index cols, std::int64_t steps);

}  // namespace muonflow::linalg

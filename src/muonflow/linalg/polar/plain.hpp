// Polynomial steps as a straightforward program writes them: products by one library on the
// library's own threads. What the benchmark sets beside our kernels; not for use.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "muonflow/core/fields.hpp"
#include "muonflow/core/matrix.hpp"
#include "muonflow/linalg/odd_polynomial.hpp"
#include "muonflow/linalg/workspace.hpp"

namespace muonflow::linalg {

enum class ProductLibrary {
  onednn,          // three general products a step
  openblas,        // three general products a step
  openblas_ssyrk,  // the Gram matrix and its square by ssyrk, the last product by ssymm
  eigen,           // three general products a step, by the instructions this file is compiled for
};

// x [m, n] <- steps applied to x / (||x||_F + 1e-7), in place; steps of up to three terms.
// Contiguous rows. On threads() threads, or on the calling one inside a parallel loop.
void plain_steps(MatrixRef<float> x, std::span<const OddPolynomial> steps, ProductLibrary library,
                 Scratch& scratch);
// In double, by OpenBLAS: what errors are measured against.
void plain_steps(MatrixRef<double> x, std::span<const OddPolynomial> steps, Scratch& scratch);

// 4 r^2 N + 2 r^3 flops a step, r = min(m, n), N = max(m, n).
double plain_steps_flops(Index rows, Index cols, std::size_t steps);

// Jordan's triple (coefficients.hpp), repeated: Muon's orthogonalization.
std::vector<OddPolynomial> jordan_steps(std::size_t count);
// The published Polar Express for singular values in [1e-3, 1]; converged to float after eight.
std::vector<OddPolynomial> polar_express_steps(std::size_t count);

}  // namespace muonflow::linalg

template <>
struct muonflow::EnumNames<muonflow::linalg::ProductLibrary> {
  static constexpr std::array<std::string_view, 4> names{"onednn", "openblas", "ssyrk", "eigen"};
};

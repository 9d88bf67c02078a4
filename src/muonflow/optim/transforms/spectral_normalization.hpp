// Explicit normalization: whatever a rule gives, a step of known size.
//
//   spectral   y = D v,  sigma = |y|,  v <- D'y / |D'y|     power iteration, v kept between steps
//              D <- D / (sigma + eps)                       the operator norm of D becomes 1
//   rms        D <- D / (sqrt(mean of D_ij^2) + eps)        for embeddings
//
//   symbol  field         shape    meaning                   default from
//   v       right_vector  [1, in]  right singular vector     random, from the seed
//   eps     eps           -        where sigma = 0 ends      1e-10, arXiv:2512.05620
//   -       iterations    -        power iterations a step   1; first_iterations = 5 in the first
//   50
//                                                            steps, arXiv:2512.05620
// sigma approaches the operator norm from below as v turns to the top right singular vector, at the
// rate (s_2 / s_1)^2 an iteration. With `spectral` the shape scale is sqrt(m / n) (adjust_lr
// spectral) unless a group says otherwise, with `rms` it is none. Identity: kind off.
//
// References: arXiv:2512.05620, section on explicit spectral normalization, and its code.
#pragma once

#include <array>
#include <memory>

#include "muonflow/optim/transforms/transform.hpp"

namespace muonflow::optim {

enum class NormKind { off, spectral, rms };

struct SpectralNormalization {
  static constexpr TransformInfo info{
      .name = "spectral_normalization",
      .summary = "a step of operator norm 1, by persistent power iteration; or of RMS 1",
      .keys = "transforms.spectral_normalization of a group",
      .cite = "arXiv:2512.05620"};
  static constexpr std::int64_t kFirstSteps = 50;

  NormKind kind = NormKind::off;
  std::int64_t iterations = 1;
  std::int64_t first_iterations = 5;  // of the first 50 steps
  double eps = 1e-10;

  void fields(FieldVisitor& v);
};

template <class T>
std::unique_ptr<RuleKernel<T>> normalized(std::unique_ptr<RuleKernel<T>> rule,
                                          const SpectralNormalization& options);

}  // namespace muonflow::optim

template <>
struct muonflow::EnumNames<muonflow::optim::NormKind> {
  static constexpr std::array<std::string_view, 3> names{"off", "spectral", "rms"};
};

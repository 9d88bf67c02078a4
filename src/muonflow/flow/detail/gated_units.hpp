// Particles that are small networks, gated or not, on a fixed set of inputs: the features of the
// objectives two_layer and moe, over a chunk of particles by matrix products.
//
//   particle i is U_i [m, p], V_i [o, m] (or one V for all), r_i [p] where there is a gate
//   (1)  f_i(x) = g(r_i . x) V_i sigma(U_i x)                    numerators [n, o]
//   (2)  g(r_i . x)                                              denominators [n], softmax gate
//   only (3)  dU_i = sum_x g_i (sigma'_i o V_i^T a(x)) x^T,  dV_i = sum_x g_i a(x) sigma_i^T,
//        dr_i = sum_x g'_i (sigma_i . V_i^T a(x) + b(x)) x,   a, b the weights of (1) and (2)
//
// Nothing is kept between the passes: what they share, one product and one function of each of its
// entries, costs less than a trip of the same numbers to memory and back, and memory stays that of
// one tile whatever the number of particles.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string_view>

#include "muonflow/core/fields.hpp"
#include "muonflow/flow/layout.hpp"
#include "muonflow/linalg/workspace.hpp"
#include "muonflow/nn/smooth_map.hpp"

namespace muonflow::flow::detail {

// softmax: g = exp, and R sees the quotient of (1) and (2).
enum class Gate { softmax, sigmoid, softplus };

struct UnitBlocks {
  Block in;
  std::optional<Block> out;  // none: the V of the constructor for all
  std::optional<Block> router;
};

// T is float or double.
template <class T>
class GatedUnits {
 public:
  // inputs [n, p]; fixed [o, m], empty where the particles have a block `out`.
  GatedUnits(Matrix<T> inputs, const Matrix<T>& fixed, UnitBlocks blocks, nn::SmoothMap activation,
             std::optional<Gate> gate);

  Index samples() const { return inputs_.rows(); }
  Index outputs() const { return outputs_; }
  const Matrix<T>& inputs() const { return inputs_; }
  const Matrix<T>& fixed() const { return fixed_; }  // [m, o], V transposed; empty if trained
  // n o, and n more for the softmax gate.
  Index features() const;

  // sum [features()] <- sum of the features of the rows w [c, d].
  void forward(const ConstMatrixRef<T>& w, std::span<double> sum,
               linalg::Workspace<T>& workspace) const;
  // g [c, d] <- DF(w_i)^* r.
  void pullback(const ConstMatrixRef<T>& w, std::span<const double> r, MatrixRef<T> g,
                linalg::Workspace<T>& workspace) const;

 private:
  bool quotient() const { return gate_ == Gate::softmax; }
  // The matrices of all particles of a chunk, one below the other: [c m, p], [c m, o] (each V_i
  // transposed), [c, p].
  void gather_in(const ConstMatrixRef<T>& w, MatrixRef<T> u) const;
  void gather_out(const ConstMatrixRef<T>& w, MatrixRef<T> v) const;
  void gather_router(const ConstMatrixRef<T>& w, MatrixRef<T> router) const;

  Matrix<T> inputs_;
  Matrix<T> fixed_;  // [m, o], V transposed
  UnitBlocks blocks_;
  nn::SmoothMap activation_;
  std::optional<Gate> gate_;
  Index outputs_;
};

extern template class GatedUnits<float>;
extern template class GatedUnits<double>;

}  // namespace muonflow::flow::detail

template <>
struct muonflow::EnumNames<muonflow::flow::detail::Gate> {
  static constexpr std::array<std::string_view, 3> names{"softmax", "sigmoid", "softplus"};
};

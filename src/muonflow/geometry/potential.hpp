// A geometry: the kinetic energy Phi of a momentum matrix P [m, n] and its gradient, the steepest
// direction. What tells one optimizer from another, shared by rules and by the flow.
//
// With r = min(m, n) and s the singular values of P. Everything is computed in double where it is a
// number (value, pairing, conjugate) and in T where it is a matrix.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "muonflow/core/matrix.hpp"
#include "muonflow/core/outcome.hpp"
#include "muonflow/linalg/batched/singular_values_of.hpp"
#include "muonflow/linalg/norms.hpp"
#include "muonflow/linalg/workspace.hpp"

namespace muonflow::geometry {

struct GeometryInfo {
  std::string_view name;
  std::string_view equation;
  std::string_view cite;
  bool convex = true;
  bool smooth = false;                  // gradient Lipschitz, constant hessian_bound()
  bool bounded_gradient = false;        // a norm of grad Phi is at most 1 everywhere
  bool orthogonally_invariant = false;  // Phi(U P V^T) = Phi(P) for orthogonal U, V
  bool transpose_invariant = true;      // Phi(P^T) = Phi(P)
  bool has_potential = true;            // else the map is no gradient, and there is no Phi
  // What a step W' = W - h grad Phi(M) minimizes over W', beside <M, W'>; empty where nothing.
  std::string_view step = {};
};

struct ValueAndGradient {
  Outcome outcome;
  double value = 0;    // Phi(P); 0 where there is no potential
  double pairing = 0;  // <P, grad Phi(P)>, the rate at which damping eats energy
};

// Matrices of one shape in rows of memory: matrix i is [rows, cols], contiguous, at data + i
// stride.
template <class T>
struct Batch {
  T* data = nullptr;
  Index count = 0;
  Index rows = 0;
  Index cols = 0;
  Index stride = 0;

  MatrixMap<T> operator[](Index i) const {
    return {data + i * stride, rows, cols, Eigen::OuterStride<>(cols)};
  }
};

template <class T>
class Potential {
 public:
  virtual ~Potential() = default;

  virtual const GeometryInfo& info() const = 0;

  // Phi(P); NaN where an entry is not finite or there is no potential.
  virtual double value(const ConstMatrixRef<T>& p, linalg::Workspace<T>& workspace) const = 0;

  // p <- grad Phi(p) in place (one subgradient where Phi is not differentiable; 0 at 0). Not finite
  // entries: non_finite_input, p unchanged.
  virtual Outcome gradient(MatrixRef<T> p, linalg::Workspace<T>& workspace) const = 0;

  // All three at once; geometries that need a decomposition compute it once.
  virtual ValueAndGradient value_and_gradient(MatrixRef<T> p,
                                              linalg::Workspace<T>& workspace) const {
    typename linalg::Workspace<T>::Frame frame(workspace);
    MatrixMap<T> before = frame.matrix(p.rows(), p.cols());
    before = p;
    ValueAndGradient result;
    result.outcome = gradient(p, workspace);
    if (!result.outcome.ok()) return result;
    result.value = value(before, workspace);
    result.pairing = linalg::dot<T>(before, p);
    return result;
  }

  // value_and_gradient of every matrix of a batch: p[i] <- grad Phi(p[i]), values [count] and
  // pairings [count] as there. What matrix i gets does not depend on its neighbours. The first
  // trouble ends it, and some matrices are then done and others not.
  virtual Outcome values_and_gradients(const Batch<T>& p, std::span<double> values,
                                       std::span<double> pairings,
                                       linalg::Workspace<T>& workspace) const {
    for (Index i = 0; i < p.count; ++i) {
      const auto found = value_and_gradient(p[i], workspace);
      if (!found.outcome.ok()) return found.outcome;
      values[static_cast<std::size_t>(i)] = found.value;
      pairings[static_cast<std::size_t>(i)] = found.pairing;
    }
    return {};
  }

  // values[j] <- Phi(scales[j] P); geometries that need a decomposition compute it once.
  virtual void scaled_values(const ConstMatrixRef<T>& p, std::span<const double> scales,
                             std::span<double> values, linalg::Workspace<T>& workspace) const {
    typename linalg::Workspace<T>::Frame frame(workspace);
    MatrixMap<T> scaled = frame.matrix(p.rows(), p.cols());
    for (std::size_t j = 0; j < scales.size(); ++j) {
      scaled = static_cast<T>(scales[j]) * p;
      values[j] = value(scaled, workspace);
    }
  }

  // The same of every matrix of a run: values [count, scales].
  virtual void scaled_values_of(const linalg::MatrixRun<T>& p, std::span<const double> scales,
                                std::span<double> values, linalg::Workspace<T>& workspace) const {
    for (Index i = 0; i < p.count; ++i) {
      scaled_values(p[i], scales,
                    values.subspan(static_cast<std::size_t>(i) * scales.size(), scales.size()),
                    workspace);
    }
  }

  // Phi*(X) = sup_P <P, X> - Phi(P), infinity outside its domain (whose boundary counts as inside
  // within the rounding of T); none where the geometry has no conjugate.
  virtual std::optional<double> conjugate(const ConstMatrixRef<T>& x,
                                          linalg::Workspace<T>& workspace) const = 0;

  // The mirror reading of one step: for a convex Phi, W' = W - h grad Phi(M) minimizes over its
  // move D = W - W' the sum -<M, D> + h Phi*(D/h), whose least value is -h Phi(M) (arXiv
  // 2605.23871). This is that sum: infinity for moves outside h times the conjugate's domain, none
  // where there is no conjugate; h > 0.
  std::optional<double> step_model(const ConstMatrixRef<T>& momentum, const ConstMatrixRef<T>& move,
                                   double h, linalg::Workspace<T>& workspace) const {
    typename linalg::Workspace<T>::Frame frame(workspace);
    MatrixMap<T> scaled = frame.matrix(move.rows(), move.cols());
    scaled = move / static_cast<T>(h);
    const auto dual = conjugate(scaled, workspace);
    if (!dual) return std::nullopt;
    return h * *dual - linalg::dot<T>(momentum, move);
  }

  // The largest curvature anywhere, which is the Lipschitz constant of the gradient in the
  // Frobenius norm; none where Phi is not smooth.
  virtual std::optional<double> hessian_bound() const { return std::nullopt; }

  // The smallest curvature on {||P||_op <= radius}; 0 where Phi is not strongly convex there.
  virtual double strong_convexity(double radius) const {
    (void)radius;
    return 0;
  }
};

}  // namespace muonflow::geometry

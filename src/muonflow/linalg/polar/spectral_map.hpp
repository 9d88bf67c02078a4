// A function on the singular values of a matrix, U diag(f(s)) V^T, by SVD in double.
#pragma once

#include <memory>
#include <span>
#include <type_traits>

#include "muonflow/core/matrix.hpp"
#include "muonflow/core/outcome.hpp"
#include "muonflow/linalg/workspace.hpp"

namespace muonflow::linalg {

// Any callable that changes s, descending, into f(s) in place. Borrowed for the call and not owned:
// a std::function would allocate for captures of more than two words.
class SpectralFunction {
 public:
  template <class F>
  requires(!std::is_same_v<std::remove_cvref_t<F>, SpectralFunction>)
      SpectralFunction(F&& f)  // NOLINT: implicit, so that a lambda can be handed over
      : context_(const_cast<void*>(static_cast<const void*>(std::addressof(f)))),
        call_([](void* context, std::span<double> s) {
          (*static_cast<std::remove_reference_t<F>*>(context))(s);
        }) {}
  void operator()(std::span<double> s) const { call_(context_, s); }

 private:
  void* context_;
  void (*call_)(void*, std::span<double>);
};

// x [m, n] <- U diag(f(s)) V^T, in place; rows may lie apart. Float input is decomposed in double:
// the error is then that of one rounding. Not finite entries: non_finite_input, x unchanged; where
// the SVD does not converge: not_converged, x unchanged; where f(s) is not finite:
// non_finite_result, x unchanged. About 4 r^2 N + 22 r^3 flops on one thread, r = min(m, n), N =
// max(m, n).
template <class T>
Outcome map_singular_values(MatrixRef<T> x, const SpectralFunction& f, Scratch& scratch);

}  // namespace muonflow::linalg

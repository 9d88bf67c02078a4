#include "muonflow/optim/transforms/spectral_normalization.hpp"

#include <algorithm>
#include <cmath>

#include "muonflow/linalg/gemm.hpp"
#include "muonflow/linalg/norms.hpp"

namespace muonflow::optim {
namespace {

template <class T>
class NormalizedKernel final : public detail::Around<T> {
 public:
  NormalizedKernel(std::unique_ptr<RuleKernel<T>> inner, const SpectralNormalization& options)
      : detail::Around<T>(std::move(inner)), options_(options) {}

  std::unique_ptr<RuleState<T>> start(Index rows, Index cols, Rng& rng) const override {
    auto held = std::make_unique<Vector>();
    held->inner = this->inner().start(rows, cols, rng);
    if (options_.kind == NormKind::spectral) {
      held->v.resize(1, cols);
      for (Index i = 0; i < cols; ++i) held->v(0, i) = static_cast<T>(rng.normal());
      held->v /= held->v.norm();
    }
    return held;
  }

  StepResult step(const StepContext<T>& at, RuleState<T>& state, MatrixRef<T> D) const override {
    auto& held = static_cast<Vector&>(state);
    const StepResult result = this->inner().step(at, *held.inner, D);
    if (!result.outcome.ok() || result.skip) return result;
    const double size = options_.kind == NormKind::spectral
                            ? spectral_norm(D, held.v, at.t, at.scratch)
                            : linalg::frobenius_norm<T>(D) / std::sqrt(double(D.size()));
    if (size > 0) D *= static_cast<T>(1 / (size + options_.eps));
    return result;
  }

  void visit(RuleState<T>& state, StateVisitor<T>& visitor) const override {
    detail::Around<T>::visit(state, visitor);
    if (options_.kind != NormKind::spectral) return;
    visitor.matrix("right_vector", static_cast<Vector&>(state).v, 1, visitor.cols());
  }

 private:
  struct Vector final : detail::Around<T>::Held {
    Matrix<T> v;  // [1, in]
  };

  double spectral_norm(const ConstMatrixRef<T>& D, Matrix<T>& v, std::int64_t t,
                       linalg::Workspace<T>& workspace) const {
    using linalg::Op;
    typename linalg::Workspace<T>::Frame frame(workspace);
    auto y = frame.matrix(1, D.rows());
    auto next = frame.matrix(1, D.cols());
    const auto iterations =
        t < SpectralNormalization::kFirstSteps ? options_.first_iterations : options_.iterations;
    double sigma = 0;
    for (std::int64_t i = 0; i < iterations; ++i) {
      linalg::gemm<T>(Op::none, Op::transpose, 1, v, D, 0, y);
      sigma = linalg::frobenius_norm<T>(y);
      if (sigma > 0) y *= static_cast<T>(1 / sigma);
      linalg::gemm<T>(Op::none, Op::none, 1, y, D, 0, next);
      const double length = linalg::frobenius_norm<T>(next);
      // D = 0, or v is orthogonal to its rows: v stays.
      if (!(length > 0) || !std::isfinite(length)) break;
      v = static_cast<T>(1 / length) * next;
    }
    return sigma;
  }

  SpectralNormalization options_;
};

}  // namespace

void SpectralNormalization::fields(FieldVisitor& v) {
  v.choice("kind", kind, "the norm that a step has");
  v.integer("iterations", iterations, {.lo = 1}, "power iterations a step");
  v.integer("first_iterations", first_iterations, {.lo = 1}, "the same in the first 50 steps");
  v.real("eps", eps, kNonNegative, "added to the norm");
}

template <class T>
std::unique_ptr<RuleKernel<T>> normalized(std::unique_ptr<RuleKernel<T>> rule,
                                          const SpectralNormalization& options) {
  return std::make_unique<NormalizedKernel<T>>(std::move(rule), options);
}

template std::unique_ptr<RuleKernel<float>> normalized(std::unique_ptr<RuleKernel<float>>,
                                                       const SpectralNormalization&);
template std::unique_ptr<RuleKernel<double>> normalized(std::unique_ptr<RuleKernel<double>>,
                                                        const SpectralNormalization&);

}  // namespace muonflow::optim

#include "muonflow/optim/transforms/cautious.hpp"

#include <algorithm>

namespace muonflow::optim {
namespace {

template <class T>
class CautiousKernel final : public detail::Around<T> {
  using detail::Around<T>::Around;

  std::unique_ptr<RuleState<T>> start(Index rows, Index cols, Rng& rng) const override {
    auto held = std::make_unique<typename detail::Around<T>::Held>();
    held->inner = this->inner().start(rows, cols, rng);
    return held;
  }

  StepResult step(const StepContext<T>& at, RuleState<T>& state, MatrixRef<T> D) const override {
    auto& held = static_cast<typename detail::Around<T>::Held&>(state);
    const StepResult result = this->inner().step(at, *held.inner, D);
    if (!result.outcome.ok() || result.skip) return result;
    Index agree = 0;
    for (Index i = 0; i < D.rows(); ++i) {
      for (Index j = 0; j < D.cols(); ++j) agree += agrees(D(i, j), at.G(i, j));
    }
    const double mean = static_cast<double>(agree) / static_cast<double>(D.size());
    const T factor = static_cast<T>(1 / std::max(mean, 1e-3));
    for (Index i = 0; i < D.rows(); ++i) {
      for (Index j = 0; j < D.cols(); ++j) {
        D(i, j) = agrees(D(i, j), at.G(i, j)) ? factor * D(i, j) : T(0);
      }
    }
    return result;
  }

  // The product could underflow.
  static bool agrees(T d, T g) { return (d > 0 && g > 0) || (d < 0 && g < 0); }
};

}  // namespace

void Cautious::fields(FieldVisitor& v) {
  v.boolean("updates", updates, "an entry whose step opposes its gradient stays");
  v.boolean("decay", decay, "an entry decays only where its step moves it towards 0");
}

template <class T>
std::unique_ptr<RuleKernel<T>> cautious(std::unique_ptr<RuleKernel<T>> rule) {
  return std::make_unique<CautiousKernel<T>>(std::move(rule));
}

template <class T>
void cautious_step(const ConstMatrixRef<T>& W, MatrixRef<T> D, double by, double kept, bool first) {
  const T lr = static_cast<T>(by);
  const T part = static_cast<T>(kept);
  for (Index i = 0; i < D.rows(); ++i) {
    for (Index j = 0; j < D.cols(); ++j) {
      const T d = D(i, j);
      const T w = first ? W(i, j) : W(i, j) - lr * d;
      const bool decays = d == 0 || w == 0 || (d > 0) == (w > 0);
      const T left = decays ? part * w : w;
      D(i, j) = first ? left - lr * d : left;
    }
  }
}

template std::unique_ptr<RuleKernel<float>> cautious(std::unique_ptr<RuleKernel<float>>);
template std::unique_ptr<RuleKernel<double>> cautious(std::unique_ptr<RuleKernel<double>>);
template void cautious_step<float>(const ConstMatrixRef<float>&, MatrixRef<float>, double, double,
                                   bool);
template void cautious_step<double>(const ConstMatrixRef<double>&, MatrixRef<double>, double,
                                    double, bool);

}  // namespace muonflow::optim

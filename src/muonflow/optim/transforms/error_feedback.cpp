#include "muonflow/optim/transforms/error_feedback.hpp"

namespace muonflow::optim {
namespace {

template <class T>
class FedBackKernel final : public detail::Around<T> {
 public:
  FedBackKernel(std::unique_ptr<RuleKernel<T>> inner, const Compression& compression)
      : detail::Around<T>(std::move(inner)), compression_(compression) {}

  std::unique_ptr<RuleState<T>> start(Index rows, Index cols, Rng& rng) const override {
    auto held = std::make_unique<Estimate>();
    held->inner = this->inner().start(rows, cols, rng);
    held->E.setZero(rows, cols);
    held->basis.resize(compression_.basis_rows(rows, cols), cols);
    for (Index i = 0; i < held->basis.size(); ++i) {
      held->basis.data()[i] = static_cast<T>(rng.normal());
    }
    return held;
  }

  StepResult step(const StepContext<T>& at, RuleState<T>& state, MatrixRef<T> D) const override {
    auto& held = static_cast<Estimate&>(state);
    if (compression_.kind == Compressor::identity) {
      held.E = at.G;  // (2)
    } else {
      typename linalg::Workspace<T>::Frame frame(at.scratch);
      auto message = frame.matrix(D.rows(), D.cols());
      message = at.G - held.E;
      compress<T>(compression_, message, held.basis, at.scratch);  // (1)
      held.E += message;                                           // (2)
    }
    const StepContext<T> known{at.W, held.E, at.lr, at.scale, at.t, at.rng, at.scratch};
    return this->inner().step(known, *held.inner, D);
  }

  void visit(RuleState<T>& state, StateVisitor<T>& visitor) const override {
    detail::Around<T>::visit(state, visitor);
    auto& held = static_cast<Estimate&>(state);
    visitor.like_weights("estimate", held.E);
    if (compression_.kind == Compressor::low_rank) {
      visitor.matrix("basis", held.basis, held.basis.rows(), held.basis.cols());
    }
  }

  std::size_t message_bytes(Index rows, Index cols) const override {
    return compression_.bytes(rows, cols, sizeof(T));
  }

 private:
  struct Estimate final : detail::Around<T>::Held {
    Matrix<T> E;
    Matrix<T> basis;  // [rank, in]
  };

  Compression compression_;
};

}  // namespace

void ErrorFeedback::fields(FieldVisitor& v) {
  v.boolean("on", on, "the rule sees an estimate of the gradient");
  compression.fields(v);
}

template <class T>
std::unique_ptr<RuleKernel<T>> fed_back(std::unique_ptr<RuleKernel<T>> rule,
                                        const Compression& compression) {
  return std::make_unique<FedBackKernel<T>>(std::move(rule), compression);
}

template std::unique_ptr<RuleKernel<float>> fed_back(std::unique_ptr<RuleKernel<float>>,
                                                     const Compression&);
template std::unique_ptr<RuleKernel<double>> fed_back(std::unique_ptr<RuleKernel<double>>,
                                                      const Compression&);

}  // namespace muonflow::optim

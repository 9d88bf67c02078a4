#include "muonflow/optim/transforms/grafting.hpp"

#include "muonflow/linalg/norms.hpp"

namespace muonflow::optim {
namespace {

template <class T>
class GraftedKernel final : public detail::Around<T> {
 public:
  GraftedKernel(std::unique_ptr<RuleKernel<T>> direction, std::unique_ptr<RuleKernel<T>> size)
      : detail::Around<T>(std::move(direction)), size_(std::move(size)) {}

  std::unique_ptr<RuleState<T>> start(Index rows, Index cols, Rng& rng) const override {
    auto held = std::make_unique<Two>();
    Rng same = rng;
    held->inner = this->inner().start(rows, cols, rng);
    held->size = size_->start(rows, cols, same);
    return held;
  }

  StepResult step(const StepContext<T>& at, RuleState<T>& state, MatrixRef<T> D) const override {
    auto& held = static_cast<Two&>(state);
    typename linalg::Workspace<T>::Frame frame(at.scratch);
    auto N = frame.matrix(D.rows(), D.cols());
    Rng same = at.rng;
    StepResult result = this->inner().step(at, *held.inner, D);
    const StepContext<T> again{at.W, at.G, at.lr, at.scale, at.t, same, at.scratch};
    const StepResult other = size_->step(again, *held.size, N);
    if (result.outcome.ok()) result.outcome = other.outcome;
    if (result.warning.empty()) result.warning = other.warning;
    result.skip = result.skip || other.skip;
    if (!result.outcome.ok() || result.skip) return result;
    const double length = linalg::frobenius_norm<T>(D);
    if (length > 0) D *= static_cast<T>(linalg::frobenius_norm<T>(N) / length);
    return result;
  }

  void visit(RuleState<T>& state, StateVisitor<T>& visitor) const override {
    detail::Around<T>::visit(state, visitor);
    detail::Prefixed<T> graft("graft", visitor, visitor.rows(), visitor.cols());
    size_->visit(*static_cast<Two&>(state).size, graft);
  }

  void momenta(std::vector<double*>& all) override {
    detail::Around<T>::momenta(all);
    size_->momenta(all);
  }

 private:
  struct Two final : detail::Around<T>::Held {
    std::unique_ptr<RuleState<T>> size;
  };

  std::unique_ptr<RuleKernel<T>> size_;
};

}  // namespace

void Grafting::fields(FieldVisitor& v) {
  v.text("rule", rule, "rule or rule.preset whose step gives the norm; empty: off");
  v.tree("options", options.json(), "that rule's own options");
}

template <class T>
std::unique_ptr<RuleKernel<T>> grafted(std::unique_ptr<RuleKernel<T>> direction,
                                       std::unique_ptr<RuleKernel<T>> size) {
  return std::make_unique<GraftedKernel<T>>(std::move(direction), std::move(size));
}

template std::unique_ptr<RuleKernel<float>> grafted(std::unique_ptr<RuleKernel<float>>,
                                                    std::unique_ptr<RuleKernel<float>>);
template std::unique_ptr<RuleKernel<double>> grafted(std::unique_ptr<RuleKernel<double>>,
                                                     std::unique_ptr<RuleKernel<double>>);

}  // namespace muonflow::optim

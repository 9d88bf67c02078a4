// Somebody who looks at an optimizer just before and just after a step, such as the audit. A step
// that nobody observes costs one comparison more.
#pragma once

namespace muonflow::optim {

template <class T>
class Optimizer;
struct StepReport;

template <class T>
class StepObserver {
 public:
  virtual ~StepObserver() = default;
  // Gradients are as the caller left them: not looked at, not clipped. `schedule` is the step's.
  virtual void before_step(Optimizer<T>& optimizer, double schedule) = 0;
  // After the rules of a step (a refused one too) and before qk_clip, which is no rule's.
  virtual void after_step(Optimizer<T>& optimizer, const StepReport& report) = 0;
};

}  // namespace muonflow::optim

// Any program's own weights, stepped by Muon: least squares |X W' - Y|^2 / 2n on buffers that the
// library only borrows.
#include "muonflow/optim/optimizer.hpp"

#include <cstdio>
#include <vector>

#include "muonflow/core/matrix.hpp"
#include "muonflow/core/rng.hpp"

int main() {
  using namespace muonflow;
  constexpr Index kSamples = 256, kInputs = 32, kOutputs = 16;
  Rng rng(1);
  const auto normal = [&](Index rows, Index cols) {
    Matrix<float> m(rows, cols);
    for (Index i = 0; i < m.size(); ++i) m.data()[i] = static_cast<float>(rng.normal());
    return m;
  };
  const Matrix<float> x = normal(kSamples, kInputs);
  const Matrix<float> y = x * normal(kInputs, kOutputs);

  // Buffers as a host program has them; rows of `weight` are outputs.
  std::vector<float> weight(kOutputs * kInputs, 0.0f), gradient(kOutputs * kInputs);
  optim::Optimizer<float> optimizer({{.name = "weight",
                                      .shape = {kOutputs, kInputs},
                                      .weights = weight.data(),
                                      .gradient = gradient.data()}},
                                    {.preset = "muon", .hidden = {.lr = 0.2}}, /*seed=*/1);
  std::printf("%s", optimizer.routing().to_text().c_str());

  MatrixMap<float> w(weight.data(), kOutputs, kInputs, Eigen::OuterStride<>(kInputs));
  MatrixMap<float> g(gradient.data(), kOutputs, kInputs, Eigen::OuterStride<>(kInputs));
  constexpr int kSteps = 100;
  for (int step = 0; step <= kSteps; ++step) {
    const Matrix<float> residual = x * w.transpose() - y;  // [samples, outputs]
    if (step % 20 == 0) {
      std::printf("step %3d  loss %.6f\n", step, residual.squaredNorm() / (2.0f * kSamples));
    }
    g = residual.transpose() * x / static_cast<float>(kSamples);
    // The factor falls to zero: a step of Muon has a fixed length, whatever the gradient's.
    const auto report = optimizer.step(1.0 - static_cast<double>(step) / (kSteps + 1));
    if (!report.outcome.ok()) {
      std::fprintf(stderr, "step %d: %s\n", step, report.tensor.c_str());
      return 1;
    }
  }
  return 0;
}

// Fits a matrix W to a target C under the loss |W - C|^2 / 2 with regularized Muon, then takes the
// polar factor of a matrix: the two ways into the library.
#include <cmath>
#include <cstdio>
#include <muonflow/linalg/norms.hpp>
#include <muonflow/linalg/polar.hpp>
#include <muonflow/optim/optimizer.hpp>
#include <vector>

using muonflow::Matrix;

int main() {
  const Matrix<float> C = Matrix<float>::Random(16, 32);
  Matrix<float> W = Matrix<float>::Zero(16, 32);
  Matrix<float> G(16, 32);

  std::vector<muonflow::Parameter<float>> parameters{
      {.name = "W", .shape = {16, 32}, .weights = W.data(), .gradient = G.data()}};
  muonflow::optim::Optimizer<float> optimizer(
      parameters, {.preset = "regularized_muon", .hidden = {.lr = 0.2}}, /*seed=*/0);

  const float before = (W - C).norm();
  for (int step = 0; step < 100; ++step) {
    G = W - C;
    const auto report = optimizer.step(1.0 - step / 100.0);
    if (!report.outcome.ok()) {
      std::printf("step %d: trouble in %s\n", step, report.tensor.c_str());
      return 1;
    }
  }
  const float after = (W - C).norm();

  Matrix<float> Q = C;
  muonflow::linalg::Workspace<float> workspace;
  const muonflow::linalg::Polar exact{.method = muonflow::linalg::PolarMethod::svd};
  if (!muonflow::linalg::polar<float>(Q, exact, workspace).ok()) return 1;
  const float error = (Q * Q.transpose() - Matrix<float>::Identity(16, 16)).norm();

  std::printf("distance to the target %.3f -> %.3f, orthogonality error %.1e\n", before, after,
              error);
  return after < 0.1f * before && error < 1e-5f ? 0 : 1;
}

#include "muonflow/optim/audit/detail/polar_steps.hpp"

#include <cmath>
#include <cstdint>

namespace muonflow::optim::detail {
namespace {

// K. Jordan, Muon, 2024.
constexpr PolarStep kJordanStep{3.4445, -4.7750, 2.0315};
// N. Higham, Functions of Matrices, 2008, chapter 8: Newton-Schulz of order 3, and of order 2.
constexpr PolarStep kThirdOrder{15.0 / 8, -10.0 / 8, 3.0 / 8};
constexpr PolarStep kSecondOrder{3.0 / 2, -1.0 / 2, 0};

// J. You, in Dao-AILab/gram-newton-schulz.
const std::vector<PolarStep> kYouSteps{{4.0848, -6.8946, 2.9270},
                                       {3.9505, -6.3029, 2.6377},
                                       {3.7418, -5.5913, 2.3037},
                                       {2.8769, -3.1427, 1.2046},
                                       {2.8366, -3.0525, 1.2012}};

// N. Amsel et al., arXiv:2505.16932, singular values in [1e-3, 1].
const std::vector<PolarStep> kExpressSteps{
    {8.28721201814563, -23.595886519098837, 17.300387312530933},
    {4.107059111542203, -2.9478499167379106, 0.5448431082926601},
    {3.9486908534822946, -2.908902115962949, 0.5518191394370137},
    {3.3184196573706015, -2.488488024314874, 0.51004894012372},
    {2.300652019954817, -1.6689039845747493, 0.4188073119525673},
    {1.891301407787398, -1.2679958271945868, 0.37680408948524835},
    {1.8750014808534479, -1.2500016453999487, 0.3750001645474248}};

// The same method with safety 1.02, in microsoft/dion.
const std::vector<PolarStep> kExpressDionSteps{
    {8.156554524902461, -22.48329292557795, 15.878769915207462},
    {4.042929935166739, -2.808917465908714, 0.5000178451051316},
    {3.8916678022926607, -2.772484153217685, 0.5060648178503393},
    {3.285753657755655, -2.3681294933425376, 0.46449024233003106},
    {2.3465413258596377, -1.7097828382687081, 0.42323551169305323}};

// arXiv:2512.04632.
const std::vector<PolarStep> kTurboSteps{{4.6051, -9.6552, 5.6769},
                                         {4.7505, -6.0861, 2.1790},
                                         {2.7763, -2.3190, 0.5523},
                                         {2.4231, -2.2861, 0.8193}};

// E. Grishina et al., arXiv:2506.10935: not the table but the closed form that makes it, for
// singular values in [lower, upper], each step symmetric about 1 and fitted to what the last left.
std::vector<PolarStep> cans(std::size_t entries) {
  std::vector<PolarStep> steps;
  double lower = 1e-3, upper = 1;
  for (std::size_t k = 0; k < entries; ++k) {
    const double e = (lower * lower + lower * upper + upper * upper) / 3;
    const double a = 6 * e / (2 * std::pow(e, 1.5) + lower * upper * (lower + upper));
    steps.push_back({a, -a / (3 * e), 0});
    const double off = std::abs(1 - steps.back()(lower));
    lower = 1 - off;
    upper = 1 + off;
  }
  return steps;
}

// The first `count` of a table, continued by `then`.
std::vector<PolarStep> run(std::vector<PolarStep> table, std::size_t count, PolarStep then) {
  table.resize(count, then);
  return table;
}

}  // namespace

std::vector<PolarStep> polar_steps(std::string_view method, std::int64_t count) {
  const auto n = static_cast<std::size_t>(count >= 0 ? count : method == "turbo" ? 4 : 5);
  if (method == "jordan") return run({}, n, kJordanStep);
  if (method == "you") return run(kYouSteps, n, kYouSteps.back());
  if (method == "polar_express") return run(kExpressSteps, n, kThirdOrder);
  if (method == "polar_express.paper") {
    auto steps = run(kExpressSteps, n, kThirdOrder);
    for (std::size_t k = 0; k + 1 < n; ++k) {  // the input of all but the last is divided by 1.01
      steps[k].a /= 1.01;
      steps[k].b /= std::pow(1.01, 3);
      steps[k].c /= std::pow(1.01, 5);
    }
    return steps;
  }
  if (method == "polar_express.dion") return run(kExpressDionSteps, n, kThirdOrder);
  if (method == "turbo") return run(kTurboSteps, n, kTurboSteps.back());
  if (method == "cans") return run(cans(11), n, kSecondOrder);
  if (method == "classic") return run({}, n, kThirdOrder);
  return {};
}

double polar_norm_factor(std::string_view method) {
  return method == "polar_express.dion" ? 1.02 : 1.0;
}

}  // namespace muonflow::optim::detail

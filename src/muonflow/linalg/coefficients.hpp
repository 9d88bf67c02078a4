// Coefficient tables of the polynomial polar methods, each under its citation. One entry (a, b, c)
// is one step p(x) = a x + b x^3 + c x^5 on every singular value.
#pragma once

#include <array>
#include <cstddef>

namespace muonflow::linalg {

struct Quintic {
  double a, b, c;
  constexpr double operator()(double x) const { return x * (a + x * x * (b + x * x * c)); }
};

// K. Jordan, "Muon: an optimizer for hidden layers in neural networks", 2024; repeated.
// Slope 3.4445 at 0; singular values end in [0.682, 1.134] and never at 1.
inline constexpr Quintic kJordan{3.4445, -4.7750, 2.0315};

// The Newton-Schulz quintic of order 3, (15 x - 10 x^3 + 3 x^5) / 8; repeated.
inline constexpr Quintic kClassic{1.875, -1.25, 0.375};

// N. Amsel, D. Persson, C. Musco, R. Gower, "The Polar Express", arXiv:2505.16932: the published
// table for singular values in [1e-3, 1], raw (no safety factor; its generator uses the cushion
// 0.02407327424182761). From the eighth step on, kClassic.
inline constexpr std::array<Quintic, 7> kPolarExpress{{
    {8.28721201814563, -23.595886519098837, 17.300387312530933},
    {4.107059111542203, -2.9478499167379106, 0.5448431082926601},
    {3.9486908534822946, -2.908902115962949, 0.5518191394370137},
    {3.3184196573706015, -2.488488024314874, 0.51004894012372},
    {2.300652019954817, -1.6689039845747493, 0.4188073119525673},
    {1.891301407787398, -1.2679958271945868, 0.37680408948524835},
    {1.8750014808534479, -1.2500016453999487, 0.3750001645474248},
}};

constexpr Quintic polar_express_step(std::size_t step) {
  return step < kPolarExpress.size() ? kPolarExpress[step] : kClassic;
}

}  // namespace muonflow::linalg

// The published coefficients of the polynomial polar methods, typed a second time.
//
// The audit must not read the table that the kernel reads: an entry that is wrong there would be
// wrong here too. Sources as in linalg/coefficients.hpp, and a test holds the two side by side.
#pragma once

#include <array>
#include <string_view>
#include <vector>

namespace muonflow::optim::detail {

// a x + b x^3 + c x^5
struct PolarStep {
  double a = 0, b = 0, c = 0;
  double operator()(double x) const { return a * x + b * x * x * x + c * x * x * x * x * x; }
};

// The steps that a method takes; empty for the exact ones (qdwh, zolotarev, svd). `count` below 0:
// the method's own.
std::vector<PolarStep> polar_steps(std::string_view method, std::int64_t count);

// What the norm is multiplied by before eps is added: 1.02 for polar_express.dion.
double polar_norm_factor(std::string_view method);

}  // namespace muonflow::optim::detail

// Holds what a matrix did against what it should have done.
//
// The change W' - W of a step is fitted by -a C - b D, C the weights that decay and D the claimed
// direction: a is the decay, b the multiplier, and what is left over is of the direction. So a
// wrong multiplier is told from a wrong direction, and either from a wrong decay.
#pragma once

#include "muonflow/optim/audit/detail/composed.hpp"
#include "muonflow/optim/audit/report.hpp"

namespace muonflow::optim::detail {

// What surrounds one matrix.
struct Case {
  const StepClaim* claim = nullptr;
  Scene scene;              // G: after clipping, mean and coupled decay
  Real raw;                 // the mean of the raw gradients
  std::vector<Real> micro;  // the raw gradients, where there are several
  Real W1;                  // after the step
  Index rows, cols;         // of the matrix
  double decay = 1;         // what it leaves: kept_of
  bool decay_first = true;
  bool cautious_decay = false;
};

struct Fit {
  bool fitted = false;  // false: W and D are nearly multiples of each other, or one of them is 0
  double sine = 1;  // of the angle between C and D: what rounding makes of a and b goes with 1/it
  double a = 0, b = 0;  // found
  double a_expected = 0, b_expected = 0;
  double b_per_scale = 1;  // b over the multiplier that users know
  Real C;                  // what decays
  Real residual;           // (W' - W) + a C + b D
  double left_over = 0;    // |residual|_F, but for what belongs to values that are not judged
  double noise = 0;        // rounding of the weights, |.|_F
};

// The checks of one matrix, in the order in which a fault would be named.
std::vector<AuditCheck> judge(const Case& one);

// What a wrong number looks like: "as if ..."; empty where nothing fits. suspect.cpp.
std::string suspect_state(const Case& one, const Composed& composed, const FieldClaim& field,
                          const Real& found);
std::string suspect_direction(const Case& one, const Composed& composed, const Fit& fit);
std::string suspect_scale(const Case& one, const Composed& composed, const Fit& fit);
std::string suspect_decay(const Case& one, const Fit& fit);

}  // namespace muonflow::optim::detail

// Compositions for intervals that are known only at run time, found once and kept.
#pragma once

#include <span>

#include "muonflow/linalg/odd_polynomial.hpp"

namespace muonflow::linalg {

// What a composition is to do, for the Gram formulation (polar/newton_schulz.hpp).
struct Measure {
  double lower = 1;  // of the numbers, in [lower, 1]; below 1e-8 as 1e-8
  double error = 0;  // brings every one of them to within this of 1
  // Between two restarts the product of the squares of the slopes at 0, by which rounding in A is
  // amplified, stays below this; a single step may pass it.
  double amplification = 0;
  double aspect = 1;  // n / m of the wide matrix, which a restart reads and writes
};

// Steps of degrees 3 to 9, mixed, with the guards of minimax.hpp against rounding: those that take
// the fewest flops. Each has the smallest error on what the step before it leaves; which degrees,
// and where to restart, is decided by a search over all of them.
//
// In products of symmetric [m, m] matrices at half work a step costs s(A) (none, one, two and two
// for degrees 3, 5, 7 and 9), one to join Q, two to advance A; a restart in place of the two takes
// 3 n/m + 1. For [0.01, 1] and 1e-6 that is 20 by 9, restart, 9, 9, 5 (21 on the grid below), where
// six quintics take 25.
//
// Intervals are widened to a grid of 28% in lower, aspects to powers of 2. The first call for an
// error, an amplification and an aspect finds the compositions of all intervals down to lower / 30,
// in some 20 ms; later ones take no memory until one goes below. May be called from several
// threads.
std::span<const OddPolynomial> made_to_measure(const Measure& measure);

}  // namespace muonflow::linalg

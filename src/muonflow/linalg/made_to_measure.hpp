// Compositions for intervals that are known only at run time, from a table computed once.
#pragma once

#include <span>

#include "muonflow/linalg/odd_polynomial.hpp"

namespace muonflow::linalg {

// Steps of one odd degree that bring every number of [lower, 1] to within `error` of 1, with the
// guards of minimax.hpp against rounding: the fewest in the table, whose lower ends lie about a
// quarter of a step's gain apart. At least one step; below 1e-8 those of 1e-8.
//
// The tail of a greedy composition is the greedy composition of the interval that its head leads
// to, so one composition from a small lower end holds one for each of its steps. The first call for
// a degree and an error computes a few such (about 10 ms) and keeps them as long as the program
// lives; later ones take no memory. May be called from several threads.
std::span<const OddPolynomial> made_to_measure(double lower, int degree, double error);

}  // namespace muonflow::linalg

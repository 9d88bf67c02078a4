// Running moments of a gradient and the steps made of them, entry by entry: the inner loops of the
// elementwise optimizers, each one pass that reads the gradient and the moments and writes the
// moments and the step.
//
// Every product, sum, quotient and root is rounded to T once and in the order written here, with no
// fused multiply-add, so that an entry's bits depend neither on the machine's vectors nor on the
// entry's place. All matrices are of one shape; rows may lie apart. d may be g, and otherwise
// nothing overlaps. Numbers that are not finite go through. On the calling thread; where the data
// is not in cache the memory sets the pace. Throw ShapeError.
#pragma once

#include "muonflow/core/matrix.hpp"

namespace muonflow::linalg {

// m <- kept m + added g,  then  d <- added g + kept m  if nesterov, else m.
struct Momentum {
  double kept = 0;
  double added = 1;
  bool nesterov = false;
};
template <class T>
void momentum_step(const Momentum& by, const ConstMatrixRef<T>& g, MatrixRef<T> m, MatrixRef<T> d);

// m <- beta1 m + (1 - beta1) g,  v <- beta2 v + (1 - beta2) g^2,
// d <- first m / (root sqrt(v) + eps), 0 where the denominator is 0.
struct AdamMoments {
  double beta1 = 0.9;
  double beta2 = 0.999;
  double first = 1;  // debiases m
  double root = 1;   // and the root of v
  double eps = 1e-8;
};
template <class T>
void adam_step(const AdamMoments& by, const ConstMatrixRef<T>& g, MatrixRef<T> m, MatrixRef<T> v,
               MatrixRef<T> d);

// d <- seen m + (1 - seen) g,  then  m <- kept m + (1 - kept) g: Lion's two averages.
template <class T>
void two_averages(double seen, double kept, const ConstMatrixRef<T>& g, MatrixRef<T> m,
                  MatrixRef<T> d);

// v <- beta v + (1 - beta) d^2,  d <- d / (sqrt(v) + eps), 0 where the denominator is 0.
template <class T>
void rms_step(double beta, double eps, MatrixRef<T> v, MatrixRef<T> d);

}  // namespace muonflow::linalg

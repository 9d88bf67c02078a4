// Every kernel that acts on singular values, in one form, for the laws of proof_test.cpp: how to
// apply it, what it is in exact arithmetic, and how far rounding may take it. A new kernel is one
// line of kernels().
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "muonflow/linalg/coefficients.hpp"
#include "muonflow/linalg/odd_polynomial.hpp"
#include "muonflow/linalg/polar.hpp"
#include "muonflow/linalg/regularized_polar.hpp"
#include "muonflow/linalg/workspace.hpp"

namespace muonflow::linalg::proof {

// What is known of a matrix [rows, cols] beforehand. Kernels with a length of their own, such as
// epsilon, are given it relative to `scale`, the largest singular value (1 for zero).
struct Spectrum {
  Index rows = 0;
  Index cols = 0;
  std::vector<long double> s;  // min(rows, cols) of them, descending
  double scale = 1;

  double size() const { return static_cast<double>(std::max(rows, cols)); }
  double rank_root() const { return std::sqrt(static_cast<double>(s.size())); }
  double norm() const {
    long double squares = 0;
    for (const long double v : s) squares += v * v;
    return static_cast<double>(std::sqrt(squares));
  }
};

template <class T>
struct Kernel {
  std::string name;
  std::function<Outcome(MatrixRef<T> x, double scale, Workspace<T>&)> apply;
  // f(s) of every singular value in long double.
  std::function<std::vector<long double>(const Spectrum&)> twin;
  // Of the Frobenius distance to the twin.
  std::function<double(const Spectrum&)> bound;
  // Frobenius distance of results over that of inputs, these relative to the norm of the input.
  std::function<double(const Spectrum&)> sensitivity;
  // f(c X) = c^degree f(X) where the kernel's own lengths are multiplied by c too.
  std::optional<double> degree = 0.0;
};

template <class T>
constexpr double unit() {
  return static_cast<double>(std::numeric_limits<T>::epsilon());
}

using Composition = std::vector<OddPolynomial>;

inline Composition run_of(Table table, std::int64_t count) {
  Composition steps;
  for (std::int64_t t = 0; t < count; ++t) steps.push_back(table_step(table, t, count));
  return steps;
}

inline long double evaluate(const OddPolynomial& p, long double x) {
  long double sum = 0;
  for (std::size_t k = p.terms; k-- > 0;) sum = p[k] + x * x * sum;
  return x * sum;
}

// What an error of one roundoff can have become when a composition is done, to first order, for
// values x in [0, 1]: each step adds roundings in proportion to its terms, sum |c_k| x^(2k+1), in
// every pair of singular directions, and multiplies what is there by a divided difference of p at
// the two values, (p(x) -+ p(y)) / (x -+ y). An added value 0 stands for the directions in which a
// rectangular matrix is longer; they pair with the others, not with one another.
struct Growth {
  double of_input = 0;
  double of_all = 0;
};
inline Growth growth(const Composition& steps, std::vector<long double> x) {
  x.push_back(0);
  std::vector<std::vector<double>> later(x.size(), std::vector<double>(x.size(), 1.0));
  auto total = later;
  for (const OddPolynomial& p : steps) {
    double local = 0;
    for (const long double v : x) {
      double terms = 0;
      for (std::size_t k = 0; k < p.terms; ++k) {
        terms +=
            std::abs(p[k]) * std::pow(static_cast<double>(v), 2.0 * static_cast<double>(k) + 1);
      }
      local = std::max(local, terms);
    }
    std::vector<long double> y;
    for (const long double v : x) y.push_back(evaluate(p, v));
    for (std::size_t i = 0; i < x.size(); ++i) {
      for (std::size_t j = 0; j < x.size(); ++j) {
        const long double minus = x[i] - x[j], plus = x[i] + x[j];
        const double slope = std::abs(p.derivative(static_cast<double>((x[i] + x[j]) / 2)));
        double factor = slope;
        if (std::abs(minus) > 1e-9L) {
          factor = static_cast<double>(std::abs((y[i] - y[j]) / minus));
        }
        if (plus > 0)
          factor = std::max(factor, static_cast<double>(std::abs((y[i] + y[j]) / plus)));
        later[i][j] *= factor;
        total[i][j] = total[i][j] * factor + local;
      }
    }
    x = y;
  }
  Growth result;
  for (std::size_t i = 0; i < x.size(); ++i) {
    for (std::size_t j = 0; j + 1 < x.size(); ++j) {
      result.of_input = std::max(result.of_input, later[i][j]);
      result.of_all = std::max(result.of_all, total[i][j]);
    }
  }
  return result;
}

// Polynomial steps of X / (||X||_F + eps), with eps a length of its own.
template <class T>
Kernel<T> polynomial(PolarMethod method, Table table, std::int64_t steps, double relative_eps = 0) {
  const Composition composition = run_of(table, steps);
  const double factor = table_info(table).norm_factor;
  const auto normalized = [=](const Spectrum& a) {
    const long double norm = factor * static_cast<long double>(a.norm()) + relative_eps * a.scale;
    std::vector<long double> x = a.s;
    for (long double& v : x) v = norm > 0 ? v / norm : 0;
    return x;
  };
  return {.name = std::string(enum_name(method)) + " x" + std::to_string(steps) +
                  (relative_eps > 0 ? " with eps" : ""),
          .apply =
              [=](MatrixRef<T> x, double scale, Workspace<T>& workspace) {
                return polar<T>(x,
                                {.method = method, .ns_steps = steps, .eps = relative_eps * scale},
                                workspace);
              },
          .twin =
              [=](const Spectrum& a) {
                std::vector<long double> x = normalized(a);
                for (long double& v : x) {
                  for (const auto& p : composition) v = evaluate(p, v);
                }
                return x;
              },
          // A rounding of every term a step, in each of r directions.
          .bound =
              [=](const Spectrum& a) {
                return unit<T>() * a.rank_root() * growth(composition, normalized(a)).of_all;
              },
          .sensitivity =
              [=](const Spectrum& a) { return growth(composition, normalized(a)).of_input; }};
}

// The polar factor on the numerical support.
template <class T>
Kernel<T> exact(PolarMethod method, double constant, double own_unit) {
  const auto cutoff = [](const Spectrum& a) {
    return support_cutoff<T>(a.rows, a.cols, static_cast<double>(a.s[0]), a.norm());
  };
  // The condition of the map on the support: s_max / s_min.
  const auto condition = [=](const Spectrum& a) {
    double ratio = 1;
    for (const long double s : a.s) {
      if (s > cutoff(a)) ratio = static_cast<double>(a.s[0] / s);
    }
    return ratio;
  };
  return {
      .name = std::string(enum_name(method)),
      .apply = [=](MatrixRef<T> x, double,
                   Workspace<T>& workspace) { return polar<T>(x, {.method = method}, workspace); },
      .twin =
          [=](const Spectrum& a) {
            std::vector<long double> x = a.s;
            for (long double& s : x) s = s > cutoff(a) ? 1 : 0;
            return x;
          },
      // One rounding of the result to T, and a backward error of n u times the condition of the
      // map; u is that of the arithmetic it was computed in.
      .bound =
          [=](const Spectrum& a) {
            return unit<T>() * a.rank_root() +
                   constant * a.size() * own_unit * a.rank_root() * condition(a);
          },
      .sensitivity = [=](const Spectrum& a) { return 2 * a.rank_root() * condition(a); }};
}

// About relative * scale: a power of two, which every scalar type holds and every scale keeps.
inline double epsilon_for(double relative, double scale) {
  return std::exp2(std::round(std::log2(relative * scale)));
}

inline std::vector<long double> regularized_values(const Spectrum& a, double epsilon) {
  std::vector<long double> x = a.s;
  for (long double& s : x) s = s > 0 ? s / std::hypot(s, static_cast<long double>(epsilon)) : 0;
  return x;
}

// s / sqrt(s^2 + epsilon^2) with epsilon relative to the largest singular value.
template <class T>
Kernel<T> regularized(RegularizedKernel kernel, double relative) {
  return {
      .name = std::string("regularized_polar ") +
              (kernel == RegularizedKernel::automatic ? "automatic " : "reference ") +
              std::to_string(relative),
      .apply =
          [=](MatrixRef<T> x, double scale, Workspace<T>& workspace) {
            return regularized_polar<T>(x, epsilon_for(relative, scale), workspace, kernel);
          },
      .twin =
          [=](const Spectrum& a) { return regularized_values(a, epsilon_for(relative, a.scale)); },
      // What the header promises: one rounding to T, and a decomposition in double times the
      // condition of the map, whose Lipschitz constant is 1 / epsilon; by products in float the law
      // of the header. The singular values are doubles too, which shows where they are denormal.
      .bound =
          [=](const Spectrum& a) {
            const double epsilon = epsilon_for(relative, a.scale);
            const double decomposition =
                4 * std::max(8.0, a.size()) * unit<double>() * a.scale / epsilon;
            const double grain = std::numeric_limits<double>::denorm_min() / epsilon;
            const double law = 2 * unit<T>() * (32 + a.scale / (4 * epsilon));
            if (kernel == RegularizedKernel::automatic && sizeof(T) == sizeof(float) &&
                a.s.size() > 32 && law < 1.6e-4) {
              return law * a.rank_root();
            }
            return (unit<T>() + decomposition + grain) * a.rank_root();
          },
      .sensitivity = [=](const Spectrum& a) { return a.norm() / epsilon_for(relative, a.scale); }};
}

// The same by polynomial steps on [X, epsilon I].
template <class T>
Kernel<T> regularized_by(PolarMethod method, Table table, std::int64_t steps, double relative) {
  const Composition composition = run_of(table, steps);
  struct Augmented {
    std::vector<long double> s;  // of [X, epsilon I], over its Frobenius norm
    double norm;
  };
  const auto augmented = [=](const Spectrum& a) {
    const long double epsilon = epsilon_for(relative, a.scale);
    Augmented result{a.s, 0};
    long double squares = 0;
    for (long double& s : result.s) {
      s = std::hypot(s, epsilon);
      squares += (s / a.scale) * (s / a.scale);
    }
    result.norm = static_cast<double>(a.scale * std::sqrt(squares));
    for (long double& s : result.s) s /= result.norm;
    return result;
  };
  return {.name = "regularized_polar_by " + std::string(enum_name(method)),
          .apply =
              [=](MatrixRef<T> x, double scale, Workspace<T>& workspace) {
                return regularized_polar_by<T>(x, epsilon_for(relative, scale),
                                               {.method = method, .ns_steps = steps, .eps = 0},
                                               workspace);
              },
          .twin =
              [=](const Spectrum& a) {
                const Augmented x = augmented(a);
                std::vector<long double> result;
                for (std::size_t i = 0; i < a.s.size(); ++i) {
                  long double v = x.s[i];
                  for (const auto& p : composition) v = evaluate(p, v);
                  result.push_back(v / x.s[i] * (a.s[i] / x.norm));
                }
                return result;
              },
          .bound =
              [=](const Spectrum& a) {
                return unit<T>() * a.rank_root() * growth(composition, augmented(a).s).of_all;
              },
          .sensitivity =
              [=](const Spectrum& a) { return growth(composition, augmented(a).s).of_input; }};
}

template <class T>
std::vector<Kernel<T>> kernels() {
  return {
      polynomial<T>(PolarMethod::jordan, Table::jordan, 5),
      polynomial<T>(PolarMethod::jordan, Table::jordan, 5, 0.3),
      polynomial<T>(PolarMethod::polar_express, Table::polar_express, 5),
      polynomial<T>(PolarMethod::polar_express, Table::polar_express, 9),
      polynomial<T>(PolarMethod::you, Table::you, 5),
      polynomial<T>(PolarMethod::polar_express_paper, Table::polar_express_paper, 6),
      polynomial<T>(PolarMethod::cans, Table::cans, 11),
      polynomial<T>(PolarMethod::classic, Table::classic, 12),
      exact<T>(PolarMethod::svd, 4, unit<double>()),
      exact<T>(PolarMethod::qdwh, 4, unit<T>()),
      exact<T>(PolarMethod::zolotarev, 4, unit<T>()),
      regularized<T>(RegularizedKernel::automatic, 1e-2),
      regularized<T>(RegularizedKernel::automatic, 1e-5),
      regularized<T>(RegularizedKernel::reference, 1e-2),
      regularized_by<T>(PolarMethod::polar_express, Table::polar_express, 8, 0.1),
  };
}

}  // namespace muonflow::linalg::proof

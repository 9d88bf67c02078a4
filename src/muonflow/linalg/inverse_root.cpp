#include "muonflow/linalg/inverse_root.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "muonflow/core/error.hpp"
#include "muonflow/core/parallel.hpp"
#include "muonflow/core/rng.hpp"
#include "muonflow/core/text.hpp"
#include "muonflow/linalg/detail/transpose.hpp"
#include "muonflow/linalg/eigh.hpp"
#include "muonflow/linalg/norms.hpp"
#include "muonflow/linalg/roots/coupled_root.hpp"
#include "muonflow/linalg/roots/root_interval.hpp"
#include "muonflow/linalg/roots/root_steps.hpp"
#include "muonflow/linalg/roots/top_eigenvalue.hpp"
#include "muonflow/linalg/symmetric.hpp"

namespace muonflow::linalg {
namespace {

constexpr double kDoubleUnit = std::numeric_limits<double>::epsilon();
constexpr Range kOrders{.lo = 0, .hi = 1e6, .lo_open = true};
constexpr double kMostWhole = 64;  // of p, for the iterations and the residual

bool is_whole(double p) { return p <= kMostWhole && p == std::floor(p); }

[[noreturn]] void refuse(std::string what, std::string expected, double found) {
  throw ConfigError(
      {.what = std::move(what), .expected = std::move(expected), .found = shortest(found)});
}

void check(const InverseRoot& o, Index rows, Index cols) {
  if (rows != cols) {
    throw ShapeError({.what = "inverse root",
                      .expected = "a square matrix",
                      .found = to_string(Shape{rows, cols})});
  }
  if (!kOrders.contains(o.p)) refuse("p of the inverse root", to_string(kOrders), o.p);
  if (!(o.ridge >= 0) || std::isinf(o.ridge)) {
    refuse("ridge of the inverse root", "a finite number in [0, inf)", o.ridge);
  }
  if (o.cutoff && !(*o.cutoff >= 0 && *o.cutoff < 1)) {
    refuse("cutoff of the inverse root", "[0, 1)", *o.cutoff);
  }
  const bool newton = o.method == InverseRootMethod::newton;
  const bool rational = o.method == InverseRootMethod::rational;
  if ((newton || rational) && (!is_whole(o.p) || (rational && o.p < 2))) {
    refuse("p of the inverse root by " + std::string(enum_name(o.method)),
           std::string("a whole number in ") + (newton ? "[1, 64]" : "[2, 64]"), o.p);
  }
}

// One call's data in double: the matrix times 2^-shift, so that its norm lies in [1/2, 1), its
// ridge and cutoff.
struct RootProblem {
  MatrixMap<double> matrix;  // both triangles
  double p = 2;
  double ridge = 0;  // scaled as the matrix, relative ones not yet times the largest eigenvalue
  RidgeMode ridge_mode = RidgeMode::absolute;
  double cutoff = 0;  // relative
  int shift = 0;
};

void add_to_diagonal(MatrixMap<double>& a, double value) {
  if (value != 0) a.diagonal().array() += value;
}

// root <- V diag(f) V^T. On entry `root` is ignored; on return problem.matrix holds its ridge.
Status by_eigh(RootProblem& problem, MatrixMap<double>& root, InverseRootReport& report,
               Scratch& scratch) {
  const Index n = problem.matrix.rows();
  Scratch::Frame frame(scratch);
  MatrixMap<double> vectors = frame.matrix<double>(n, n);
  const std::span<double> values = frame.values<double>(n);
  vectors = problem.matrix;
  const Outcome outcome = eigh_in_place<double>(vectors, values.data(), scratch);
  if (!outcome.ok()) return outcome.status;
  const double largest = std::max(0.0, values.back());
  const double ridge = problem.ridge * (problem.ridge_mode == RidgeMode::relative ? largest : 1.0);
  add_to_diagonal(problem.matrix, ridge);
  report = {.method = InverseRootMethod::eigh, .upper = std::max(0.0, largest + ridge)};
  for (Index i = n; i-- > 0;) {
    double value = std::max(0.0, values[static_cast<std::size_t>(i)]);
    if (ridge > 0) {
      value += ridge;
    } else if (value <= problem.cutoff * largest) {
      value = 0;
    }
    if (value > 0) {
      report.lower = value;
      ++report.rank;
    }
    // Half the power on each side: V diag(f) V^T = (V diag(f)^(1/2)) (V diag(f)^(1/2))^T.
    vectors.row(i) *= value > 0 ? std::pow(value, -0.5 / problem.p) : 0;
  }
  // The eigenvectors are rows; those that are kept stand at the end.
  const Index kept = report.rank;
  if (kept == 0) {
    root.setZero();
    return Status::ok;
  }
  MatrixMap<double> columns = frame.matrix<double>(n, kept);
  detail::transpose<double>(kept, n, vectors.row(n - kept).data(), n, columns.data(), kept);
  symmetric_product<double>(1.0, columns, 0.0, root, scratch);
  return Status::ok;
}

// False where the interval is not good enough for an iteration; problem.matrix is then as before.
bool by_iteration(RootProblem& problem, InverseRootMethod method, double accuracy,
                  MatrixMap<double>& root, InverseRootReport& report, Scratch& scratch) {
  const Index n = problem.matrix.rows();
  Scratch::Frame frame(scratch);
  MatrixMap<double> m = frame.matrix<double>(n, n);
  double ridge = problem.ridge;
  if (problem.ridge_mode == RidgeMode::relative && ridge > 0) {
    ridge *= top_eigenvalue(problem.matrix, scratch);
  }
  m = problem.matrix;
  add_to_diagonal(m, ridge);
  const double least =
      std::max(ridge > 0 ? 0 : problem.cutoff, static_cast<double>(n) * kDoubleUnit);
  const std::optional<RootInterval> interval = root_interval(m, least);
  if (!interval) return false;

  m = problem.matrix;
  add_to_diagonal(m, ridge);
  const auto family =
      method == InverseRootMethod::newton ? RootFamily::polynomial : RootFamily::rational;
  const std::vector<RootStep> steps =
      root_steps(problem.p, interval->lower, interval->upper, accuracy, family);
  if (!(steps.back().error <= accuracy)) return false;
  if (!coupled_root<double>(m, static_cast<int>(problem.p), steps, root, scratch)) return false;
  add_to_diagonal(problem.matrix, ridge);
  report = {.method = method,
            .iterations = static_cast<Index>(steps.size()),
            .rank = n,
            .lower = interval->lower,
            .upper = interval->upper};
  return true;
}

// ||x^p c - I||_F / sqrt(n) by random signs z: the mean of ||(x^p c - I) z||^2 is the square of it.
double residual_of(const ConstMatrixRef<double>& c, const ConstMatrixRef<double>& x, int p,
                   Scratch& scratch) {
  constexpr int kProbes = 4;
  const Index n = c.rows();
  Scratch::Frame frame(scratch);
  MatrixMap<double> signs = frame.matrix<double>(n, kProbes);
  MatrixMap<double> now = frame.matrix<double>(n, kProbes);
  MatrixMap<double> next = frame.matrix<double>(n, kProbes);
  Rng rng(2, 0);
  for (Index i = 0; i < n; ++i) {
    const std::uint32_t bits = rng.bits32();
    for (Index k = 0; k < kProbes; ++k) signs(i, k) = ((bits >> k) & 1U) != 0 ? 1.0 : -1.0;
  }
  const auto apply = [&](const ConstMatrixRef<double>& a) {
    constexpr Index kRowsAThread = 64;
    parallel_for(n, kRowsAThread, [&](Index begin, Index end) {
      for (Index i = begin; i < end; ++i) next.row(i).noalias() = a.row(i) * now;
    });
    now = next;
  };
  now = signs;
  apply(c);
  for (int k = 0; k < p; ++k) apply(x);
  return (now - signs).norm() / std::sqrt(static_cast<double>(n * kProbes));
}

}  // namespace

void InverseRoot::fields(FieldVisitor& v) {
  v.choice("root_method", method, "how the inverse root is computed");
  v.real("p", p, kOrders, "which root");
  v.real("ridge", ridge, kNonNegative, "added to the eigenvalues");
  v.choice("ridge_mode", ridge_mode, "the ridge itself, or times the largest eigenvalue");
  v.optional_real("cutoff", cutoff, {.lo = 0, .hi = 1, .hi_open = true},
                  "without a ridge, eigenvalues up to this part of the largest count as 0");
}

template <class T>
Outcome inverse_root(MatrixRef<T> c, const InverseRoot& options, Workspace<T>& workspace,
                     InverseRootReport* report) {
  check(options, c.rows(), c.cols());
  const Index n = c.rows();
  InverseRootReport made;
  if (n == 0) {
    if (report != nullptr) *report = made;
    return {};
  }
  Scratch::Frame frame(workspace);
  RootProblem problem{.matrix = frame.matrix<double>(n, n),
                      .p = options.p,
                      .ridge_mode = options.ridge_mode,
                      .cutoff = options.cutoff.value_or(static_cast<double>(n) *
                                                        std::numeric_limits<T>::epsilon())};
  MatrixMap<double> root = frame.matrix<double>(n, n);
  for (Index i = 0; i < n; ++i) {
    for (Index j = 0; j <= i; ++j) {
      problem.matrix(i, j) = problem.matrix(j, i) = static_cast<double>(c(i, j));
    }
  }
  const double norm = frobenius_norm<double>(problem.matrix);
  if (!std::isfinite(norm)) {
    const bool finite = all_finite<double>(problem.matrix);
    return {.status = finite ? Status::non_finite_result : Status::non_finite_input,
            .changed = false};
  }
  const bool relative = options.ridge_mode == RidgeMode::relative;
  const double size = relative ? norm : std::max(norm, options.ridge);
  problem.shift = size > 0 ? std::ilogb(size) + 1 : 0;
  // In two factors, since 2^1074 is not a double.
  const int half = problem.shift / 2;
  problem.matrix *= std::ldexp(1.0, -half);
  problem.matrix *= std::ldexp(1.0, half - problem.shift);
  problem.ridge = relative ? options.ridge : std::ldexp(options.ridge, -problem.shift);

  const InverseRootMethod method =
      options.method == InverseRootMethod::automatic ? InverseRootMethod::eigh : options.method;
  const double accuracy = sizeof(T) == sizeof(float) ? 1e-9 : kDoubleUnit;
  Status status = Status::ok;
  if (norm == 0 || method == InverseRootMethod::eigh ||
      !by_iteration(problem, method, accuracy, root, made, workspace)) {
    status = by_eigh(problem, root, made, workspace);
  }
  if (status != Status::ok) return {.status = status, .changed = false};

  if (report != nullptr) {
    if (is_whole(options.p)) {
      made.residual = residual_of(problem.matrix, root, static_cast<int>(options.p), workspace);
    }
    made.lower = std::ldexp(made.lower, problem.shift);
    made.upper = std::ldexp(made.upper, problem.shift);
  }
  const double back = std::exp2(-static_cast<double>(problem.shift) / options.p);
  const double largest = max_abs<double>(root) * back;
  if (!all_finite<double>(root) ||
      !(largest <= static_cast<double>(std::numeric_limits<T>::max()))) {
    return {.status = Status::non_finite_result, .changed = false};
  }
  if (report != nullptr) *report = made;
  c = (root * back).template cast<T>();
  return {};
}

#define MUONFLOW_INSTANTIATE(T)                                                     \
  template Outcome inverse_root<T>(MatrixRef<T>, const InverseRoot&, Workspace<T>&, \
                                   InverseRootReport*);
MUONFLOW_INSTANTIATE(float)
MUONFLOW_INSTANTIATE(double)
#undef MUONFLOW_INSTANTIATE

}  // namespace muonflow::linalg

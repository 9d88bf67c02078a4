// Twins of the rules that take more than one factor: Dion, EF-Muon and Pion.
#include <algorithm>
#include <cmath>

#include "muonflow/linalg/svd.hpp"
#include "muonflow/optim/audit/detail/products.hpp"
#include "muonflow/optim/audit/detail/scene.hpp"

namespace muonflow::optim::detail {
namespace {

using linalg::Op;

// Orthonormal columns with the span of A's, by Gram and Schmidt, each column twice. `least`: the
// smallest part of a column that was new, relative to the largest column.
Real orthonormal(const Real& A, double& least) {
  Real P = A;
  double largest = 0;
  least = 1;
  for (Index j = 0; j < P.cols(); ++j) largest = std::max(largest, A.col(j).norm());
  for (Index j = 0; j < P.cols(); ++j) {
    for (int twice = 0; twice < 2; ++twice) {
      for (Index i = 0; i < j; ++i) P.col(j) -= P.col(i).dot(P.col(j)) * P.col(i);
    }
    const double norm = P.col(j).norm();
    least = std::min(least, largest > 0 ? norm / largest : 0);
    if (norm > 0) P.col(j) /= norm;
  }
  return P;
}

// exp of a skew matrix: its Taylor series of X / 2^k, squared k times.
Real exponential(const Real& X) {
  int halvings = 0;
  for (double norm = X.norm(); norm > 0.25; norm /= 2) ++halvings;
  const Real small = X * std::ldexp(1.0, -halvings);
  Real sum = Real::Identity(X.rows(), X.cols()), term = sum;
  for (int k = 1; k <= 16; ++k) {
    term = product(term, small) / k;
    sum += term;
  }
  for (int k = 0; k < halvings; ++k) sum = product(sum, sum);
  return sum;
}

// (I - X / 2)^(-1) (I + X / 2), the inverse by Newton's iteration.
Real cayley(const Real& X) {
  const Real I = Real::Identity(X.rows(), X.cols());
  const Real A = I - X / 2;
  // A = I - X/2 is normal with singular values of at least 1, so A' / |A|^2 starts Newton well.
  const double size = A.squaredNorm();
  Real inverse = A.transpose() / size;
  for (int k = 0; k < 100; ++k) {
    const Real off = I - product(A, inverse);
    if (off.norm() < 1e-15 * static_cast<double>(X.rows())) break;
    inverse += product(inverse, off);
  }
  return product(inverse, Real(I + X / 2));
}

Real retract(const std::string& map, const Real& X) {
  if (map == "exp") return exponential(X);
  if (map == "cayley") return cayley(X);
  return Real::Identity(X.rows(), X.cols()) + X + product(X, X) / 2;
}

// One side of Pion: its moments and its generator.
Real generator(const Scene& s, const std::string& side, const Real& X, double doubt, Expected& e) {
  const double b1 = s.options.real("betas", 0), b2 = s.options.real("betas", 1);
  const double eps = s.options.real("eps");
  const Real& m0 = s.state("m_" + side, X.rows(), X.cols());
  const Real& v0 = s.state("v_" + side, X.rows(), X.cols());
  Real m = b1 * m0 + (1 - b1) * X;
  Real v = b2 * v0 + (1 - b2) * X.cwiseAbs2();
  const Real m_slack =
      rounding(s, b1 * m0.cwiseAbs() + (1 - b1) * X.cwiseAbs()).array() + (1 - b1) * doubt;
  const Real v_slack = rounding(s, b2 * v0 + (1 - b2) * X.cwiseAbs2()).array() +
                       (1 - b2) * doubt * (2 * X.cwiseAbs().array() + doubt);
  e.fields.push_back({"m_" + side, m, m_slack});
  e.fields.push_back({"v_" + side, v, v_slack});
  m = s.kept_or("m_" + side, m, m_slack);
  v = s.kept_or("v_" + side, v, v_slack);
  const auto under = (v.array().sqrt() + eps).eval();
  return (under == 0).select(0.0, -m.array() / under);
}

}  // namespace

void expect_low_rank_polar(const Scene& s, Expected& e) {
  const double mu = s.mu("mu"), eps = s.options.real("eps");
  const auto shorter = static_cast<double>(std::min(s.G.rows(), s.G.cols()));
  const auto rank = static_cast<Index>(std::ceil(s.options.real("rank_fraction") * shorter));
  const Real& Q0 = s.state("Q", s.G.cols(), rank);
  const Real M = s.state("momentum_buffer") + s.G;
  e.Q = M;
  double least = 0;
  const Real P = orthonormal(product(M, Q0), least);
  const Real R = product(Op::transpose, M, Op::none, P);
  const Real kept = M - (1 - mu) * product(Op::none, P, Op::transpose, R);
  const Vector<double> norms = R.colwise().norm().transpose();
  Real Q = R;
  for (Index j = 0; j < Q.cols(); ++j) Q.col(j) /= norms[j] + eps;
  e.D = product(Op::none, P, Op::transpose, Q);
  // Columns of M Q that nearly depend on each other turn a rounding of M into one of P that is
  // 1 / least times larger; short columns of R likewise.
  const double shortest = norms.size() ? norms.minCoeff() / std::max(norms.maxCoeff(), 1e-300) : 1;
  const auto size = static_cast<double>(std::max(M.rows(), M.cols()));
  const double root = std::sqrt(size) * s.unit;
  const double doubt = 32 * root / std::max(std::min(least, shortest), 1e-300);
  const double rms = M.norm() / std::sqrt(static_cast<double>(M.size()));
  if (!(doubt < 0.05)) {
    e.off = "columns of M Q depend on each other to rounding";
    const bool known = s.after.contains("Q");
    if (!known) return;
  } else {
    e.fields.push_back(
        {"momentum_buffer", kept,
         Real::Constant(M.rows(), M.cols(), (1 - mu) * doubt * rms * 8 + 16 * root * rms + 1e-37)});
    e.fields.push_back({"Q", Q, Real::Constant(Q.rows(), Q.cols(), 8 * doubt)});
    e.slack.setConstant(M.rows(), M.cols(),
                        doubt * e.D.norm() / std::sqrt(static_cast<double>(M.size())));
  }
  // Whatever the conditioning: columns of unit length.
  if (const auto it = s.after.find("Q"); it != s.after.end()) {
    double worst = 0;
    for (Index j = 0; j < it->second.cols(); ++j) {
      const double expected = norms[j] / (norms[j] + eps);
      if (norms[j] > 100 * eps) {
        worst = std::max(worst, std::abs(it->second.col(j).norm() - expected));
      }
    }
    e.invariants.push_back({"columns of Q have length 1", 0, worst, 64 * root});
  }
}

void expect_compensated_polar(const Scene& s, Expected& e) {
  const Average a = advance(s, e);
  const Real& E0 = s.state("error");
  const double step = s.lr * s.scale;
  const Real P = step * a.M + E0;
  auto svd = linalg::svd<double>(P);
  const double norm = P.norm(), nuclear = svd.s.sum();
  const double cutoff = cutoff_of(s, svd.s.size() ? svd.s[0] : 0, norm);
  const Index rank =
      std::count_if(svd.s.begin(), svd.s.end(), [&](double x) { return x > cutoff; });
  const bool clear = std::none_of(svd.s.begin(), svd.s.end(),
                                  [&](double x) { return x > cutoff / 32 && x < 32 * cutoff; });
  const double height = rank > 0 ? nuclear / static_cast<double>(rank) : 0;
  map_spectrum(
      s, P, [=](double x) { return x > cutoff ? height : 0; }, e, 32 * cutoff);
  e.by = 1;
  // P is made of rounded terms, each as large as M and E.
  const double sizes = step * a.M.norm() + E0.norm();
  if (norm > 0) e.spectrum->noise *= std::max(1.0, sizes / norm);
  if (!clear) {
    e.off = "a singular value of P is at the cutoff that its rank is counted by";
    return;
  }
  const double rms = e.D.norm() / std::sqrt(static_cast<double>(std::max<Index>(1, P.size())));
  double steepest = 0;
  for (const double x : svd.s) {
    if (x > cutoff) steepest = std::max(steepest, height / x);
  }
  const Real slack = Real::Constant(
      P.rows(), P.cols(), 64 * s.unit * rms + 8 * e.spectrum->noise * (1 + steepest) + 1e-37);
  e.fields.push_back({"error", P - e.D, slack + rounding(s, P.cwiseAbs() + E0.cwiseAbs())});
}

void expect_turn(const Scene& s, Expected& e) {
  const Real W = s.kept * s.W;  // decayed first
  const double size = std::sqrt(static_cast<double>(W.size()));
  const double step = s.lr * s.scale;
  const Real in = product(Op::transpose, W, Op::none, s.G);
  const Real out = product(Op::none, s.G, Op::transpose, W);
  const auto longest = static_cast<double>(std::max(W.rows(), W.cols()));
  const auto doubt = [&](const Real& x) {
    return 16 * s.unit * std::sqrt(longest) * (x.norm() / static_cast<double>(x.rows()) + 1e-37);
  };
  // The two terms of a generator cancel, so that their roundings are those of the terms.
  const double noise_in =
      doubt(in) + 8 * s.unit * W.norm() * s.G.norm() / static_cast<double>(in.rows());
  const double noise_out =
      doubt(out) + 8 * s.unit * W.norm() * s.G.norm() / static_cast<double>(out.rows());
  Real A_in = generator(s, "in", in - in.transpose(), noise_in, e);
  Real A_out = generator(s, "out", out - out.transpose(), noise_out, e);
  const bool both = s.options.text("sides") == "both";
  const bool turn_in = both || s.t % 2 == 0, turn_out = both || s.t % 2 == 1;
  Real change = Real::Zero(W.rows(), W.cols());
  if (turn_in) change += product(W, A_in);
  if (turn_out) change += product(A_out, W);
  const double alpha = s.options.real("rms") * size / (change.norm() + 1e-12);
  const auto map = s.options.text("retraction");
  Real turned = W;
  if (turn_in) turned = product(turned, retract(map, step * alpha * A_in));
  if (turn_out) turned = product(retract(map, step * alpha * A_out), turned);
  e.Q = s.G;
  e.by = step;
  e.D = step > 0 ? Real((W - turned) / step) : Real::Zero(W.rows(), W.cols());
  const double rms = e.D.norm() / size;
  double loose = 64 * s.unit * std::sqrt(longest) * rms;
  if (step > 0) loose += 8 * s.unit * std::sqrt(longest) * W.norm() / size / step;
  // Without the kept moments, the quotients of small ones are not known.
  if (s.after.empty()) loose += 1e-3 * rms;
  e.slack.setConstant(W.rows(), W.cols(), loose);
}

}  // namespace muonflow::optim::detail

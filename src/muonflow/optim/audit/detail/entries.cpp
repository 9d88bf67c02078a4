// Twins of the rules that work entry by entry, or with one norm.
#include <cmath>

#include "muonflow/optim/audit/detail/scene.hpp"

namespace muonflow::optim::detail {
namespace {

double norm_of(const Real& a) { return a.norm(); }

// sign(x), and as slack 2 where rounding decides.
void take_signs(const Real& x, const Real& uncertain, Expected& e) {
  e.D = x.unaryExpr([](double v) { return v > 0 ? 1.0 : v < 0 ? -1.0 : 0.0; });
  e.slack = (x.array().abs() <= uncertain.array())
                .select(Real::Constant(x.rows(), x.cols(), 2), Real::Zero(x.rows(), x.cols()));
}

}  // namespace

void expect_momentum(const Scene& s, Expected& e) {
  const Average a = advance(s, e);
  e.Q = a.Q;
  e.D = a.Q;
  e.slack = rounding(s, s.G_size + a.M.cwiseAbs());
}

void expect_unit(const Scene& s, Expected& e) {
  const Average a = advance(s, e);
  const double norm = norm_of(a.Q) + s.options.real("eps");
  e.Q = a.Q;
  e.D = norm > 0 ? Real(a.Q / norm) : Real(0 * a.Q);
  e.slack = rounding(s, e.D.cwiseAbs());
}

void expect_sign(const Scene& s, Expected& e) {
  const Average a = advance(s, e);
  e.Q = a.Q;
  take_signs(a.Q, rounding(s, a.part * s.G_size + a.M.cwiseAbs()), e);
  // Without nesterov the signs are those of what was kept, to the last bit.
  const bool exact = !s.options.flag("nesterov", s.claims.nesterov) && !s.after.empty();
  if (exact) e.slack.setZero();
}

void expect_lion(const Scene& s, Expected& e) {
  const double b1 = s.options.real("betas", 0), b2 = s.options.real("betas", 1);
  const Real& old = s.state("exp_avg");
  e.Q = b1 * old + (1 - b1) * s.G;
  take_signs(e.Q, rounding(s, b1 * old.cwiseAbs() + (1 - b1) * s.G_size), e);
  e.fields.push_back({"exp_avg", b2 * old + (1 - b2) * s.G,
                      rounding(s, b2 * old.cwiseAbs() + (1 - b2) * s.G_size)});
}

void expect_adam(const Scene& s, Expected& e) {
  const double b1 = s.options.real("betas", 0), b2 = s.options.real("betas", 1);
  const double eps = s.options.real("eps");
  const auto count = static_cast<double>(s.t + 1);
  const Real& m0 = s.state("exp_avg");
  const Real& v0 = s.state("exp_avg_sq");
  Real m = b1 * m0 + (1 - b1) * s.G;
  Real v = b2 * v0 + (1 - b2) * s.G.cwiseAbs2();
  const Real m_slack = rounding(s, b1 * m0.cwiseAbs() + (1 - b1) * s.G_size);
  const Real v_slack = rounding(s, b2 * v0 + (1 - b2) * s.G_size.cwiseAbs2());
  e.fields.push_back({"exp_avg", m, m_slack});
  e.fields.push_back({"exp_avg_sq", v, v_slack});
  m = s.kept_or("exp_avg", m, m_slack);
  v = s.kept_or("exp_avg_sq", v, v_slack);
  const double first = 1 / (1 - std::pow(b1, count));
  const double root = 1 / std::sqrt(1 - std::pow(b2, count));
  const auto under = (root * v.array().sqrt() + eps).eval();
  e.D = (under == 0).select(0.0, first * m.array() / under);
  // A state that is not known has rounded: what its slack makes of the quotient.
  Real doubt = 4 * s.unit * e.D.cwiseAbs();
  if (s.after.empty()) {
    const auto root_slack = root * v_slack.array() / (2 * v.array().sqrt() + 1e-300);
    doubt.array() +=
        (under == 0)
            .select(0.0, (first * m_slack.array() + e.D.array().abs() * root_slack) / under);
  }
  e.slack = 2 * doubt.array() + 1e-300;
}

void expect_column_root(const Scene& s, Expected& e) {
  const Average a = advance(s, e);
  const double b2 = s.options.real("beta2"), eps = s.options.real("eps");
  const Real& c0 = s.state("c", 1, s.G.cols());
  Real c = b2 * c0 + (1 - b2) * s.G.colwise().squaredNorm();
  const Real slack = rounding(s, b2 * c0 + (1 - b2) * s.G_size.colwise().squaredNorm());
  e.fields.push_back({"c", c, slack});
  c = s.kept_or("c", c, slack);
  e.Q = a.Q;
  e.D = a.M;
  for (Index j = 0; j < c.cols(); ++j) {
    const double under = std::sqrt(c(0, j) + eps);
    if (under > 0) {
      e.D.col(j) /= under;
    } else {
      e.D.col(j).setZero();
    }
  }
  const double norm = norm_of(e.D);
  if (norm > 0) e.D *= 0.2 * std::sqrt(static_cast<double>(e.D.size())) / norm;
  e.slack = 2 * rounding(s, e.D.cwiseAbs()).array();
}

}  // namespace muonflow::optim::detail

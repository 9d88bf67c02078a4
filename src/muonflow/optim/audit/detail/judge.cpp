#include "muonflow/optim/audit/detail/judge.hpp"

#include <algorithm>
#include <cmath>
#include <optional>

#include "muonflow/optim/audit/detail/products.hpp"

namespace muonflow::optim::detail {
namespace {

using linalg::Op;

// Steps that are smaller than this part of what they can be known to are not judged.
constexpr double kBlind = 0.3;

AuditCheck row(const Case& one, const std::string& quantity) {
  return {.rule = one.claim->route.rule, .quantity = quantity};
}

AuditCheck off(const Case& one, const std::string& quantity, const std::string& why) {
  AuditCheck check = row(one, quantity);
  check.verdict = Verdict::off;
  check.note = why;
  return check;
}

AuditCheck compared(const Case& one, const std::string& quantity, double expected, double found,
                    double bound) {
  AuditCheck check = row(one, quantity);
  check.expected = expected;
  check.found = found;
  check.bound = bound;
  check.verdict = std::abs(found - expected) <= bound ? Verdict::passed : Verdict::failed;
  return check;
}

// A tensor of the state: its relative error, and as bound the same norm of the slack.
AuditCheck of_field(const Case& one, const Composed& composed, const FieldClaim& field) {
  const std::string name = "state " + field.name;
  const auto it = one.scene.after.find(field.name);
  if (it == one.scene.after.end()) return off(one, name, "not known after the step");
  const Real& found = it->second;
  if (found.rows() != field.expected.rows() || found.cols() != field.expected.cols()) {
    auto check = compared(one, name, static_cast<double>(field.expected.size()),
                          static_cast<double>(found.size()), 0);
    check.note = "another size";
    check.verdict = Verdict::failed;
    return check;
  }
  const double size = std::max(field.expected.norm(), 1e-300);
  const Real gap = (found - field.expected).cwiseAbs();
  // An entry may be off by its slack; the row shows norms.
  const bool within = (gap.array() <= kMargin * field.slack.array()).all();
  auto check = compared(one, name, 0, gap.norm() / size, kMargin * field.slack.norm() / size);
  if (!within) {
    check.verdict = Verdict::failed;
    // One entry may be far out where the norm is not: then the row shows that entry.
    if (check.found <= check.bound) {
      Index i = 0, j = 0;
      (gap - kMargin * field.slack).maxCoeff(&i, &j);
      check.quantity += " entry (" + std::to_string(i) + ", " + std::to_string(j) + ")";
      check.expected = field.expected(i, j);
      check.found = found(i, j);
      check.bound = kMargin * field.slack(i, j);
    }
    check.note = suspect_state(one, composed, field, found);
  } else {
    check.verdict = Verdict::passed;
  }
  return check;
}

double inner(const Real& a, const Real& b) { return a.cwiseProduct(b).sum(); }

// Without the singular vectors, on the shorter side, of values that are not judged: whatever a rule
// makes of those, it must not look like a decay or a multiplier.
Real judged_part(const Expected& e, const Real& x) {
  if (!e.spectrum || (e.spectrum->judged.array() != 0).all()) return x;
  const Spectrum& p = *e.spectrum;
  const Vector<double> out = (p.judged.array() == 0).cast<double>();
  if (x.rows() <= x.cols()) {
    const Real along = out.asDiagonal() * product(Op::transpose, p.U, Op::none, x);
    return x - product(p.U, along);
  }
  const Real along = product(Op::none, x, Op::transpose, p.Vt) * out.asDiagonal();
  return x - product(along, p.Vt);
}

// What the map makes of a rounding, at most.
double steepest(const Spectrum& p) {
  double most = 0;
  for (Index i = 0; i < p.s.size(); ++i) {
    most = std::max({most, std::abs(p.slope[i]), p.s[i] > 0 ? std::abs(p.f[i] / p.s[i]) : 0});
  }
  return most;
}

Fit fit(const Case& one, const Expected& e) {
  Fit f;
  const Real& W = one.scene.W;
  const Real change = one.W1 - W;
  const double kept = one.decay * e.shrink;
  f.b_per_scale = one.decay_first ? 1 : one.decay;
  f.a_expected = 1 - kept;
  f.b_expected = e.by * f.b_per_scale;
  f.C = W;
  if (one.cautious_decay) {
    // Entries that the step would take away from 0 do not decay.
    const Real at = one.decay_first ? W : Real(W - e.by * e.D);
    const auto stays = ((e.D.array() * at.array()) < 0).eval();
    f.C = stays.select(Real::Zero(W.rows(), W.cols()), at);
    if (!one.decay_first) f.b_per_scale = 1;
    f.b_expected = e.by * f.b_per_scale;
  }
  f.noise =
      4 * one.scene.unit *
      (W.cwiseAbs().cwiseMax(one.W1.cwiseAbs()) + std::abs(f.b_expected) * e.D.cwiseAbs()).norm();
  if (one.cautious_decay) {
    // Entries of D whose sign is a matter of rounding decay or do not.
    const auto count = static_cast<double>(e.D.size());
    double unsure = e.D.norm() / std::sqrt(count) * (e.spectrum ? kMargin * e.spectrum->kernel : 0);
    if (e.spectrum) unsure += kMargin * e.spectrum->noise * steepest(*e.spectrum);
    const auto open = (e.D.array().abs() <= unsure + kMargin * e.slack.array()).eval();
    f.noise += f.a_expected * open.select(W, Real::Zero(W.rows(), W.cols())).norm();
  }
  const Real C = judged_part(e, f.C), D = judged_part(e, e.D), X = judged_part(e, change);
  const double cc = C.squaredNorm(), dd = D.squaredNorm(), cd = inner(C, D);
  const double xc = -inner(X, C), xd = -inner(X, D);
  const double det = cc * dd - cd * cd;
  // Weights of a norm and their steps may both be nearly constant: then decay and step cannot be
  // told apart, and the decay is taken for right.
  constexpr double kLeastSine = 0.1;
  f.fitted = det > kLeastSine * kLeastSine * cc * dd && cc > 0 && dd > 0;
  if (f.fitted) f.sine = std::sqrt(det / (cc * dd));
  if (f.fitted) {
    f.a = (xc * dd - xd * cd) / det;
    f.b = (xd * cc - xc * cd) / det;
  } else {
    f.a = f.a_expected;
    f.b = dd > 0 ? (xd - f.a * cd) / dd : f.b_expected;
  }
  f.residual = change + f.a * f.C + f.b * e.D;
  f.left_over = (X + f.a * C + f.b * D).norm();
  return f;
}

struct Gap {
  double error = 0, bound = 0, judged = 1;
};

// The residual in the singular bases of Q, where a rounding of Q is spread by a known amount: entry
// (i, j) by the difference quotients (f_i - f_j) / (s_i - s_j) and (f_i + f_j) / (s_i + s_j).
// Entries that rounding leaves open are not judged.
Gap spectral_gap(const Expected& e, const Fit& f) {
  const Spectrum& p = *e.spectrum;
  const double b = std::max(std::abs(f.b), std::abs(f.b_expected));
  const Index m = f.residual.rows(), n = f.residual.cols(), r = p.s.size();
  const Real left = product(Op::transpose, p.U, Op::none, f.residual);  // [r, n]
  const Real inside = product(Op::none, left, Op::transpose, p.Vt);     // [r, r]
  const Real right = product(Op::none, f.residual, Op::transpose, p.Vt);
  const auto count = static_cast<double>(m * n);
  const double rms = e.D.norm() / std::sqrt(std::max(count, 1.0));
  const double entry =
      p.kernel * rms + f.noise / std::sqrt(count) / b + e.slack.norm() / std::sqrt(count);
  const double top = p.f.cwiseAbs().maxCoeff();
  Gap gap;
  double squares = 0, allowed = 0, diagonal = 0;
  const auto take = [&](double value, double spread, double entries, bool known) {
    const double may = entry + p.noise * spread;
    // Open: the entry could be off by a good part of what a singular value of D is.
    if (!known || may * std::sqrt(entries) > 0.05 * top) return false;
    squares += value * value;
    allowed += entries * may * may;
    return true;
  };
  for (Index i = 0; i < r; ++i) {
    for (Index j = 0; j < r; ++j) {
      const double si = p.s[i], sj = p.s[j], fi = p.f[i], fj = p.f[j];
      const bool close = std::abs(si - sj) <= 1e-4 * (si + sj);
      const double minus = close ? p.slope[i] : (fi - fj) / (si - sj);
      const double plus = si + sj > 0 ? (fi + fj) / (si + sj) : p.slope[i];
      const bool known = p.judged[i] != 0 && p.judged[j] != 0;
      const double spread =
          std::max({std::abs(minus), std::abs(plus), i == j ? std::abs(p.slope[i]) : 0.0});
      const bool taken = take(inside(i, j) / b, spread, 1, known);
      if (i == j && taken) diagonal += 1;
    }
    // What leaves the singular bases: of the longer side only.
    const double spread = p.s[i] > 0 ? std::abs(p.f[i] / p.s[i]) : std::abs(p.slope[i]);
    const bool known = p.judged[i] != 0;
    if (n > r) {
      const double outside = left.row(i).squaredNorm() - inside.row(i).squaredNorm();
      take(std::sqrt(std::max(0.0, outside)) / b, spread, static_cast<double>(n - r), known);
    }
    if (m > r) {
      const double outside = right.col(i).squaredNorm() - inside.col(i).squaredNorm();
      take(std::sqrt(std::max(0.0, outside)) / b, spread, static_cast<double>(m - r), known);
    }
  }
  const double size = std::max(e.D.norm(), 1e-300);
  gap.error = std::sqrt(squares) / size;
  gap.bound = kMargin * std::sqrt(allowed) / size;
  gap.judged = r > 0 ? diagonal / static_cast<double>(r) : 1;
  return gap;
}

Gap entry_gap(const Expected& e, const Fit& f) {
  const double b = std::max(std::abs(f.b), std::abs(f.b_expected));
  const double size = std::max(e.D.norm(), 1e-300);
  // Entries that may be anything are left out.
  const double top = e.D.cwiseAbs().maxCoeff();
  const auto open = (e.slack.array() > 0.05 * std::max(top, 1e-300)).eval();
  Gap gap;
  const Real judged = open.select(Real::Zero(e.D.rows(), e.D.cols()), f.residual);
  const Real slack = open.select(Real::Zero(e.D.rows(), e.D.cols()), e.slack);
  gap.error = judged.norm() / (b * size);
  gap.bound = kMargin * (slack.norm() + f.noise / b) / size;
  gap.judged = 1 - static_cast<double>(open.count()) / static_cast<double>(e.D.size());
  return gap;
}

// sqrt(mean over i of (f_i^2 - 1)^2): |D D' - I|_F / sqrt(r) by the shorter side.
double polar_error(const Real& D) {
  const Real gram = D.rows() <= D.cols() ? left_gram(D) : right_gram(D);
  return (gram - Real::Identity(gram.rows(), gram.cols())).norm() /
         std::sqrt(static_cast<double>(gram.rows()));
}

void judge_polar(const Case& one, const Composed& composed, const Fit& f, const Gap& gap,
                 std::vector<AuditCheck>& checks) {
  const Expected& e = composed.expected;
  const Spectrum& p = *e.spectrum;
  if (gap.judged < 1) {
    const std::string why = "singular values at the cutoff of the numerical support";
    checks.push_back(off(one, "polar error", why));
    checks.push_back(off(one, "dual gap", why));
    return;
  }
  const auto r = static_cast<double>(p.s.size());
  const double sign = f.b < 0 ? -1 : 1;
  const double b = std::abs(f.b) > 1e-3 * std::abs(f.b_expected) ? std::abs(f.b) : f.b_expected;
  const Real D = e.D - sign * f.residual / b;
  const double size = e.D.norm();
  // |D - claimed|_F at most; a step that was shrunk shows its rounding enlarged.
  const double off_by = gap.bound * size * std::max(1.0, std::abs(f.b_expected) / b);
  double expected = 0;
  for (const double x : p.f) expected += (x * x - 1) * (x * x - 1);
  const double top = std::max(1.0, p.f.cwiseAbs().maxCoeff());
  auto polar = compared(one, "polar error", std::sqrt(expected / r), polar_error(D),
                        3 * top * off_by / std::sqrt(r) + 1e-9);
  const double nuclear = p.s.sum();
  AuditCheck dual = off(one, "dual gap", "the momentum is zero");
  if (nuclear > 0) {
    const double claimed = 1 - p.s.dot(p.f) / nuclear;
    const Real Q = p.U * p.s.asDiagonal() * p.Vt;
    dual = compared(one, "dual gap", claimed, 1 - inner(Q, D) / nuclear,
                    off_by * p.s.norm() / nuclear + 1e-9);
  }
  for (auto* check : {&polar, &dual}) {
    if (check->verdict == Verdict::failed) check->note = suspect_direction(one, composed, f);
  }
  checks.push_back(std::move(polar));
  checks.push_back(std::move(dual));
}

// b in the units of the claim: learning rate times schedule times shape.
AuditCheck of_scale(const Case& one, const Composed& composed, const Fit& f, const Gap& gap) {
  const Expected& e = composed.expected;
  const auto count = static_cast<double>(e.D.size());
  const double relative = std::min(gap.bound / f.sine, 2e-3) + 16 * one.scene.unit;
  const double spread = kMargin * f.noise / (e.D.norm() * std::sqrt(count)) / f.sine;
  auto scale = compared(one, "scale", f.b_expected / f.b_per_scale, f.b / f.b_per_scale,
                        relative * std::abs(f.b_expected) + 4 * spread);
  if (scale.verdict == Verdict::failed) scale.note = suspect_scale(one, composed, f);
  return scale;
}

// None where nothing decays and nothing could.
std::optional<AuditCheck> of_decay(const Case& one, const Expected& e, const Fit& f,
                                   const Gap& gap) {
  if (!f.fitted) {
    if (f.a_expected == 0) return {};
    return off(one, "decay",
               f.C.norm() == 0 ? "what decays is zero" : "W and the step are parallel");
  }
  const auto count = static_cast<double>(e.D.size());
  const double b = std::max(std::abs(f.b), std::abs(f.b_expected));
  // The residual is not of the direction alone: by chance a 1 / sqrt(entries) part of it lies along
  // W, and 32 times that hardly ever, though trained weights are of a lower rank than their entries
  // are many.
  const double open = f.noise + std::min(gap.bound, 1.0) * b * e.D.norm() / kMargin;
  const double leak = 32 * std::max(open, f.left_over) / (std::sqrt(count) * f.C.norm() * f.sine);
  auto decay = compared(one, "decay", f.a_expected, f.a, 4 * one.scene.unit + leak);
  if (decay.verdict == Verdict::failed) decay.note = suspect_decay(one, f);
  return decay;
}

void judge_unmoved(const Case& one, std::vector<AuditCheck>& checks, const std::string& why) {
  const double moved = (one.W1 - one.scene.W).norm();
  auto check = compared(one, "weights stay", 0, moved, 0);
  check.note = why;
  checks.push_back(std::move(check));
}

}  // namespace

std::vector<AuditCheck> judge(const Case& one) {
  Composed composed;
  try {
    composed = compose(one.claim->route.resolved, one.scene);
  } catch (const MissingState& missing) {
    auto check = compared(one, "state " + missing.name,
                          static_cast<double>(missing.rows * missing.cols), 0, 0);
    check.verdict = Verdict::failed;
    check.note = missing.found.empty() ? "missing"
                                       : "of shape " + missing.found + " in place of " +
                                             to_string(Shape{missing.rows, missing.cols});
    return {std::move(check)};
  }
  const Expected& e = composed.expected;
  std::vector<AuditCheck> checks;
  // Averages of squares, wherever they come from.
  for (const auto& [name, value] : one.scene.before) {
    const auto last = name.substr(name.rfind('.') + 1);
    const bool squares = last == "exp_avg_sq" || last == "second_momentum" || last == "v_in" ||
                         last == "v_out" || last == "c";
    if (!squares || value.size() == 0 || value.minCoeff() >= 0) continue;
    auto check = compared(one, "state " + name + " before the step", 0, value.minCoeff(), 0);
    check.note = "an average of squares is not negative";
    checks.push_back(std::move(check));
  }
  for (const auto& field : e.fields) checks.push_back(of_field(one, composed, field));
  for (const auto& i : e.invariants) {
    checks.push_back(compared(one, i.quantity, i.expected, i.found, i.bound));
  }
  if (e.skip) {
    judge_unmoved(one, checks, "a step that only prepares the state");
    return checks;
  }
  if (!e.off.empty() || e.D.size() == 0) {
    checks.push_back(off(one, "direction", e.off));
    return checks;
  }
  const Fit f = fit(one, e);
  if (!std::isfinite(f.b) || !std::isfinite(f.residual.squaredNorm())) {
    auto check =
        compared(one, "size of the change", std::abs(f.b_expected) * e.D.cwiseAbs().maxCoeff(),
                 (one.W1 - one.scene.W).cwiseAbs().maxCoeff(), 0);
    check.note = suspect_direction(one, composed, f);
    checks.push_back(std::move(check));
    return checks;
  }
  const double b = std::max(std::abs(f.b), std::abs(f.b_expected));
  if (e.D.norm() == 0 || f.b_expected == 0) {
    // Nothing but decay may have moved the weights.
    const double size = std::max(one.scene.W.norm(), 1e-300);
    const Real gap = one.W1 - one.scene.W + f.a_expected * f.C;
    checks.push_back(
        compared(one, "step without a direction", 0, gap.norm() / size, kMargin * f.noise / size));
    return checks;
  }
  const Gap gap = e.spectrum ? spectral_gap(e, f) : entry_gap(e, f);
  if (gap.bound > kBlind || gap.judged < 0.5) {
    // A wrong step can be far larger than a right one that is below the rounding of the weights.
    const double size = one.W1.cwiseAbs().cwiseMax(one.scene.W.cwiseAbs()).norm();
    const Real all = one.W1 - one.scene.W + f.a_expected * f.C + f.b_expected * e.D;
    checks.push_back(off(one, "direction",
                         gap.bound > kBlind ? "rounding of weights and state leaves it open"
                                            : "most of it is open to rounding"));
    checks.push_back(
        compared(one, "size of the change", 0, all.norm() / std::max(size, 1e-300),
                 kMargin * (f.noise + f.b_expected * e.D.norm()) / std::max(size, 1e-300)));
    return checks;
  }
  auto direction = compared(one, "direction", 0, gap.error, gap.bound);
  if (direction.verdict == Verdict::failed) {
    direction.note = suspect_direction(one, composed, f);
  } else if (gap.judged < 1) {
    direction.note = std::to_string(static_cast<int>(100 * gap.judged)) +
                     "% of it, the rest is open to rounding";
  }

  AuditCheck scale = of_scale(one, composed, f, gap);
  std::optional<AuditCheck> decay = of_decay(one, e, f, gap);
  // Which is nearest to the cause? A decay that came after the step shrinks the step too, by as
  // much; and a direction that is off by far less than the multiplier is not what is wrong.
  const double off_by = std::abs(f.b - f.b_expected) / b;
  const bool decay_first = decay && decay->verdict == Verdict::failed &&
                           off_by <= 2 * std::abs(f.a - f.a_expected) &&
                           direction.verdict == Verdict::passed;
  const bool scale_first =
      !decay_first && scale.verdict == Verdict::failed && gap.error < 0.01 * off_by;
  if (decay_first) checks.push_back(*decay);
  if (scale_first) checks.push_back(scale);
  if (e.orthogonal && e.spectrum) judge_polar(one, composed, f, gap, checks);
  checks.push_back(std::move(direction));
  if (!scale_first) checks.push_back(std::move(scale));
  if (decay && !decay_first) checks.push_back(std::move(*decay));
  return checks;
}

}  // namespace muonflow::optim::detail

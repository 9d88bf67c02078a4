// What a fault looks like: the twins are asked for the steps that well-known mistakes would make,
// and one that fits what was found gives the fault its name. A guess, made only after a failure.
#include <algorithm>
#include <cmath>
#include <utility>

#include "muonflow/core/text.hpp"
#include "muonflow/linalg/polar.hpp"
#include "muonflow/optim/audit/detail/judge.hpp"
#include "muonflow/optim/audit/detail/polar_steps.hpp"

namespace muonflow::optim::detail {
namespace {

bool near(double found, double candidate, double relative = 2e-3) {
  return std::abs(found - candidate) <= relative * std::abs(candidate);
}

// |found - candidate| is small against |found - expected|, and against the candidate.
bool fits(const Real& found, const Real& expected, const Real& candidate) {
  if (candidate.rows() != found.rows() || candidate.cols() != found.cols()) return false;
  const double gap = (found - candidate).norm();
  return gap <= 0.02 * (found - expected).norm() && gap <= 0.02 * found.norm();
}

// found is a multiple of the candidate.
bool parallel(const Real& found, const Real& candidate) {
  if (candidate.rows() != found.rows() || candidate.cols() != found.cols()) return false;
  const double length = candidate.squaredNorm();
  if (!(length > 0) || found.norm() == 0) return false;
  const double by = found.cwiseProduct(candidate).sum() / length;
  return (found - by * candidate).norm() <= 5e-3 * found.norm();
}

// Rows of the step that are zero where others are not.
std::string rows_that_stayed(const Real& step, const Real& claimed) {
  const double rms = step.norm() / std::sqrt(static_cast<double>(step.rows()));
  Index first = -1, last = -1, count = 0, zero = 0;
  for (Index i = 0; i < step.rows(); ++i) {
    zero += claimed.row(i).isZero(0);
    if (step.row(i).norm() > 1e-4 * rms || claimed.row(i).isZero(0)) continue;
    if (first < 0) first = i;
    last = i;
    ++count;
  }
  if (count == 0 || count + zero == step.rows()) return "";
  return std::to_string(count) + " of " + std::to_string(step.rows()) + " rows did not move, " +
         std::to_string(first) + " to " + std::to_string(last) + " among them";
}

// The direction under a scene that differs in one thing.
bool direction_under(const Case& one, Scene scene, const Real& found) {
  scene.after.clear();
  try {
    const Composed other = compose(one.claim->route.resolved, std::move(scene));
    return other.expected.off.empty() && parallel(found, other.expected.D);
  } catch (const std::exception&) {
    return false;
  } catch (const MissingState&) {
    return false;
  }
}

// A twin of the claimed rule with options changed; transforms are left out.
bool rule_under(const Composed& composed, const Real& found,
                const std::function<void(Scene&)>& change) {
  Scene scene = composed.scene;
  scene.after.clear();
  change(scene);
  try {
    const Expected other = expect(scene);
    return other.off.empty() && parallel(found, other.D);
  } catch (const std::exception&) {
    return false;
  } catch (const MissingState&) {
    return false;
  }
}

// Another order of a quintic's coefficients.
std::string order_of_coefficients(const Composed& composed, const Real& found) {
  const Expected& e = composed.expected;
  if (!e.spectrum || e.polar_method.empty()) return "";
  const auto& p = *e.spectrum;
  const auto steps =
      polar_steps(e.polar_method,
                  static_cast<std::int64_t>(composed.scene.options.maybe("ns_steps").value_or(-1)));
  if (steps.empty() || e.Q.norm() == 0) return "";
  static constexpr std::array<std::array<int, 3>, 5> kOrders{
      {{0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}}};
  for (const auto& order : kOrders) {
    Vector<double> x = p.s / e.Q.norm();
    for (const auto& step : steps) {
      const std::array<double, 3> c{step.a, step.b, step.c};
      const auto at = [&](std::size_t k) { return c[static_cast<std::size_t>(order[k])]; };
      const PolarStep other{at(0), at(1), at(2)};
      for (double& value : x) value = other(value);
    }
    if (!x.allFinite()) continue;
    if (parallel(found, p.U * x.asDiagonal() * p.Vt))
      return "as if the coefficients were in another order";
  }
  auto backwards = steps;
  std::reverse(backwards.begin(), backwards.end());
  Vector<double> x = p.s / e.Q.norm();
  for (const auto& step : backwards) {
    for (double& value : x) value = step(value);
  }
  if (x.allFinite() && parallel(found, p.U * x.asDiagonal() * p.Vt)) {
    return "as if the steps were taken in the reverse order";
  }
  return "";
}

}  // namespace

std::string suspect_state(const Case& one, const Composed& composed, const FieldClaim& field,
                          const Real& found) {
  const Scene& s = composed.scene;
  const auto old = s.before.find(field.name);
  const auto is = [&](const Real& candidate) { return fits(found, field.expected, candidate); };
  if (old != s.before.end() && is(old->second)) return "it did not move";
  if (is(s.G)) return "it is the gradient itself";
  if (composed.expected.Q.size() && is(composed.expected.Q)) {
    return "it is what the rule made of it, the combination one step ahead";
  }
  if (composed.expected.D.size() && is(composed.expected.D)) {
    return "it is the direction: the buffer was worked on in place";
  }
  if (old == s.before.end() || old->second.rows() != s.G.rows() ||
      old->second.cols() != s.G.cols()) {
    return "";
  }
  const Real& M = old->second;
  const bool squares = field.name.find("sq") != field.name.npos;
  double keeps = -1, takes = 0;
  if (field.name.ends_with("momentum_buffer") && s.options.has("momentum")) {
    keeps = s.mu();
    const bool sum = s.claims.memory == Memory::by_form && s.options.text("momentum_form") == "sum";
    takes = sum ? 1 : 1 - keeps;
  } else if (s.options.has("betas")) {
    keeps = s.options.real("betas", squares || s.claims.direction == Direction::lion ? 1 : 0);
    takes = 1 - keeps;
  }
  if (keeps < 0) return "";
  const Real G = squares ? Real(s.G.cwiseAbs2()) : s.G;
  const Real raw = squares ? Real(one.raw.cwiseAbs2()) : one.raw;
  if (is(keeps * M + takes * raw) && one.claim->clip != 1) return "it saw the gradient unclipped";
  if (one.claim->route.weight_decay != 0 &&
      is(keeps * M + takes * (one.raw + one.claim->route.weight_decay * s.W))) {
    return "as if the weight decay were in the gradient";
  }
  if (is(keeps * M)) return "it did not see the gradient";
  if (is(keeps * M + 2 * takes * G)) return "it saw the gradient twice";
  if (is(keeps * (keeps * M + takes * G) + takes * G)) return "it took two steps";
  if (takes != 1 && is(keeps * M + G)) return "as if it were a sum, not an average";
  if (takes == 1 && is(keeps * M + (1 - keeps) * G)) return "as if it were an average, not a sum";
  if (is(takes * M + keeps * G)) return "as if its weights were exchanged";
  if (is(keeps * M - takes * G)) return "as if the gradient had the other sign";
  if (one.micro.size() > 1) {
    const auto count = static_cast<double>(one.micro.size());
    if (is(keeps * M + takes * count * G))
      return "it saw the sum of the micro-batches, not the mean";
    Real chain = M, scaled = M;
    for (const auto& g : one.micro) {
      chain = keeps * chain + takes * g;
      scaled = keeps * scaled + takes / count * g;
    }
    if (is(chain) || is(scaled)) return "as if there were a step for each micro-batch";
    for (const auto& g : one.micro) {
      if (is(keeps * M + takes * g) || is(keeps * M + takes / count * g)) {
        return "it saw one micro-batch only";
      }
    }
  }
  // A multiple of the gradient that explains it all.
  const Real rest = found - keeps * M;
  if (parallel(rest, G)) {
    const double by = rest.cwiseProduct(G).sum() / G.squaredNorm();
    return "as if the gradient weighed " + shortest(by) + " in place of " + shortest(takes);
  }
  if (G.rows() == G.cols() && parallel(rest, G.transpose()))
    return "it saw the gradient transposed";
  return "it is not made of this gradient";
}

std::string suspect_direction(const Case& one, const Composed& composed, const Fit& f) {
  const Expected& e = composed.expected;
  const Scene& s = composed.scene;
  // The change without its decay, whatever its size.
  Real found = -(one.W1 - one.scene.W + f.a_expected * f.C);
  if (found.isZero(0)) return "nothing was applied";
  found /= found.cwiseAbs().maxCoeff();
  if (auto stayed = rows_that_stayed(found, e.D); !stayed.empty()) return stayed;
  const bool spectral = e.spectrum.has_value() ||
                        s.claims.direction == Direction::row_scaled_polar ||
                        s.claims.direction == Direction::entry_scaled_polar;
  if (s.claims.direction != Direction::momentum && e.Q.size() && parallel(found, e.Q)) {
    return spectral ? "not orthogonalized: it is the momentum itself" : "it is the momentum itself";
  }
  if (s.claims.direction != Direction::momentum && parallel(found, s.G)) {
    return "it is the gradient itself";
  }
  if (e.D.rows() == e.D.cols() && parallel(found, e.D.transpose())) return "it is transposed";
  if (s.claims.direction != Direction::sign && e.Q.size() &&
      parallel(found, e.Q.unaryExpr([](double x) { return x > 0   ? 1.0
                                                          : x < 0 ? -1.0
                                                                  : 0.0; }))) {
    return "it is the sign of the momentum";
  }
  if (s.claims.nesterov || s.options.has("nesterov")) {
    const bool ahead = s.options.flag("nesterov", s.claims.nesterov);
    const bool other = rule_under(composed, found, [&](Scene& scene) {
      scene.claims.nesterov = !ahead;
      scene.options.set("nesterov", !ahead);
    });
    if (other) return ahead ? "as if without nesterov" : "as if with nesterov";
  }
  if (auto order = order_of_coefficients(composed, found); !order.empty()) return order;
  if (s.options.has("polar")) {
    for (const auto name : EnumNames<linalg::PolarMethod>::names) {
      if (name == s.options.text("polar")) continue;
      if (rule_under(composed, found, [&](Scene& scene) { scene.options.set("polar", name); })) {
        return "as if polar were " + std::string(name);
      }
    }
  }
  if (s.options.has("ns_steps") || !e.polar_method.empty()) {
    const auto own = s.options.maybe("ns_steps").value_or(e.polar_method == "turbo" ? 4 : 5);
    for (int steps = 0; steps <= 12 && s.options.has("ns_steps"); ++steps) {
      if (steps == static_cast<int>(own)) continue;
      if (rule_under(composed, found,
                     [&](Scene& scene) { scene.options.set("ns_steps", steps); })) {
        return "as if ns_steps were " + std::to_string(steps);
      }
    }
  }
  Scene fresh = one.scene;
  bool past = false;
  for (auto& [name, value] : fresh.before) {
    if (!name.ends_with("momentum_buffer") && name != "exp_avg") continue;
    past = past || !value.isZero(0);
    value.setZero();
  }
  if (past && direction_under(one, fresh, found)) return "as if the momentum had been zero";
  if (const double wd = one.claim->route.weight_decay; wd != 0) {
    const Real all = one.scene.W - one.W1;
    Scene coupled = one.scene;
    coupled.G += (one.decay == 1 ? -wd : wd) * one.scene.W;
    if (direction_under(one, coupled, all)) {
      return one.decay == 1 ? "as if the decay were not in the gradient"
                            : "as if the decay were in the gradient";
    }
  }
  if (s.options.has("eps")) {
    if (rule_under(composed, found, [](Scene& scene) { scene.options.set("eps", 0.0); })) {
      return "as if eps were 0";
    }
  }
  if (s.claims.direction == Direction::adam && e.Q.size() == 0) {
    const Real& v0 = s.state("exp_avg_sq");
    const double b1 = s.options.real("betas", 0), b2 = s.options.real("betas", 1);
    const Real M = b1 * s.state("exp_avg") + (1 - b1) * s.G;
    const Real V = b2 * v0 + (1 - b2) * s.G.cwiseAbs2();
    const double eps = s.options.real("eps");
    const auto steps = static_cast<double>(s.t + 1);
    const double under = 1 - std::pow(b2, steps);
    const auto quotient = [&](const auto& root) { return Real(M.array() / root); };
    if (parallel(found, quotient((V.array() / under + eps).sqrt())))
      return "as if eps were under the root";
    if (parallel(found, quotient(V.array().sqrt() + eps))) return "as if without bias correction";
    if (parallel(found, quotient((v0.array() / under).sqrt() + eps))) {
      return "as if the second moment had not seen the gradient";
    }
  }
  return "";
}

std::string suspect_scale(const Case& one, const Composed& composed, const Fit& f) {
  const auto& route = one.claim->route;
  const double ratio = f.b / f.b_expected;
  const double schedule = one.claim->schedule, lr = one.scene.lr;
  if (std::abs(ratio) < 1e-6) return "nothing was applied";
  if (near(ratio, -1)) return "the sign is flipped";
  const double D = composed.expected.D.norm();
  const auto describe = [&](double x) -> std::string {
    if (schedule != 1 && schedule > 0) {
      if (near(x, 1 / schedule)) return "as if the schedule were ignored";
      if (near(x, schedule)) return "as if the schedule entered twice";
    }
    if (route.lr > 0 && (near(x, lr) || near(x, route.lr))) {
      return "as if the learning rate entered twice";
    }
    if (lr > 0 && near(x, 1 / lr)) return "as if the learning rate were left out";
    const double own = one.scene.scale;
    const auto m = static_cast<double>(one.rows), n = static_cast<double>(one.cols);
    const double turned = scale_of(route.resolved.adjust_lr, one.cols, one.rows);
    if (!near(turned, own) && near(x * own, turned)) {
      return "as if the shape scale were that of the transposed matrix";
    }
    if (!near(own, 1) && near(x * own, 1)) return "as if without the shape scale";
    if (!near(own, 1) && near(x, own)) return "as if the shape scale entered twice";
    for (const auto scale : {Scale::original, Scale::match_rms_adamw, Scale::spectral}) {
      const double other = scale_of(scale, one.rows, one.cols);
      if (!near(other, own) && near(x * own, other)) {
        return "as if adjust_lr were " + std::string(enum_name(scale));
      }
    }
    if (m != n && near(x, std::sqrt(n / m) / std::sqrt(m / n))) {
      return "as if the shape's factor were that of the transposed matrix";
    }
    const auto& o = one.scene.options;
    const auto debias = [](double beta, double steps) { return 1 - std::pow(beta, steps); };
    const auto steps = static_cast<double>(one.scene.t + 1);
    if (o.has("betas")) {
      const double first = debias(o.real("betas", 0), steps);
      const double root = std::sqrt(debias(o.real("betas", 1), steps));
      if (near(x, first / root)) return "as if without bias correction";
      if (near(x, first)) return "as if without the bias correction of the first moment";
      if (near(x, 1 / root)) return "as if without the bias correction of the second moment";
    }
    const auto micro = static_cast<double>(one.claim->micro_batches);
    if (micro > 1 && near(x, micro)) return "as if the gradient were a sum of micro-batches";
    if (micro > 1 && near(x, 1 / micro)) return "as if the mean were taken twice";
    if (near(x, 2)) return "as if it were applied twice";
    return "";
  };
  if (auto text = describe(ratio); !text.empty()) return text;
  if (auto text = describe(-ratio); !text.empty()) return "the sign is flipped, and " + text;
  if (ratio > 0 && ratio < 1) {
    const double applied = f.b * D, direction = ratio * D;
    if (one.claim->clip_norm) {
      const double most = *one.claim->clip_norm;
      if (near(applied, most) || near(direction, most)) {
        return "clipped to a norm of " + shortest(most) + " after the rule";
      }
    }
    if (one.claim->clip != 1 && near(ratio, one.claim->clip)) {
      return "shrunk after the rule by the factor that clips the gradient";
    }
    char text[96];
    std::snprintf(text, sizeof text, "shrunk after the rule: |D| is %.4g in place of %.4g",
                  direction, D);
    return text;
  }
  return "";
}

std::string suspect_decay(const Case& one, const Fit& f) {
  const auto& route = one.claim->route;
  const double wd = route.weight_decay, lr = one.scene.lr, schedule = one.claim->schedule;
  const double kept = one.decay;
  // The rule's own shrinking, if any, is in both.
  const double extra = 1 - (1 - f.a) / ((1 - f.a_expected) / kept);
  if (wd == 0) return "there should be none";
  const auto is = [&](double candidate) { return near(extra, candidate, 0.02); };
  if (std::abs(extra) < 0.02 * std::abs(1 - kept)) return "it was left out";
  if (is(1 - kept * kept)) return "it was applied twice";
  if (is(wd)) return "as if it were not multiplied by the learning rate";
  if (is(route.lr * wd)) return "as if its schedule were ignored";
  if (is(schedule * wd)) return "as if it were independent of the learning rate";
  if (is(lr * schedule * wd)) return "as if it were corrected by the schedule";
  if (is(lr * lr * wd)) return "as if the learning rate entered twice";
  if (is(lr * one.scene.scale * wd)) return "as if the shape scale were in it";
  if (is(kept - 1)) return "its sign is flipped";
  return "";
}

}  // namespace muonflow::optim::detail

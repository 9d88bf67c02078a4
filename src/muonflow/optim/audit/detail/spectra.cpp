// Twins of the rules that act on singular values, by an SVD in double.
#include <algorithm>
#include <cmath>
#include <limits>

#include "muonflow/core/error.hpp"
#include "muonflow/linalg/svd.hpp"
#include "muonflow/optim/audit/detail/polar_steps.hpp"
#include "muonflow/optim/audit/detail/scene.hpp"

namespace muonflow::optim::detail {
namespace {

// Rounding of a map by products, relative to |D|: the kernels' own tolerance is 512 roundoffs
// (linalg/polar/newton_schulz.hpp), taken 8 times.
constexpr double kKernelRounding = 4096;

bool is_exact(std::string_view method) {
  return method == "qdwh" || method == "zolotarev" || method == "svd";
}

linalg::Svd<double> decompose(const Real& Q) {
  auto svd = linalg::svd<double>(Q);
  if (!svd.outcome.ok()) {
    throw DataError(
        {.what = "the audit's SVD", .found = std::string(to_string(svd.outcome.status))});
  }
  return svd;
}

void take(const Scene& scene, const Real& Q, linalg::Svd<double> svd, const SpectralFunction& f,
          Expected& e, double undetermined) {
  Spectrum p;
  const double norm = Q.norm();
  const auto size = static_cast<double>(Q.size());
  const Index r = svd.s.size();
  p.s = svd.s;
  p.f.resize(r);
  p.slope.resize(r);
  p.judged.setOnes(r);
  for (Index i = 0; i < r; ++i) {
    const double s = svd.s[i], h = 1e-5 * s + 1e-12 * norm;
    p.f[i] = norm > 0 ? f(s) : 0;
    p.slope[i] =
        norm > 0 ? (f(s + h) - f(std::max(0.0, s - h))) / (s + h - std::max(0.0, s - h)) : 0;
    if (undetermined > 0 && s < undetermined) p.judged[i] = 0;
  }
  p.noise = 8 * scene.unit * norm / std::sqrt(std::max(size, 1.0));
  p.kernel = kKernelRounding * scene.unit;
  p.U = std::move(svd.u);
  p.Vt = std::move(svd.vt);
  e.Q = Q;
  e.D = p.U * p.f.asDiagonal() * p.Vt;
  e.slack.setZero(Q.rows(), Q.cols());
  e.spectrum = std::move(p);
}

// Turbo's map is not of Q but of Q with its shorter side's rows divided by the roots of the
// absolute row sums of their Gram matrix.
Real almost_orthogonal(const Real& Q) {
  const bool tall = Q.rows() > Q.cols();
  const Real gram = tall ? Real(Q.transpose() * Q) : Real(Q * Q.transpose());
  const Vector<double> sums = gram.cwiseAbs().rowwise().sum();
  const Vector<double> by = sums.unaryExpr([](double x) { return x > 0 ? 1 / std::sqrt(x) : 0.0; });
  return tall ? Real(Q * by.asDiagonal()) : Real(by.asDiagonal() * Q);
}

}  // namespace

double cutoff_of(const Scene& scene, double s_max, double norm) {
  // As linalg/polar.hpp defines the numerical support of either type. The roundoff is half an
  // epsilon.
  const bool single = scene.roundoff > 1e-10;
  const auto most = static_cast<double>(std::max(scene.G.rows(), scene.G.cols()));
  return single ? 2 * scene.roundoff * norm : most * 2 * scene.roundoff * s_max;
}

void map_spectrum(const Scene& scene, const Real& Q, const SpectralFunction& f, Expected& e,
                  double undetermined) {
  take(scene, Q, decompose(Q), f, e, undetermined);
}

SpectralFunction polar_function(const OptionValues& options, double norm, double cutoff) {
  const auto method = options.text("polar");
  if (is_exact(method)) {
    return [cutoff](double s) { return s > cutoff ? 1.0 : 0.0; };
  }
  const auto count = options.maybe("ns_steps");
  const auto steps = polar_steps(method, count ? static_cast<std::int64_t>(*count) : -1);
  const double eps = options.real("eps"), larger = norm * polar_norm_factor(method);
  double by = options.text("eps_mode") == "max" ? std::max(larger, eps) : larger + eps;
  if (method == "turbo") by = 1;  // rows are scaled instead
  return [steps, by](double s) {
    double x = s / by;
    for (const auto& step : steps) x = step(x);
    return x;
  };
}

SpectralFunction jordan_function(double norm) {
  OptionValues jordan;
  jordan.set("polar", "jordan");
  jordan.set("eps", 1e-7);
  jordan.set("eps_mode", "add");
  return polar_function(jordan, norm, 0);
}

void expect_polar(const Scene& s, Expected& e) {
  const Average a = advance(s, e);
  const auto method = s.options.text("polar");
  auto svd = decompose(method == "turbo" ? almost_orthogonal(a.Q) : a.Q);
  const double norm = a.Q.norm();
  const double cutoff = cutoff_of(s, svd.s.size() ? svd.s[0] : 0, norm);
  const auto f = polar_function(s.options, norm, cutoff);
  const Real scaled = svd.u * svd.s.asDiagonal() * svd.vt;
  // Near the cutoff rounding decides what belongs to the support.
  take(s, scaled, std::move(svd), f, e, is_exact(method) ? 32 * cutoff : 0);
  e.Q = a.Q;
  e.orthogonal = true;
  e.polar_method = method;
}

void expect_smoothed_polar(const Scene& s, Expected& e) {
  const Average a = advance(s, e);
  double epsilon = s.options.real("epsilon");
  if (s.options.text("epsilon_mode") == "relative") {
    epsilon *= a.Q.norm() / std::sqrt(static_cast<double>(std::min(a.Q.rows(), a.Q.cols())));
  }
  auto svd = decompose(a.Q);
  const double cutoff = cutoff_of(s, svd.s.size() ? svd.s[0] : 0, a.Q.norm());
  take(
      s, a.Q, std::move(svd),
      [&](double x) {
        return x > 0 && (epsilon > 0 || x > cutoff) ? x / std::hypot(x, epsilon) : 0;
      },
      e, epsilon < 32 * cutoff ? 32 * cutoff : 0);
  e.orthogonal = true;
}

void expect_spectral_power(const Scene& s, Expected& e) {
  const Average a = advance(s, e);
  auto svd = decompose(a.Q);
  const double c = s.options.real("c"), q = 2 * (1 - c);
  const double top = svd.s.size() ? svd.s[0] : 0, cut = s.options.real("floor") * top;
  const auto normalization = s.options.text("normalization");
  // Sums in units of the largest, which no scale of Q makes overflow.
  double sum = 0, logs = 0;
  Index rank = 0;
  for (const double x : svd.s) {
    if (!(x > cut)) continue;
    sum += std::pow(x / top, q);
    logs += std::log(x / top);
    ++rank;
  }
  const auto r = static_cast<double>(svd.s.size());
  double factor = 1;  // of (s / top)^(1 - 2 c)
  if (rank == 0) {
    factor = 0;
  } else if (normalization == "covariant") {
    const double mean = q == 0 ? logs / static_cast<double>(rank) : std::log(sum / r) / q;
    factor = std::exp((1 - q) * mean);
  } else if (normalization == "schatten") {
    factor = std::pow(std::pow(sum, 1 / q), 1 - q);
  } else {
    factor = std::pow(top, 1 - 2 * c);
  }
  const double blur = 64 * s.unit * a.Q.norm();  // whether s is above the floor
  take(
      s, a.Q, std::move(svd),
      [=](double x) { return x > cut ? factor * std::pow(x / top, 1 - 2 * c) : 0; }, e, cut + blur);
}

void expect_chaotic(const Scene& s, Expected& e) {
  const Average a = advance(s, e);
  const double gain = s.options.real("gain"), divisor = s.options.real("divisor");
  const auto steps = static_cast<int>(s.options.real("ns_steps"));
  const double by = a.Q.norm() + (1 - s.mu()) * s.options.real("eps");
  map_spectrum(
      s, a.Q,
      [=](double x) {
        x /= by;
        for (int k = 0; k < steps; ++k) x = gain * x * (1 - x * x) * (1 - x * x);
        return x / divisor;
      },
      e);
  // Products round at every step, and the map spreads each rounding as it spreads Q's.
  e.spectrum->noise *= steps + 1;
}

void expect_nuclear_polar(const Scene& s, Expected& e) {
  const Average a = advance(s, e);
  auto svd = decompose(a.Q);
  const double nuclear = svd.s.sum(),
               cutoff = cutoff_of(s, svd.s.size() ? svd.s[0] : 0, a.Q.norm());
  take(
      s, a.Q, std::move(svd), [=](double x) { return x > cutoff ? nuclear : 0; }, e, 32 * cutoff);
}

void expect_row_scaled_polar(const Scene& s, Expected& e) {
  const Average a = advance(s, e);
  map_spectrum(s, a.Q, jordan_function(a.Q.norm()), e);
  const double b2 = s.options.real("beta2"), eps = s.options.real("eps");
  const double doubt = 8 * e.spectrum->kernel;
  e.spectrum.reset();  // rows are scaled: no spectral map any more
  const Real O = e.D;
  const Real& v0 = s.state("second_momentum", s.G.rows(), 1);
  const Real v = b2 * v0 + (1 - b2) / static_cast<double>(O.cols()) * O.rowwise().squaredNorm();
  e.fields.push_back({"second_momentum", v, (doubt * v).array() + 1e-30});
  for (Index i = 0; i < O.rows(); ++i) {
    const double under = std::sqrt(v(i, 0)) + eps;
    if (under > 0) e.D.row(i) /= under;
  }
  const double after = e.D.norm() + eps;
  if (after > 0) e.D *= O.norm() / after;
  const double rms = e.D.norm() / std::sqrt(static_cast<double>(std::max<Index>(1, e.D.size())));
  e.slack.setConstant(O.rows(), O.cols(), doubt * rms);
}

void expect_entry_scaled_polar(const Scene& s, Expected& e) {
  const Average a = advance(s, e);
  Real input = a.Q;
  if (s.options.flag("sign_input", true)) {
    input = input.unaryExpr([](double v) { return v > 0 ? 1.0 : v < 0 ? -1.0 : 0.0; });
  }
  map_spectrum(s, input, jordan_function(input.norm()), e);
  const double b2 = s.options.real("beta2"), eps = s.options.real("eps");
  const double doubt = 8 * e.spectrum->kernel;
  e.spectrum.reset();
  e.Q = a.Q;
  const Real O = e.D;
  const double rms = O.norm() / std::sqrt(static_cast<double>(std::max<Index>(1, O.size())));
  const Real& v0 = s.state("exp_avg_sq");
  Real v = b2 * v0 + (1 - b2) * O.cwiseAbs2();
  const Real v_slack =
      2 * (1 - b2) * doubt * rms * (O.cwiseAbs().array() + doubt * rms) + doubt * v.array() + 1e-30;
  e.fields.push_back({"exp_avg_sq", v, v_slack});
  v = s.kept_or("exp_avg_sq", v, v_slack);
  const auto under = (v.array().sqrt() + eps).eval();
  e.D = (under == 0).select(0.0, O.array() / under);
  const double size = 0.2 * std::sqrt(static_cast<double>(O.size())), norm = e.D.norm();
  const double by = norm > 0 ? size / norm : 0;
  e.D *= by;
  // An entry of O that is small against its rounding says nothing of the quotient.
  e.slack = (under == 0).select(0.0, by * doubt * rms / under) + doubt * e.D.array().abs();
}

void expect_norm_ball(const Scene& s, Expected& e) {
  const Average a = advance(s, e);
  const auto norm = s.options.text("norm");
  const auto m = static_cast<double>(a.Q.rows()), n = static_cast<double>(a.Q.cols());
  e.by = s.lr * s.scale * s.options.real("radius");
  e.shrink = s.options.flag("constrained", false) ? 1 - s.lr : 1;
  if (norm == "spectral") {
    map_spectrum(s, a.Q, jordan_function(a.Q.norm()), e);
    e.by *= std::sqrt(m / n);
    e.orthogonal = true;
    e.polar_method = "jordan";
    return;
  }
  e.Q = a.Q;
  e.D = a.Q;
  if (norm == "sign") {
    e.D = a.Q.unaryExpr([](double v) { return v > 0 ? 1.0 : v < 0 ? -1.0 : 0.0; });
    e.by /= n;
  } else if (norm == "row") {
    for (Index i = 0; i < e.D.rows(); ++i) {
      const double under = std::sqrt(n) * a.Q.row(i).norm() + 1e-8;
      e.D.row(i) /= under;
    }
  } else {
    for (Index j = 0; j < e.D.cols(); ++j) {
      const double under = a.Q.col(j).norm() / std::sqrt(m) + 1e-8;
      e.D.col(j) /= under;
    }
  }
  e.slack = 2 * rounding(s, e.D.cwiseAbs()).array();
}

}  // namespace muonflow::optim::detail

// A certified exponential rate for a finished run: the Lyapunov argument of the objective's gap,
// with the constants that the run itself has shown.
//
//   D = J - inf J,  g^2 = mean ||G||^2,  X^2 = mean ||M||^2,  V = grad Phi(M)
//   L = kappa D + mean Phi(M) - delta mean <G, M>                            the Lyapunov function
//   L' = (gamma - kappa) <G, V> - gamma <M, V> - delta (<G', M> + gamma g^2 - gamma <G, M>)
//
// Assumptions, with the constants below, over the certified times:
//   H1  gradient dominance  g^2 >= 2 lambda D
//   H2  bounded momentum    ||M_i||_op <= K, which keeps <M, V> >= pull X^2, Phi >= floor X^2 / 2
//   H3  curvature           g^2 <= 2 smoothness D,  -<G', M> <= turning X^2
//   share: Phi <= share <M, V> (1/2 .. 1);  ||V - lean M|| <= spread ||M||
// Then L' <= -c L where the symmetric 2x2 matrix of (X, g),
//   [ (gamma - c share) pull - delta turning,  -beta ; -beta,  delta gamma - c kappa / (2 lambda)
//   ], 2 beta = |(gamma - kappa) lean + delta (gamma - c)| + |gamma - kappa| spread,
// is positive semidefinite, and L >= theta kappa D where delta^2 smoothness <= (1 - theta)^2 kappa
// floor: so J(t) - inf J <= L(t0) e^{-c (t - t0)} / (theta kappa). The weights kappa, delta are
// those of the largest c. For one quadratic mode with Phi a square, that c is the exact rate.
//
// arXiv 2605.23871 states exponential rates under H1 to H3; the forms of the assumptions, the
// inequality and its optimum are derived here (docs/theory/flow.md). The constants are extremes
// over the records, so that the certificate holds as far as they hold between the records too.
// Momentum-free dynamics: L = D, L' = -<G, V> <= -alignment g^2, c = 2 lambda alignment.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "muonflow/flow/ledger.hpp"
#include "muonflow/flow/statistics.hpp"

namespace muonflow::flow {

// What a certificate takes from one recorded time.
struct CertificateSample {
  std::int64_t step = 0;
  double time = 0;
  double gap = 0;               // D
  double energy_gap = 0;        // E - inf J
  double potential = 0;         // mean Phi(M)
  double dissipation = 0;       // mean <M, V>; momentum-free: <G, V>
  double momentum2 = 0;         // X^2
  double force2 = 0;            // g^2
  double velocity2 = 0;         // mean ||V||^2
  double force_momentum = 0;    // mean <G, M>
  double force_velocity = 0;    // mean <G, V>
  double turning = 0;           // mean <G', M>
  double turning_norm = 0;      // sqrt(mean ||G'||^2)
  double momentum_op_norm = 0;  // largest ||M_i||_op
};
CertificateSample certificate_sample(const LedgerEntry& entry, const Statistics& statistics,
                                     double infimum);

struct CertificateSetting {
  double gamma = 1;
  bool inertial = true;
  double step = 0;                        // of the run, for the discrete-time version
  std::optional<double> hessian_bound{};  // largest curvature of the kinetic energy
};

struct CertificateConstants {
  double K = 0;
  double lambda = 0;      // min g^2 / (2 D)
  double smoothness = 0;  // max g^2 / (2 D)
  double curvature = 0;   // max ||G'|| / ||V||
  double turning = 0;     // max -<G', M> / X^2, at least 0
  double pull = 0;        // min <M, V> / X^2
  double floor = 0;       // min 2 Phi / X^2
  double ceiling = 0;     // max 2 Phi / X^2
  double reach = 0;       // max ||V|| / ||M||
  double share = 1;       // max Phi / <M, V>
  double lean = 0;        // V is about lean M
  double spread = 0;      // max ||V - lean M|| / ||M||
  double alignment = 0;   // min <G, V> / g^2
};

// A certified stretch of the run.
struct CertifiedRate {
  double from = 0, to = 0;
  CertificateConstants constants{};
  double kappa = 0, delta = 0, theta = 0;
  double rate = 0;  // c; 0: no weights certify any
  double textbook_rate =
      0;  // the same with fixed weights (kappa = gamma, delta the least of three)
  std::optional<double> alignment_rate{};  // 2 lambda alignment, where the alignment is positive
};

// The muon scheme of step h: L_{k+1} <= (1 - c h + C h^2) L_k.
struct DiscreteRate {
  double rate = 0;             // c, of the continuous flow with turning = curvature * hessian_bound
  double defect = 0;           // C
  double admissible_step = 0;  // c / (2 C): below it L_{k+1} <= (1 - c h / 2) L_k
  double stable_step = 0;      // of the linearized scheme at the minimum, by the curvature
  std::optional<double> rate_at_step{};  // c / 2 where the run's step is admissible
  double local_rate = 0;                 // -2 log(spectral radius) / h of the linearized scheme
};

struct CertificateRecord {
  std::int64_t step = 0;
  double time = 0;
  double lyapunov = 0;
  double decay = 0;       // -d log L / dt from the record before
  double derivative = 0;  // -L' / L at this time
  bool assumptions = true;
  std::string failing{};  // names of those that do not hold: "H1 H3"
  bool decreased = true;  // at least as fast as certified, from the record before
};

struct Certificate {
  std::string unavailable;             // why there is none; empty where there is one
  std::optional<CertifiedRate> whole;  // from the first record
  std::optional<CertifiedRate> tail;   // over the times of the fitted rate
  std::optional<RateFit> fitted;
  double local_lambda = 0;      // g^2 / (2 D) at the end
  double local_rate = 0;        // gamma - Re sqrt(gamma^2 - 4 gamma lambda Phi''(0))
  double critical_hessian = 0;  // Phi''(0) at critical damping, gamma / (4 lambda); 1/epsilon there
  std::optional<DiscreteRate> discrete;
  std::vector<CertificateRecord> records;  // with the weights of `tail`
  std::int64_t violations = 0;  // records where the assumptions held and L fell too slowly
};

// From the records of one run, in their order; those whose gap is below 1e-13 of the first are
// round- off and left out. Never fails: what cannot be certified is said in `unavailable`.
Certificate certify(std::span<const CertificateSample> samples, const CertificateSetting& setting);

// The largest c of the matrix inequality and its weights.
struct LyapunovWeights {
  double rate = 0, kappa = 0, delta = 0, theta = 0;
};
LyapunovWeights best_weights(const CertificateConstants& constants, double gamma);

}  // namespace muonflow::flow

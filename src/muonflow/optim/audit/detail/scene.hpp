// What the twins of the audit work on and give: one matrix of one step, all in double.
//
// A twin recomputes what a rule claims by a path of its own: it shares no code with rules/,
// transforms/ or the kernels of polar factors, roots and exponentials, and has coefficients of its
// own; only sums, products and LAPACK's decompositions are common. State is judged from the state
// before and the gradient; the direction then from the state as it was kept, once that has been
// found right, so that what float rounds in one step is not blamed on the next.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "muonflow/core/fields.hpp"
#include "muonflow/core/matrix.hpp"
#include "muonflow/optim/claims.hpp"

namespace muonflow::optim {
class AnyRule;
}

namespace muonflow::optim::detail {

using Real = Matrix<double>;
using RealFields = std::map<std::string, Real>;

// Rounding bounds are sums over entries of what one entry may be off by at most, so nothing is
// added but this for the few places where several lines of algebra meet.
inline constexpr double kMargin = 4;

// The options of a rule by the names of its fields.
class OptionValues {
 public:
  OptionValues() = default;
  explicit OptionValues(const AnyRule& rule);
  bool has(std::string_view name) const;
  double real(std::string_view name) const;
  double real(std::string_view name, std::size_t index) const;
  std::optional<double> maybe(std::string_view name) const;  // off: none
  bool flag(std::string_view name, bool otherwise) const;
  std::string text(std::string_view name) const;
  void set(std::string_view name, Json value) { values_[std::string(name)] = std::move(value); }

 private:
  Json values_ = Json::object();
};

// The rule has not the state that its claims speak of.
struct MissingState {
  std::string name;
  std::string found;  // another shape; empty: none
  Index rows = 0, cols = 0;
};

struct Scene {
  Claims claims;
  OptionValues options;
  Real W;       // before the step, and before any decay
  Real G;       // as the rule should have been given it
  Real G_size;  // of the numbers that G was made of, whose rounding it holds; at least |G|
  RealFields before, after;  // state; `after` may be empty: not known
  double lr = 0;             // times the schedule
  double scale = 1;          // of the shape
  double kept = 1;           // what decay before a step leaves of W
  std::int64_t t = 0;
  double roundoff = 0;  // of the weights' type
  double unit = 0;      // what bounds are made of: roundoff and, in double, the audit's own
  // Momentum that rises from `start` to a rule's own, and how much of the way it has gone.
  struct Warmup {
    double start = 0, part = 1;
  };
  std::optional<Warmup> warmup{};

  double mu(std::string_view name = "momentum") const;
  // Before the step; of the shape of the matrix, or of [rows, cols]. Throws MissingState.
  const Real& state(const std::string& name) const { return state(name, G.rows(), G.cols()); }
  const Real& state(const std::string& name, Index rows, Index cols) const;
  // A kept tensor where it is known and as near to what it should be as its slack and margin say,
  // else that.
  Real kept_or(const std::string& name, const Real& expected, const Real& slack) const;
};

// A state tensor after the step.
struct FieldClaim {
  std::string name;
  Real expected;
  Real slack;  // of each entry
};

// A number that must be what it is whatever the rest.
struct Invariant {
  std::string quantity;
  double expected = 0, found = 0, bound = 0;
};

// D = U diag(f(s)) V' of Q = U diag(s) V'; U [m, r], Vt [r, n].
struct Spectrum {
  Real U, Vt;
  Vector<double> s, f, slope;  // slope: f'(s)
  Vector<double> judged;       // 0 where s is too near a cutoff to say what f is
  double noise = 0;            // rounding of an entry of Q
  double kernel = 0;           // rounding of the map itself, relative to |D|
};

struct Expected {
  std::vector<FieldClaim> fields;
  std::vector<Invariant> invariants;
  bool skip = false;  // W stays, decay included
  std::string off{};  // why the direction is not judged; empty: it is
  Real D;             // the direction; a rule that gives weights or steps is brought to this form
  double by = 0;      // W <- kept shrink W - by D
  double shrink = 1;  // by the rule itself
  Real slack;         // rounding of the entries of D
  std::optional<Spectrum> spectrum;
  Real Q;                      // what was orthogonalized, signed or normalized; may be empty
  bool orthogonal = false;     // polar error and dual gap mean something
  std::string polar_method{};  // for messages
};

// What one matrix should have done.
Expected expect(const Scene& scene);

// The pieces that twins share.

// 4 roundings of the sizes: what a fused or unfused line of algebra may differ by.
Real rounding(const Scene& scene, const Real& sizes);

struct Average {
  Real M, Q;
  double part = 0;  // weight of G in M
};
// (1) and (2) of most rules, by the claimed memory; adds the claim on momentum_buffer.
Average advance(const Scene& scene, Expected& expected);

using SpectralFunction = std::function<double(double)>;
// D = U f(s) V'. `undetermined`: singular values near this are not judged; 0: all are.
void map_spectrum(const Scene& scene, const Real& Q, const SpectralFunction& f, Expected& expected,
                  double undetermined = 0);

// f of a polar method: name, steps, eps and eps_mode as options of these names. `norm`: of Q.
SpectralFunction polar_function(const OptionValues& options, double norm, double cutoff);
// Jordan's five steps with eps 1e-7, which some rules have built in.
SpectralFunction jordan_function(double norm);
// Singular values that count as 0 for the exact methods.
double cutoff_of(const Scene& scene, double s_max, double norm);

void expect_momentum(const Scene&, Expected&);
void expect_unit(const Scene&, Expected&);
void expect_sign(const Scene&, Expected&);
void expect_lion(const Scene&, Expected&);
void expect_adam(const Scene&, Expected&);
void expect_column_root(const Scene&, Expected&);
void expect_polar(const Scene&, Expected&);
void expect_smoothed_polar(const Scene&, Expected&);
void expect_spectral_power(const Scene&, Expected&);
void expect_chaotic(const Scene&, Expected&);
void expect_nuclear_polar(const Scene&, Expected&);
void expect_row_scaled_polar(const Scene&, Expected&);
void expect_entry_scaled_polar(const Scene&, Expected&);
void expect_norm_ball(const Scene&, Expected&);
void expect_low_rank_polar(const Scene&, Expected&);
void expect_compensated_polar(const Scene&, Expected&);
void expect_two_sided_roots(const Scene&, Expected&);
void expect_gram_root(const Scene&, Expected&);
void expect_adam_in_bases(const Scene&, Expected&);
void expect_turn(const Scene&, Expected&);

// State prefix + FIELD as FIELD.
RealFields within(const RealFields& fields, const std::string& prefix);

}  // namespace muonflow::optim::detail

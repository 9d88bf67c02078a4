// An objective of the flow, J(rho) = R(int F d rho): features F of one particle, averaged, and a
// risk R of the average.
//
// With N particles z = (1/N) sum F(W_i), J_N = R(z), and the force on particle i is
// G_i = DF(W_i)^* grad R(z) = N dJ_N/dW_i: the gradient times N, so that a particle feels the same
// force whatever the number of its companions (arXiv 2605.23871). An objective therefore says two
// things: its features summed over some particles, and how a vector r in R^q is pulled back through
// DF. Both are called on chunks of particles, by any thread; sums over chunks are System's.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "muonflow/core/fields.hpp"
#include "muonflow/core/registry.hpp"
#include "muonflow/core/tensor.hpp"
#include "muonflow/flow/layout.hpp"
#include "muonflow/flow/risk.hpp"
#include "muonflow/linalg/workspace.hpp"

namespace muonflow::flow {

struct ObjectiveInfo {
  std::string_view name;
  std::string_view equation;
  std::string_view cite;
  std::vector<RiskKind> risks;  // the first is the default
};

// What is known of an objective everywhere, for certificates and the constants of well-posedness
// (arXiv 2605.23871); each empty where it is unknown or there is none. |W| is the Frobenius norm of
// a particle, mean the average over the particles.
struct Constants {
  // lambda: mean |G_i|^2 >= 2 lambda (J - inf J), gradient dominance.
  std::optional<double> gradient_dominance = {};
  // L: mean |G_i(W) - G_i(W')|^2 <= L^2 mean |W_i - W'_i|^2.
  std::optional<double> curvature = {};
  std::optional<double> feature_slope = {};      // B1: |DF(W)^* r| <= B1 |r|
  std::optional<double> feature_curvature = {};  // B2: |(DF(W) - DF(W'))^* r| <= B2 |W - W'| |r|
  std::optional<double> risk_slope = {};      // B_R: |grad R(z)| where z is an average of features
  std::optional<double> risk_curvature = {};  // L_R: |grad R(z) - grad R(z')| <= L_R |z - z'|

  // Fills in L = L_R B1^2 + B_R B2 where it is not known better.
  Constants completed() const;
};

// T is float or double. Particles are rows w [c, d] of the state.
template <class T>
class Objective {
 public:
  virtual ~Objective() = default;

  virtual const ObjectiveInfo& info() const = 0;
  virtual const Risk& risk() const = 0;
  virtual Index features() const = 0;  // q
  // Numbers a particle keeps between the two calls.
  virtual Index tape_width() const = 0;
  // sum [q] <- sum over the chunk of F(w_i), in an order that the chunk alone fixes: in double over
  // the particles, or by one product in T over the chunk; tape [c, tape_width] is left for
  // pullback.
  virtual void forward(const ConstMatrixRef<T>& w, MatrixRef<T> tape, std::span<double> sum,
                       linalg::Workspace<T>& workspace) const = 0;
  // g [c, d] <- DF(w_i)^* r for every particle of the chunk; r [q]. The tape may be used up.
  virtual void pullback(const ConstMatrixRef<T>& w, MatrixRef<T> tape, std::span<const double> r,
                        MatrixRef<T> g, linalg::Workspace<T>& workspace) const = 0;
  // inf J where it is known.
  virtual std::optional<double> infimum() const { return std::nullopt; }
  virtual Constants constants() const { return {}; }
};

// The keys that every [objective] table has; the objective's own stand beside them.
struct ObjectiveOptions {
  std::string kind = "tanh_ridge";
  RiskKind risk = RiskKind::squared;
  std::string file;  // data instead of a seed

  void fields(FieldVisitor& v);
};

struct ObjectiveEntry {
  std::string name;
  ObjectiveInfo info;
  std::vector<FieldInfo> (*describe)();  // its own keys
  // The matrices of one particle, given the shape [m, n] of its main one and the data, null where
  // they will be drawn. Throws ShapeError, ConfigError.
  std::vector<Block> (*blocks)(const Json& table, const TensorMap* data, const Shape& shape,
                               const std::string& place);
  // Reads the whole [objective] table; throws ConfigError for unknown keys and bad values.
  ObjectiveOptions (*read)(const Json& table, const PlaceOf& place);
  // The resolved table, in the order kind, risk, file, own keys.
  Json (*resolve)(const Json& table);
  // The data that the seed draws, in double, for a layout (its particle number does not matter).
  TensorMap (*draw)(const Json& table, const Layout& layout);
  // Builds the objective from data, drawn or read from a file; messages begin with `place`. Throws
  // ShapeError, DataError, ConfigError.
  std::unique_ptr<Objective<float>> (*make_float)(const Json& table, const TensorMap& data,
                                                  const Layout& layout, const std::string& place);
  std::unique_ptr<Objective<double>> (*make_double)(const Json& table, const TensorMap& data,
                                                    const Layout& layout, const std::string& place);

  template <class T>
  std::unique_ptr<Objective<T>> make(const Json& table, const TensorMap& data, const Layout& layout,
                                     const std::string& place) const {
    if constexpr (std::is_same_v<T, float>) {
      return make_float(table, data, layout, place);
    } else {
      return make_double(table, data, layout, place);
    }
  }
};

const Registry<ObjectiveEntry>& objectives();

}  // namespace muonflow::flow

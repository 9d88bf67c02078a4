// A mean of small networks fitted to data: what two_layer and moe have in common.
//
//   J = R((1/N) sum_i F(W_i)), F the values of one network on all n inputs (gated_units.hpp);
//   R has the weight 1/n
//
// Where the data hold the teacher that made the targets, and the teacher's measure reaches the
// infimum of R, that is the infimum of J over all measures, and a lower bound for N particles.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "muonflow/flow/detail/gated_units.hpp"
#include "muonflow/flow/detail/supervised.hpp"
#include "muonflow/flow/objective.hpp"

namespace muonflow::flow::detail {

struct UnitSpec {
  std::string_view objective;  // its name, for messages
  nn::SmoothMap activation = nn::SmoothMap::tanh;
  std::optional<Gate> gate;
  bool fixed_out = false;  // one V [o, m] for all particles: tensor `V`, else drawn
  std::uint64_t seed = 0;
};

// The blocks of a particle: one without a name where V is fixed and there is no gate, else `in`
// [m, p], `out` [o, m], `router` [1, p].
std::vector<Block> unit_blocks(const UnitSpec& spec, Index hidden, Index inputs, Index outputs);

// X, V where it is fixed, `teacher` particles and the targets that they make.
TensorMap draw_unit_data(const UnitSpec& spec, const SupervisedOptions& options, RiskKind risk,
                         const Layout& layout);

// T is float or double.
template <class T>
class UnitNetwork : public Objective<T> {
 public:
  UnitNetwork(const UnitSpec& spec, RiskKind risk, const TensorMap& data, const Layout& layout,
              const std::string& place);

  const Risk& risk() const override { return risk_; }
  Index features() const override { return units_.features(); }
  Index tape_width() const override { return 0; }
  std::optional<double> infimum() const override { return infimum_; }
  // Of networks without a gate whose V is fixed and whose activation has constants (not gelu).
  Constants constants() const override { return constants_; }
  void forward(const ConstMatrixRef<T>& w, MatrixRef<T>, std::span<double> sum,
               linalg::Workspace<T>& workspace) const override {
    units_.forward(w, sum, workspace);
  }
  void pullback(const ConstMatrixRef<T>& w, MatrixRef<T>, std::span<const double> r, MatrixRef<T> g,
                linalg::Workspace<T>& workspace) const override {
    units_.pullback(w, r, g, workspace);
  }

 private:
  GatedUnits<T> units_;
  Risk risk_;
  std::optional<double> infimum_;
  Constants constants_;
};

extern template class UnitNetwork<float>;
extern template class UnitNetwork<double>;

}  // namespace muonflow::flow::detail

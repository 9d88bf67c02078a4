// Synchronous coupling for flow-chaos: a flow of very many particles stands for the mean field, and
// its particles for the independent copies; any N of them, run by themselves from where they
// started, are the N-particle system beside its copies.
//
// What N particles of a reference of N_0 share with it makes squared distances and biases smaller
// by the factor 1 - N/N_0 (sampling without replacement), which the caller divides out. Replicas
// that together use every particle of the reference make every quantity that is linear in the
// initial sample cancel exactly in their mean.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "muonflow/study/flow_case.hpp"

namespace muonflow::study::detail {

struct Replica {
  std::vector<double> squares;   // [time] mean over particles of |X_i - copy_i|^2, X = (W, M)
  double objective = 0;          // J_N - J at the end
  std::vector<double> controls;  // features of the copies less those of the mean field: mean 0
};

struct Constants {
  double lipschitz = 0;  // L of the vector field
  double log_c = 0;      // log C(T)
};

class Coupling {
 public:
  struct Setup {
    std::int64_t particles = 65536;
    std::int64_t seed = 1;
    double step = 0.05;
    double end_time = 2;
  };
  // Runs the reference.
  explicit Coupling(const Setup& setup);

  // The particles first, first + 1, ... of the reference by themselves; any thread.
  Replica replica(std::int64_t count, std::int64_t first) const;
  Constants constants() const;
  // max over recorded times of log(d(t)/d(0))/t, d the mean distance of two flows of the first
  // particles, the second displaced by normal numbers of this width.
  double growth(std::int64_t count, double width) const;
  const std::string& trouble() const { return trouble_; }

 private:
  flow::ProblemData start(std::int64_t count, std::int64_t first) const;
  FlowCase of(std::int64_t count, std::int64_t first) const;

  Setup setup_;
  FlowCase case_;
  std::string trouble_;
  std::vector<Matrix<double>> weights_, momenta_;  // [time], [N_0, d]
  std::vector<Matrix<double>> features_;           // [controlled time], [N_0, q]
  std::vector<std::vector<double>> means_;         // [controlled time], [q]
  std::vector<std::size_t> controlled_;            // indices of times
  double objective_ = 0, initial_energy_ = 0;
};

// J_N - J of every replica less what the controls explain, by least squares over the replicas.
std::vector<double> without_controls(const std::vector<Replica>& replicas);

}  // namespace muonflow::study::detail

// What a flow run's folder says, as columns: one value a recorded time.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "muonflow/record/reader.hpp"

namespace muonflow::report {

// Singular values of the momentum, averaged over the particles.
struct Spectra {
  std::string block;                      // empty where the particles are one block
  std::vector<double> time;               // the recorded times that carry a spectrum
  std::vector<std::vector<double>> rows;  // [index of the singular value][time]
};

// A block of the particles: what its momentum holds and what it has spent.
struct BlockLedger {
  std::string block;
  std::vector<double> kinetic, dissipated;  // one value a recorded time
};

// How often J and E rose: counted over all steps by a run that ended, else between recorded times.
struct Rises {
  double objective{}, energy{};
  double out_of{};
  std::string unit;  // "steps" or "recorded times"
};

struct FlowRun {
  std::string name;
  std::string state;  // why it is not whole, as words; empty for a finished run

  std::vector<double> time;
  std::vector<double> objective;     // J
  std::vector<double> kinetic;       // (1/gamma) mean Phi(M)
  std::vector<double> energy;        // E = J + kinetic
  std::vector<double> dissipated;    // since time 0
  std::vector<double> ledger_error;  // E(0) - E - dissipated
  std::vector<double> momentum_op_norm;
  std::vector<double> particle_distance;  // root mean square over pairs
  std::vector<double> alignment;          // mean <G, grad Phi(M)> over mean ||G||^2
  std::vector<BlockLedger> blocks;        // of particles of several matrices
  std::vector<std::size_t> increases;     // records at which J stands above the one before
  Rises rises;
  std::vector<Spectra> spectra;
  double relative_ledger_error{};          // largest over the run; NaN: not recorded
  double rate{}, rate_low{}, rate_high{};  // fitted: E - inf J ~ exp(-rate t); NaN: none
  double rate_from{}, rate_to{};           // the times of the fit
  double certified_rate{};                 // that the certificate proves; NaN: none
  double certified_from{}, certified_to{};
  double certified_whole{};  // over all times
  double records_certified{}, records_holding{}, violations{};
  std::string certificate_note;                 // why there is none
  std::vector<double> lyapunov_time, lyapunov;  // the certificate's function at the records
  std::vector<bool> lyapunov_holds;             // whether the assumptions held there
  double infimum{};                             // of J; NaN: not known
  double wall_seconds{};                        // NaN: not recorded
  std::string objective_name, geometry, integrator, shape;
  double particles{}, gamma{}, step{};
  bool momentum_free{};
  std::vector<std::string> remarks;

  double largest_ledger_error() const;  // absolute, over the recorded times; NaN: none
};

FlowRun flow_run(const record::RunReader& reader, const std::string& name);

}  // namespace muonflow::report

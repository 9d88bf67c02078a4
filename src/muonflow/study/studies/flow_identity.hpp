// flow-identity: the exact dissipation identity of the damped Hamiltonian flow, and its two halves:
// the energy never rises, the objective may.
#pragma once

#include "muonflow/study/study.hpp"

namespace muonflow::study {

struct FlowIdentity {
  static const StudyInfo kInfo;

  struct Options {
    std::int64_t seeds = 8;
    std::int64_t seed = 1;
    double step = 1e-3;
    double end_time = 2;

    void fields(FieldVisitor& v);
  };

  static Options quick();
  static std::vector<Bound> bounds(const Options& options);
  static Measured run(const Options& options, Context& context);
};

}  // namespace muonflow::study

// flow-hard-limit: what becomes of the flow as epsilon goes to 0 (hard Muon), of its energy, its
// paths and its step of fixed length; and as the damping goes to infinity.
#pragma once

#include "muonflow/study/study.hpp"

namespace muonflow::study {

struct FlowHardLimit {
  static const StudyInfo kInfo;

  struct Options {
    std::int64_t seeds = 6;
    std::int64_t seed = 1;
    double step = 0.001;
    double end_time = 2;

    std::vector<double> epsilons{1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6};
    std::vector<double> muon_steps{0.08, 0.04, 0.02, 0.01};
    double muon_time = 60;
    std::vector<double> gammas{8, 16, 32, 64, 128};

    void fields(FieldVisitor& v);
  };

  static Options quick();
  static std::vector<Bound> bounds(const Options& options);
  static Measured run(const Options& options, Context& context);
};

}  // namespace muonflow::study

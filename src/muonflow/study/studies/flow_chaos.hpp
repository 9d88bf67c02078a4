// flow-chaos: propagation of chaos. N particles beside N independent copies of the mean-field flow,
// started alike: how far apart they are, how biased the objective is, and the constants of the
// equation that bound it.
#pragma once

#include "muonflow/study/study.hpp"

namespace muonflow::study {

struct FlowChaos {
  static const StudyInfo kInfo;

  struct Options {
    std::int64_t seed = 1;
    std::int64_t reference = 65536;
    std::vector<std::int64_t> counts{8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096};
    std::int64_t bias_up_to = 256;
    std::int64_t replicas = 32;
    double step = 0.05;
    double end_time = 2;

    void fields(FieldVisitor& v);
  };

  static Options quick();
  static std::vector<Bound> bounds(const Options& options);
  static Measured run(const Options& options, Context& context);
};

}  // namespace muonflow::study

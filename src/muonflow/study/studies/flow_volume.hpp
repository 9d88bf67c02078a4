// flow-volume: the flow is conformally symplectic; phase volume contracts at a rate that nothing
// but the damping decides. Each integrator has a factor of its own.
#pragma once

#include "muonflow/study/study.hpp"

namespace muonflow::study {

struct FlowVolume {
  static const StudyInfo kInfo;

  struct Options {
    std::int64_t seeds = 6;
    std::int64_t seed = 1;
    std::int64_t particles = 2;
    std::vector<std::int64_t> shape{2, 2};
    double gamma = 1;
    double epsilon = 0.3;
    std::vector<double> steps{0.2, 0.1, 0.05};

    void fields(FieldVisitor& v);
  };

  static Options quick();
  static std::vector<Bound> bounds(const Options& options);
  static Measured run(const Options& options, Context& context);
};

}  // namespace muonflow::study

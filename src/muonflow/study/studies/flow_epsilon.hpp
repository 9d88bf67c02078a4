// flow-epsilon: how fast the flow converges for one absolute epsilon after another: the rate of the
// tail, the constant speed far away, and where between them the best epsilon lies.
#pragma once

#include "muonflow/study/study.hpp"

namespace muonflow::study {

struct FlowEpsilon {
  static const StudyInfo kInfo;

  struct Options {
    std::int64_t seeds = 6;
    std::int64_t seed = 1;
    double gamma = 1;
    double lambda = 0.1;
    std::vector<double> epsilons{1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1};
    double compared_at = 40;
    double ridge_time = 200;
    double hard_depth = 100;

    void fields(FieldVisitor& v);
  };

  static Options quick();
  static std::vector<Bound> bounds(const Options& options);
  static Measured run(const Options& options, Context& context);
};

}  // namespace muonflow::study

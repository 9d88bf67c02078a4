// flow-moe: the flow on products of matrix spaces, smooth mixtures of experts: the energy identity
// holds block by block.
#pragma once

#include "muonflow/study/study.hpp"

namespace muonflow::study {

struct FlowMoe {
  static const StudyInfo kInfo;

  struct Options {
    std::int64_t seeds = 6;
    std::int64_t seed = 1;
    std::int64_t experts = 16;
    std::vector<double> steps{0.02, 0.01, 0.005};
    double end_time = 2;

    void fields(FieldVisitor& v);
  };

  static Options quick();
  static std::vector<Bound> bounds(const Options& options);
  static Measured run(const Options& options, Context& context);
};

}  // namespace muonflow::study

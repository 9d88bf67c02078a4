// flow-orders: every integrator has the order that it declares, in its path and in its ledger.
#pragma once

#include "muonflow/study/study.hpp"

namespace muonflow::study {

struct FlowOrders {
  static const StudyInfo kInfo;

  struct Options {
    std::int64_t seeds = 6;
    std::int64_t seed = 1;
    std::vector<double> steps{0.01, 0.005, 0.0025, 0.00125};
    double coarse = 0.1;
    double end_time = 2;

    void fields(FieldVisitor& v);
  };

  static Options quick();
  static std::vector<Bound> bounds(const Options& options);
  static Measured run(const Options& options, Context& context);
};

}  // namespace muonflow::study

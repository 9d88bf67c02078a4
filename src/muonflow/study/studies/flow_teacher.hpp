// flow-teacher: a two-layer network learns a teacher in the mean-field scaling, by gradient flow,
// by heavy ball and by regularized Muon.
#pragma once

#include "muonflow/study/study.hpp"

namespace muonflow::study {

struct FlowTeacher {
  static const StudyInfo kInfo;

  struct Options {
    std::int64_t seeds = 12;
    std::int64_t seed = 1;
    std::vector<std::int64_t> counts{16, 32, 64, 128, 256, 512, 1024};
    double step = 0.05;
    double end_time = 5;
    double gamma = 1;
    double epsilon = 0.1;

    void fields(FieldVisitor& v);
  };

  static Options quick();
  static std::vector<Bound> bounds(const Options& options);
  static Measured run(const Options& options, Context& context);
};

}  // namespace muonflow::study

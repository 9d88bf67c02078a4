// A study that costs nothing, with bounds of every kind.
#pragma once

#include <nlohmann/json.hpp>

#include "muonflow/study/detail/enroll_study.hpp"

namespace muonflow::study {

struct Toy {
  inline static const StudyInfo kInfo{.name = "toy",
                                      .title = "a toy",
                                      .paper = "arXiv:0000.00000",
                                      .statement = "two is two",
                                      .computes = "nothing"};
  struct Options {
    double theorem = 2, claim = 2;
    std::int64_t seed = 4;
    void fields(FieldVisitor& v) {
      v.real("theorem", theorem, kNonNegative, "what the theorem's quantity measures");
      v.real("claim", claim, kNonNegative, "what the claim's quantity measures");
      v.integer("seed", seed, kNonNegative, "of nothing");
    }
  };
  static Options quick() { return {.seed = 5}; }
  static std::vector<Bound> bounds(const Options&) {
    return {{.name = "theorem", .quantity = "one number", .low = 1, .high = 3},
            {.name = "claim", .quantity = "another", .high = 3, .broken = Broken::finding},
            {.name = "effect", .quantity = "a third"}};
  }
  static Measured run(const Options& options, Context& context) {
    Measured measured;
    measured.cancelled = !context.progress(0, 1, "toy");
    context.result({{"seed", options.seed}});
    measured.add("effect", {.value = 7});
    measured.add("claim", {.value = options.claim, .low = 1, .high = 9, .samples = 3});
    measured.add("theorem", {.value = options.theorem});
    measured.figures.push_back({.name = "line", .curves = {{.label = "l", .x = {1}, .y = {2}}}});
    measured.remarks = {"a remark"};
    return measured;
  }
};

inline const StudyEntry& toy_study() {
  static const auto registry = [] {
    Registry<StudyEntry> all("study");
    detail::enroll_study<Toy>(all);
    return all;
  }();
  return registry.at("toy");
}

}  // namespace muonflow::study

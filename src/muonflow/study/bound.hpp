// What a study declares before it runs: the quantities it will measure, and for each the bound that
// decides. What it then measured is judged against that, by nobody's choice.
//
//   PASS     every bound holds
//   FAIL     a bound is broken that a theorem or the program's own promise stands behind: the
//            instrument is wrong (or the theorem is)
//   FINDING  a bound is broken that a claim of the literature or a heuristic stands behind: the
//            measurement contradicts it, and says so
#pragma once

#include <array>
#include <limits>
#include <string>
#include <string_view>

#include "muonflow/core/fields.hpp"
#include "muonflow/study/statistics.hpp"

namespace muonflow::study {

enum class Verdict { pass, finding, fail };  // from good to bad
enum class Judged { estimate, interval };
enum class Broken { fail, finding };

struct Bound {
  std::string name;        // short, unique in its study: "rms-slope"
  std::string quantity{};  // what is measured, in words
  // The closed range in which it must lie; both infinite: an effect size that decides nothing.
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  // What must lie in the range: the estimate, or its whole 95% interval.
  Judged judged = Judged::estimate;
  Broken broken = Broken::fail;  // what it means when it does not
  std::string why{};             // where the bound comes from

  bool decides() const;
  std::string range_text() const;  // "<= 1e-09", "in [3.85, 4.15]"; empty where it decides nothing
};

// A bound beside what was measured.
struct Check {
  Bound bound;
  Estimate measured{};
  Verdict verdict = Verdict::pass;
};

// A value that is missing or not finite breaks every bound that decides, as a FAIL.
Verdict judge(const Bound& bound, const Estimate& measured);

Json to_json(const Bound& bound);
Json to_json(const Check& check);

}  // namespace muonflow::study

namespace muonflow {
template <>
struct EnumNames<study::Verdict> {
  static constexpr std::array<std::string_view, 3> names{"PASS", "FINDING", "FAIL"};
};
template <>
struct EnumNames<study::Judged> {
  static constexpr std::array<std::string_view, 2> names{"estimate", "interval"};
};
template <>
struct EnumNames<study::Broken> {
  static constexpr std::array<std::string_view, 2> names{"FAIL", "FINDING"};
};
}  // namespace muonflow

// A study: one claim of the literature, computed, and judged by a bound that was declared before.
// One file a study under studies/, enrolled in study.cpp.
//
// A study says whose statement it tests, what it computes, and which bounds decide (bound.hpp). It
// runs over seeds and gives back measured quantities with intervals, and figures as data. It prints
// and writes nothing; a Context looks on.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "muonflow/core/fields.hpp"
#include "muonflow/core/registry.hpp"
#include "muonflow/study/bound.hpp"
#include "muonflow/study/figure.hpp"

namespace muonflow::study {

struct StudyInfo {
  std::string_view name;
  std::string_view title;      // a few words
  std::string_view paper;      // "arXiv:2605.23871"
  std::string_view statement;  // the claim
  std::string_view computes;   // how it is tested
};

// Looks on while a study runs, and may end it.
class Context {
 public:
  virtual ~Context() = default;
  // Called now and then from the thread that runs the study; `done` of `total` units of work. False
  // ends the study as soon as it can.
  virtual bool progress(double done, double total, const std::string& detail);
  // One raw result, such as the slope of one seed: an object of named values.
  virtual void result(const Json& values);
};

// What a study gives back: its measurements by the names of its bounds.
struct Measured {
  std::vector<std::pair<std::string, Estimate>> values;
  std::vector<Figure> figures{};
  std::vector<std::string> remarks{};  // what a reader should know besides: trouble, limits
  bool cancelled = false;

  void add(std::string name, const Estimate& value) { values.emplace_back(std::move(name), value); }
};

struct StudyEntry {
  std::string name;
  StudyInfo info;
  std::vector<FieldInfo> (*describe)();
  // Reads options over the defaults, or over those of the quick form; gives all of them back.
  // Throws ConfigError for unknown keys and bad values.
  Json (*resolve)(const Json& table, bool quick, const PlaceOf& place);
  std::vector<Bound> (*bounds)(const Json& options);
  Measured (*run)(const Json& options, Context& context);
};

const Registry<StudyEntry>& studies();

struct Judgement {
  Verdict verdict = Verdict::pass;
  std::vector<Check> checks{};  // in the order of the bounds
  std::vector<Figure> figures{};
  std::vector<std::string> remarks{};
  bool cancelled = false;  // then it decides nothing
};

// Runs and judges. `options` as resolve() gave them.
Judgement run_study(const StudyEntry& study, const Json& options, Context& context);

}  // namespace muonflow::study

// Turns a study into a line of the registry.
//
// The study is a struct that names: `static const StudyInfo kInfo`, `struct Options { ...; void
// fields(FieldVisitor&); }`, `static Options quick()`, `static std::vector<Bound> bounds(const
// Options&)` and `static Measured run(const Options&, Context&)`.
#pragma once

#include <nlohmann/json.hpp>

#include "muonflow/study/study.hpp"

namespace muonflow::study::detail {

template <class S>
typename S::Options options_from(const Json& table) {
  typename S::Options options;
  read(table, options);
  return options;
}

template <class S>
void enroll_study(Registry<StudyEntry>& registry) {
  registry.add({.name = std::string(S::kInfo.name),
                .info = S::kInfo,
                .describe = [] { return muonflow::describe<typename S::Options>(); },
                .resolve = [](const Json& table, bool quick, const PlaceOf& place) -> Json {
                  auto options = quick ? S::quick() : typename S::Options{};
                  read(table, options, place);
                  return muonflow::to_json(options);
                },
                .bounds = [](const Json& table) { return S::bounds(options_from<S>(table)); },
                .run = [](const Json& table,
                          Context& context) { return S::run(options_from<S>(table), context); }});
}

}  // namespace muonflow::study::detail

#include "muonflow/study/recorder.hpp"

#include <nlohmann/json.hpp>

#include "muonflow/core/config.hpp"

namespace muonflow::study {
namespace {

Json manifest_of(const StudyEntry& study, const Json& options, Json manifest) {
  manifest["config"] = study_config(study, options);
  manifest["study"] = {{"name", study.name},
                       {"title", study.info.title},
                       {"paper", study.info.paper},
                       {"statement", study.info.statement},
                       {"computes", study.info.computes}};
  manifest["references"] = Json::array({{{"name", study.name}, {"cite", study.info.paper}}});
  return manifest;
}

Json event_of(const char* kind, std::int64_t step, const Json& fields) {
  Json event = {{"kind", kind}, {"step", step}};
  event.update(fields);
  return event;
}

}  // namespace

Json study_config(const StudyEntry& study, const Json& options) {
  Json config = {{"study", study.name}};
  config.update(options);
  return config;
}

Recorder::Recorder(const std::filesystem::path& path, const StudyEntry& study, const Json& options,
                   Json manifest)
    : folder_(record::RunFolder::create(path, manifest_of(study, options, std::move(manifest)),
                                        to_toml(study_config(study, options)))) {
  for (const auto& bound : study.bounds(options)) {
    folder_.event(event_of("bound", 0, to_json(bound)));
  }
}

void Recorder::result(const Json& values) { folder_.event(event_of("result", ++step_, values)); }

void Recorder::finish(const Judgement& judgement, double seconds) {
  Json summary = {
      {"verdict", judgement.cancelled ? Json(nullptr) : Json(enum_name(judgement.verdict))},
      {"ending", judgement.cancelled ? "interrupted" : "finished"},
      {"wall_seconds", seconds},
      {"checks", Json::array()},
      {"remarks", judgement.remarks}};
  for (const auto& remark : judgement.remarks) {
    folder_.event(event_of("remark", step_, {{"text", remark}}));
  }
  if (!judgement.cancelled) {
    for (const auto& check : judgement.checks) {
      auto json = to_json(check);
      folder_.event(event_of("check", step_, json));
      folder_.metric(step_, check.bound.name, check.measured.value);
      summary["checks"].push_back(std::move(json));
    }
    for (const auto& figure : judgement.figures) {
      folder_.event(event_of("figure", step_, to_json(figure)));
    }
  }
  folder_.event(event_of("end", step_, {{"ending", summary["ending"]}}));
  folder_.summary(summary);
}

}  // namespace muonflow::study

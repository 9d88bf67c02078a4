#include "muonflow/record/reader.hpp"

#include <nlohmann/json.hpp>

#include "muonflow/core/error.hpp"
#include "muonflow/core/file.hpp"
#include "muonflow/record/events.hpp"
#include "muonflow/record/json_file.hpp"

namespace muonflow::record {

namespace fs = std::filesystem;

struct RunReader::Body {
  fs::path path;
  Json manifest;
  std::string config_toml;
  std::optional<Json> summary;
  std::vector<Json> events;
  std::vector<std::string> remarks;
};

RunReader::RunReader(std::shared_ptr<const Body> body) : body_(std::move(body)) {}

RunReader RunReader::open(const fs::path& path) {
  std::error_code ignored;
  if (!fs::is_directory(path, ignored)) {
    throw IoError({.place = path.string(),
                   .expected = "a run folder",
                   .found = fs::exists(path, ignored) ? "a file" : "nothing there"});
  }
  if (!fs::exists(path / "manifest.json", ignored)) {
    throw IoError({.place = path.string(),
                   .expected = "a run folder",
                   .found = "a folder without manifest.json"});
  }
  auto body = std::make_shared<Body>();
  body->path = path;
  body->manifest = read_json_file(path / "manifest.json");
  if (fs::exists(path / "config.toml", ignored)) {
    body->config_toml = read_text_file(path / "config.toml");
  }
  if (fs::exists(path / "summary.json", ignored)) {
    body->summary = read_json_file(path / "summary.json");
  }
  if (fs::exists(path / "events.jsonl", ignored)) {
    std::string remark;
    body->events = read_events(path / "events.jsonl", remark);
    if (!remark.empty()) body->remarks.push_back(remark);
  }
  return RunReader(std::move(body));
}

const fs::path& RunReader::path() const { return body_->path; }

std::string RunReader::name() const {
  // "runs/a/" has an empty last part.
  const auto whole = body_->path.lexically_normal();
  const auto name = whole.has_filename() ? whole.filename() : whole.parent_path().filename();
  return name == "."
             ? fs::absolute(body_->path).lexically_normal().parent_path().filename().string()
             : name.string();
}

const Json& RunReader::manifest() const { return body_->manifest; }

const std::string& RunReader::config_toml() const { return body_->config_toml; }

const Json* RunReader::summary() const { return body_->summary ? &*body_->summary : nullptr; }

const std::vector<Json>& RunReader::events() const { return body_->events; }

std::vector<const Json*> RunReader::events(std::string_view kind) const {
  std::vector<const Json*> chosen;
  for (const auto& event : body_->events) {
    if (event["kind"] == kind) chosen.push_back(&event);
  }
  return chosen;
}

const Json* RunReader::last(std::string_view kind) const {
  const auto chosen = events(kind);
  return chosen.empty() ? nullptr : chosen.back();
}

Series RunReader::series(std::string_view kind, std::string_view x, std::string_view y) const {
  Series series;
  const std::string x_name(x);
  const std::string y_name(y);
  for (const auto* event : events(kind)) {
    const auto at_x = event->find(x_name);
    const auto at_y = event->find(y_name);
    if (at_x == event->end() || at_y == event->end()) continue;
    if (!at_x->is_number() || !at_y->is_number()) continue;
    series.x.push_back(at_x->get<double>());
    series.y.push_back(at_y->get<double>());
  }
  return series;
}

const std::vector<std::string>& RunReader::remarks() const { return body_->remarks; }

}  // namespace muonflow::record

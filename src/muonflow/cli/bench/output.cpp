#include "muonflow/cli/bench/output.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "muonflow/core/error.hpp"
#include "muonflow/core/file.hpp"
#include "muonflow/core/parallel.hpp"
#include "muonflow/core/version.hpp"
#include "muonflow/linalg/diagnose.hpp"
#include "muonflow/record/json_file.hpp"
#include "muonflow/record/manifest.hpp"
#include "muonflow/report/html.hpp"

namespace muonflow::cli {
namespace fs = std::filesystem;

void BenchOutput::prepare() const {
  if (json && !json->empty()) {
    // Nothing of it remains: it is never committed.
    const AtomicFile trial(*json);
  }
  if (folder.empty()) return;
  std::error_code failed;
  fs::create_directories(folder, failed);
  if (failed) throw IoError({.place = folder, .what = "no such folder", .found = failed.message()});
  const AtomicFile trial(fs::path(folder) / "bench.json");
}

void BenchOutput::write(const Json& document) const {
  if (json && json->empty()) {
    fmt::print("{}\n", document.dump(2, ' ', false, Json::error_handler_t::replace));
  } else if (json) {
    record::write_json_file(*json, document);
  }
  if (folder.empty()) return;
  record::write_json_file(fs::path(folder) / "bench.json", document);
  write_file(fs::path(folder) / "report.html",
             report::render({}, std::vector{report::BenchFile{folder, document}}));
  fmt::print(text(), "\n{0}/bench.json, {0}/report.html\n", folder);
}

Json describe_bench(const std::string& kind) {
  const auto blas = linalg::diagnose_blas(false);
  // The manifest of a run without a run: the same words for the same things.
  const auto manifest = record::make_manifest(kind, "muonflow " + kind, Json::object(), 0, {});
  Json out;
  out["format"] = 1;
  out["kind"] = kind;
  for (const char* key : {"version", "created", "threads", "machine"}) out[key] = manifest[key];
  out["libraries"] = {
      {"openblas",
       {{"core", blas.openblas_core},
        {"config", blas.openblas_config},
        {"threading", blas.threading}}},
      {"onednn", {{"version", blas.onednn_version}, {"instructions", blas.onednn_isa}}}};
  return out;
}

}  // namespace muonflow::cli

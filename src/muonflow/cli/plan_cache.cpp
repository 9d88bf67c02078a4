#include "muonflow/cli/plan_cache.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "muonflow/cli/data_cache.hpp"
#include "muonflow/core/cpu.hpp"
#include "muonflow/core/error.hpp"
#include "muonflow/core/file.hpp"

namespace muonflow::cli {
namespace {

std::filesystem::path plan_file() {
  const auto cache = data_cache();
  return cache.empty() ? cache : cache / "plan.json";
}

}  // namespace

void use_cached_plan() {
  const auto file = plan_file();
  std::error_code ignored;
  if (file.empty() || !std::filesystem::exists(file, ignored)) return;
  try {
    linalg::PlanTable table;
    read(Json::parse(read_text_file(file)), table,
         [&](const std::string&) { return file.string(); });
    if (table.source == cpu_features().model) linalg::set_plan_table(table);
  } catch (const std::exception& error) {
    fmt::print(stderr, "muonflow: {} is left out: {}\n", file.string(), error.what());
  }
}

void keep_plan(const linalg::PlanTable& table) {
  const auto file = plan_file();
  if (file.empty()) {
    throw ConfigError({.place = "muonflow doctor --calibrate",
                       .what = "no folder to keep the plan in",
                       .expected = "HOME or XDG_CACHE_HOME set to an absolute path"});
  }
  std::filesystem::create_directories(file.parent_path());
  write_file(file, muonflow::to_json(table).dump(2) + "\n");
}

void forget_plan() {
  std::error_code ignored;
  const auto file = plan_file();
  if (!file.empty()) std::filesystem::remove(file, ignored);
  linalg::set_plan_table({});
}

}  // namespace muonflow::cli

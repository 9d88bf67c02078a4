#include "muonflow/record/manifest.hpp"

#include <unistd.h>

#include <array>
#include <ctime>
#include <nlohmann/json.hpp>

#include "muonflow/core/cpu.hpp"
#include "muonflow/core/parallel.hpp"
#include "muonflow/core/version.hpp"

namespace muonflow::record {
namespace {

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text.data();
}

}  // namespace

Json describe_machine() {
  const auto& cpu = cpu_features();
  Json sets = Json::array();
  if (cpu.avx2) sets.push_back("avx2");
  if (cpu.avx512) sets.push_back("avx512");
  if (cpu.avx512_bf16) sets.push_back("avx512_bf16");
  if (cpu.avx512_fp16) sets.push_back("avx512_fp16");
  const auto pages = static_cast<std::int64_t>(::sysconf(_SC_PHYS_PAGES));
  const auto page = static_cast<std::int64_t>(::sysconf(_SC_PAGESIZE));
  return {{"processor", cpu.model},
          {"instruction_sets", std::move(sets)},
          {"processors", available_processors()},
          {"memory_bytes", pages * page}};
}

Json make_manifest(const std::string& kind, const std::string& command, const Json& config,
                   std::int64_t seed, const Json& blas) {
  Json manifest;
  manifest["format"] = kRunFormat;
  manifest["version"] = std::string(kVersion);
  manifest["created"] = utc_now();
  manifest["kind"] = kind;
  manifest["command"] = command;
  manifest["seed"] = seed;
  manifest["threads"] = threads();
  manifest["machine"] = describe_machine();
  manifest["blas"] = blas;
  manifest["config"] = config;
  return manifest;
}

}  // namespace muonflow::record

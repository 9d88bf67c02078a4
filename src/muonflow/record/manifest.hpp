// What made a run: enough to repeat it and to judge its times.
#pragma once

#include <cstdint>
#include <string>

#include "muonflow/core/fields.hpp"

namespace muonflow::record {

inline constexpr std::int64_t kRunFormat = 1;

// The machine without its name: processor, instruction sets, processors of this process, memory.
Json describe_machine();

// manifest.json: format, version, created (UTC), command, kind, seed, threads, machine, blas,
// config. `blas` is what the caller knows of its linear algebra (a text or an object), `kind` the
// sort of run: train, flow, study.
Json make_manifest(const std::string& kind, const std::string& command, const Json& config,
                   std::int64_t seed, const Json& blas);

}  // namespace muonflow::record

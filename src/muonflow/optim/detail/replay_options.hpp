// What the one flat tree of options of a replay holds beside the rule's own.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "muonflow/optim/replay.hpp"
#include "muonflow/optim/routing.hpp"

namespace muonflow::optim::detail {

struct ReplayOptions {
  ApplyOptions apply{};
  ClipOptions clip{};
  MomentumWarmup momentum_warmup{};
  Schedule schedule{};
  std::vector<std::int64_t> split_sizes{};
  std::optional<std::int64_t> num_heads{};

  void fields(FieldVisitor& v);
};

// A request, read and looked at before any data.
struct ReplaySetup {
  RoutingOptions routing{};  // without the clip
  ClipOptions clip{};
  Schedule schedule{};
};

// Throws ConfigError: an unknown rule or option, a missing lr, options that contradict each other.
ReplaySetup read_request(const ReplayRequest& request);

}  // namespace muonflow::optim::detail

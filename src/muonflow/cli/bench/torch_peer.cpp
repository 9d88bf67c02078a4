#include "muonflow/cli/bench/torch_peer.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "muonflow/linalg/diagnose.hpp"

namespace muonflow::cli {
namespace {

bool core_was_mended() { return std::getenv("MUONFLOW_BLAS_CORE") != nullptr; }

}  // namespace

TorchSetting torch_as_installed() {
  TorchSetting setting{"as installed", {{"MUONFLOW_BLAS_CORE", std::nullopt}}};
  if (core_was_mended()) setting.environment.emplace_back("OPENBLAS_CORETYPE", std::nullopt);
  return setting;
}

TorchSetting torch_best_configured(const std::string& loaded_blas) {
  const auto blas = linalg::diagnose_blas(false);
  const auto folder = std::filesystem::path(blas.openblas_path).parent_path().string();
  TorchSetting setting{"best configured", {}};
  if (core_was_mended() || !blas.core_fits) {
    setting.environment.emplace_back("OPENBLAS_CORETYPE",
                                     blas.right_core.empty() ? "SkylakeX" : blas.right_core);
  }
  if (!folder.empty() && !loaded_blas.starts_with(folder)) {
    setting.environment.emplace_back("LD_LIBRARY_PATH", folder);
  }
  return setting;
}

std::vector<TorchPeer> start_torch_peers(std::FILE* text, const std::string& script_name) {
  const auto script = find_peer_script(script_name);
  if (script.empty()) {
    fmt::print(text, "PyTorch: skipped, bench/peers/{} was not found above here\n", script_name);
    return {};
  }
  const auto start = [&](const TorchSetting& setting) {
    return std::make_shared<RemotePeer>(std::vector<std::string>{"/usr/bin/python3", script},
                                        setting.environment);
  };
  const auto installed = start(torch_as_installed());
  if (!installed->about().is_object()) {
    fmt::print(text, "PyTorch: skipped, /usr/bin/python3 cannot import torch and numpy\n");
    return {};
  }
  const auto name = "PyTorch " + installed->about().value("torch", "");
  const auto loaded = installed->about().value("blas", "");
  const auto best = torch_best_configured(loaded);
  if (best.environment.empty()) {
    fmt::print(text, "{}: best configured as installed, with {}\n", name, loaded);
    return {{name, installed}};
  }
  const auto configured = start(best);
  std::vector<TorchPeer> peers{{name + " as installed", installed}};
  if (configured->about().is_object()) {
    std::string how;
    for (const auto& [variable, value] : best.environment) {
      how += fmt::format(" {}={}", variable, value.value_or(""));
    }
    fmt::print(text, "{}: as installed it loads {}; best configured by{}\n", name, loaded, how);
    peers.push_back({name + " best configured", configured});
  }
  return peers;
}

}  // namespace muonflow::cli

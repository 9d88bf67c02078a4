// PyTorch beside us: as Debian installs it, and best configured where that is something else.
#pragma once

#include <cstdio>
#include <string>
#include <vector>

#include "muonflow/cli/bench/remote_peer.hpp"

namespace muonflow::cli {

// What a Python that imports PyTorch is started with.
struct TorchSetting {
  std::string name;  // "as installed", "best configured"
  Environment environment;
};

// Without the variables that this program set for itself (blas_core.hpp).
TorchSetting torch_as_installed();
// Kernels for this processor and one pool of threads (OpenMP's), where the installed one, which
// loaded this BLAS, lacks them; an empty environment where it does not.
TorchSetting torch_best_configured(const std::string& loaded_blas);

struct TorchPeer {
  std::string name;  // "PyTorch 1.13.0", "PyTorch 1.13.0 as installed"
  std::shared_ptr<RemotePeer> peer;
};

// With bench/peers/SCRIPT; each that cannot run is skipped with a line to `text`.
std::vector<TorchPeer> start_torch_peers(std::FILE* text,
                                         const std::string& script = "orthogonalize.py");

}  // namespace muonflow::cli

// What stands beside our kernels, each under the name by which --peers chooses it: libraries that
// run in this process, and, where one must be started with another environment, in a process of
// their own (serve.hpp, torch_peer.hpp).
#pragma once

#include <array>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "muonflow/cli/bench/matrices.hpp"
#include "muonflow/core/fields.hpp"

namespace muonflow::cli {

enum class Peer { onednn, openblas, ssyrk, eigen, lapack, torch };
using Peers = std::set<Peer>;

// "all", "none" or names joined by commas. Throws ConfigError naming the place and the nearest
// name.
Peers peers_named(const std::string& text);

// What is computed.
enum class Task {
  polar,              // five Jordan steps
  regularized_polar,  // x (x^T x + epsilon^2 I)^(-1/2); its number is epsilon
  inverse_root,       // x^(-1/p) of a symmetric positive definite x; its number is p
};

struct Rival {
  std::string key;   // for the line protocol: "openblas", "lapack_svd"
  std::string name;  // for people: "OpenBLAS, three products a step"
  Peer peer = Peer::openblas;
  Task task = Task::polar;
  Loop loop = Loop::in_turn;
  std::function<void(MatrixRef<float> x, double number)> one;  // in place
  bool same_precision = true;                                  // false: with fewer digits than ours

  void run(Matrices& matrices, double number) const {
    for_each(matrices, loop, [&](Index i) { one(matrices.at(i), number); });
  }
};

// Those that are worth a comparison: on a single matrix with all threads, on several large ones
// both one after the other and one a thread, on small ones one a thread.
std::vector<Rival> rivals(Task task, const Matrices& matrices);

// How another process names it: "polar_openblas".
std::string method_name(const Rival& rival);

inline constexpr std::int64_t kPolarSteps = 5;

}  // namespace muonflow::cli

template <>
struct muonflow::EnumNames<muonflow::cli::Peer> {
  static constexpr std::array<std::string_view, 6> names{"onednn", "openblas", "ssyrk",
                                                         "eigen",  "lapack",   "torch"};
};

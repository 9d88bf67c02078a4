// A command that several processes run together: mpirun -n 2 muonflow flow ...
//
// Rank 0 speaks and writes files, the others are silent. Trouble of one ends all, with its exit
// code and one line: where all ranks can say that they are well they agree (together()), and one
// that fails elsewhere, while the others wait for it, ends them all.
#pragma once

#include <functional>
#include <memory>

#include "muonflow/dist/communicator.hpp"

namespace muonflow::cli {

using Ranks = std::shared_ptr<dist::Communicator>;

// Runs `body` on the processes that a launcher started (the environment of Open MPI's or of a PMI
// launcher says how many; one without it) and returns its exit code, the same on all. Throws
// ConfigError on the first of several processes that cannot join; the others leave in silence.
int on_ranks(const std::function<int(const Ranks&)>& body);

// A part of such a body in which ranks do not talk to each other. Throws on all ranks where it
// throws on one. Collective.
void together(dist::Communicator& ranks, const std::function<void()>& part);

}  // namespace muonflow::cli

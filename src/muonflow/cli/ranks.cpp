#include "muonflow/cli/ranks.hpp"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <span>
#include <string>

#include "muonflow/cli/failure.hpp"
#include "muonflow/core/error.hpp"

namespace muonflow::cli {
namespace {

// What all ranks know to have failed; only rank 0 has the line.
class Agreed final : public std::exception {
 public:
  explicit Agreed(Failure failure) : failure_(std::move(failure)) {}
  const Failure& failure() const { return failure_; }
  const char* what() const noexcept override { return failure_.line.c_str(); }

 private:
  Failure failure_;
};

struct Launched {
  int rank = 0;
  int size = 1;
};

Launched launched() {
  constexpr std::array<std::array<const char*, 2>, 2> kNames{
      {{"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"}, {"PMI_RANK", "PMI_SIZE"}}};
  for (const auto& [rank, size] : kNames) {
    if (std::getenv(rank) == nullptr || std::getenv(size) == nullptr) continue;
    return {.rank = std::atoi(std::getenv(rank)), .size = std::atoi(std::getenv(size))};
  }
  return {};
}

Ranks join_ranks(const Launched& launched) {
  Ranks ranks = dist::mpi_world();
  if (ranks->size() != launched.size) {
    throw ConfigError({.what = "the launcher belongs to another MPI than this program",
                       .expected = std::to_string(launched.size) + " ranks",
                       .found = std::to_string(ranks->size()),
                       .advice = "start it with the mpirun of " + dist::mpi_version()});
  }
  return ranks;
}

std::string by(const dist::Communicator& ranks) {
  return ranks.rank() == 0 ? "" : "rank " + std::to_string(ranks.rank()) + ": ";
}

}  // namespace

int on_ranks(const std::function<int(const Ranks&)>& body) {
  const auto started = launched();
  if (started.size <= 1) return body(dist::serial());
  Ranks ranks;
  try {
    ranks = join_ranks(started);
  } catch (const Error&) {
    if (started.rank == 0) throw;
    return 0;  // an error here would make the launcher end rank 0 before it has spoken
  }
  int code = 0;
  try {
    code = body(ranks);
  } catch (const Agreed& agreed) {
    code = agreed.failure().code;
    if (ranks->rank() == 0) complain(agreed.failure().line, code);
  } catch (...) {
    const auto failure = current_failure();
    ranks->abort(complain(by(*ranks) + failure.line, failure.code));
  }
  // The launcher ends everybody as soon as one leaves with an error: not before rank 0 is ready.
  std::fflush(stdout);
  double ready = 0;
  ranks->sum({&ready, 1});
  return code;
}

void together(dist::Communicator& ranks, const std::function<void()>& part) {
  if (ranks.size() == 1) return part();
  Failure failure;
  try {
    part();
  } catch (...) {
    failure = current_failure();
    failure.line = by(ranks) + failure.line + '\n';
  }
  const auto lines = ranks.gather(std::as_bytes(std::span(failure.line)));
  double code = failure.code;
  ranks.max({&code, 1});
  if (code == 0) return;
  const std::string all(reinterpret_cast<const char*>(lines.data()), lines.size());
  throw Agreed({.code = static_cast<int>(code), .line = all.substr(0, all.find('\n'))});
}

}  // namespace muonflow::cli

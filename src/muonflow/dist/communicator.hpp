// What processes that share a computation say to each other. Every call is collective: all ranks
// make it, in the same order, with spans of the same size.
//
// A build without MPI has the serial communicator alone, and callers need not know.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace muonflow::dist {

class Communicator {
 public:
  virtual ~Communicator() = default;

  virtual int rank() const = 0;  // 0 .. size - 1
  virtual int size() const = 0;

  // values <- their sums over the ranks; the same bits on every rank.
  virtual void sum(std::span<double> values) = 0;
  // values <- their maxima over the ranks. No NaN.
  virtual void max(std::span<double> values) = 0;
  // On rank 0 what every rank has, one after another in the order of the ranks (any sizes); nothing
  // elsewhere.
  virtual std::vector<std::byte> gather(std::span<const std::byte> mine) = 0;
  // Ends all processes with this code, without a word: for a rank that cannot go on while others
  // wait for it.
  [[noreturn]] virtual void abort(int code) = 0;
};

// One rank, which needs no one.
std::unique_ptr<Communicator> serial();

// All processes that MPI's launcher started; one at a time, since it starts MPI and ends it. Throws
// ConfigError in a build without MPI.
std::unique_ptr<Communicator> mpi_world();

// The name and version of the MPI that this build knows; empty without one.
std::string mpi_version();

}  // namespace muonflow::dist

// Messages by MPI. Only this file knows of it.
#include <mpi.h>

#include <algorithm>
#include <cstdlib>

#include "muonflow/dist/communicator.hpp"

namespace muonflow::dist {
namespace {

// MPI counts in int; larger messages go in pieces.
constexpr std::size_t kPiece = std::size_t{1} << 28;

class World final : public Communicator {
 public:
  World() {
    int given = 0;
    // Threads compute, and the one that started MPI speaks.
    MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &given);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
    MPI_Comm_size(MPI_COMM_WORLD, &size_);
  }
  ~World() override { MPI_Finalize(); }

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  void sum(std::span<double> values) override { reduce(values, MPI_SUM); }
  void max(std::span<double> values) override { reduce(values, MPI_MAX); }

  std::vector<std::byte> gather(std::span<const std::byte> mine) override {
    if (rank_ != 0) {
      unsigned long long bytes = mine.size();
      MPI_Send(&bytes, 1, MPI_UNSIGNED_LONG_LONG, 0, 0, MPI_COMM_WORLD);
      pieces(mine.size(), [&](std::size_t at, int count) {
        MPI_Send(mine.data() + at, count, MPI_BYTE, 0, 0, MPI_COMM_WORLD);
      });
      return {};
    }
    std::vector<std::byte> all(mine.begin(), mine.end());
    for (int from = 1; from < size_; ++from) {
      unsigned long long bytes = 0;
      MPI_Recv(&bytes, 1, MPI_UNSIGNED_LONG_LONG, from, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
      const std::size_t first = all.size();
      all.resize(first + bytes);
      pieces(bytes, [&](std::size_t at, int count) {
        MPI_Recv(all.data() + first + at, count, MPI_BYTE, from, 0, MPI_COMM_WORLD,
                 MPI_STATUS_IGNORE);
      });
    }
    return all;
  }

  [[noreturn]] void abort(int code) override {
    MPI_Abort(MPI_COMM_WORLD, code);
    std::_Exit(code);
  }

 private:
  // To rank 0 and back: an all-reduce may round differently on different ranks, and ranks that
  // disagree in the last bit drift apart for ever.
  static void reduce(std::span<double> values, MPI_Op op) {
    int rank = 0;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    pieces(values.size(), [&](std::size_t at, int count) {
      double* const data = values.data() + at;
      MPI_Reduce(rank == 0 ? MPI_IN_PLACE : data, data, count, MPI_DOUBLE, op, 0, MPI_COMM_WORLD);
      MPI_Bcast(data, count, MPI_DOUBLE, 0, MPI_COMM_WORLD);
    });
  }

  template <class Body>
  static void pieces(std::size_t size, const Body& body) {
    for (std::size_t at = 0; at < size; at += kPiece) {
      body(at, static_cast<int>(std::min(kPiece, size - at)));
    }
  }

  int rank_ = 0;
  int size_ = 1;
};

}  // namespace

std::unique_ptr<Communicator> mpi_world() { return std::make_unique<World>(); }

std::string mpi_version() {
  char text[MPI_MAX_LIBRARY_VERSION_STRING];
  int length = 0;
  MPI_Get_library_version(text, &length);
  const std::string all(text, static_cast<std::size_t>(length));
  return all.substr(0, all.find(','));
}

}  // namespace muonflow::dist

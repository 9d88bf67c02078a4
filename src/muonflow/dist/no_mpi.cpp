// The build without MPI.
#include "muonflow/core/error.hpp"
#include "muonflow/dist/communicator.hpp"

namespace muonflow::dist {

std::unique_ptr<Communicator> mpi_world() {
  throw ConfigError({.what = "several ranks, and this program was built without MPI",
                     .advice = "install libopenmpi-dev and build with -DMUONFLOW_MPI=ON"});
}

std::string mpi_version() { return {}; }

}  // namespace muonflow::dist

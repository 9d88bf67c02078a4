#include "muonflow/linalg/detail/all_threads.hpp"

#include <omp.h>

#include "muonflow/core/parallel.hpp"

namespace muonflow::linalg::detail {

AllThreads::AllThreads() : before_(omp_get_max_threads()) {
  omp_set_num_threads(in_parallel() ? 1 : threads());
}

AllThreads::~AllThreads() { omp_set_num_threads(before_); }

}  // namespace muonflow::linalg::detail

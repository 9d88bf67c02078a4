// Keeps a library call on the calling thread.
//
// oneDNN and the OpenMP build of OpenBLAS ask OpenMP how many threads they may use. The number is
// the calling thread's own, so nothing of the host program changes; openblas_set_num_threads would
// change it for every user of that library in the process.
#pragma once

namespace muonflow::linalg::detail {

class OneThread {
 public:
  OneThread();
  ~OneThread();
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int before_;
};

}  // namespace muonflow::linalg::detail

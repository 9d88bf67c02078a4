// Lets a library call use as many threads as our own loops do; inside one of them it stays on the
// calling thread. The counterpart of OneThread, for the rivals of the benchmark alone.
#pragma once

namespace muonflow::linalg::detail {

class AllThreads {
 public:
  AllThreads();
  ~AllThreads();
  AllThreads(const AllThreads&) = delete;
  AllThreads& operator=(const AllThreads&) = delete;

 private:
  int before_;
};

}  // namespace muonflow::linalg::detail

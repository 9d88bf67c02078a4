// What the tests of recorded trajectories share: where these lie, and how far numbers are apart.
#pragma once

#include <cmath>
#include <string>
#include <vector>

namespace muonflow::optim {

inline const std::string kFolder = std::string(MUONFLOW_TEST_DATA) + "/golden/";

inline double distance(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return std::sqrt(sum);
}

}  // namespace muonflow::optim

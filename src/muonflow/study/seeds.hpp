// The loop over seeds, replicas or sizes that every study has.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "muonflow/study/study.hpp"

namespace muonflow::study {

// Work that is already done and all that there is, for a study of several loops.
struct Work {
  double done = 0, total = 1;
  std::string unit = "seeds";
};

// Calls body(k) for k in [0, count), several at a time, one a thread; each writes only what is its
// own. Between the batches the context hears of it, `cost` units of work each, and may end the
// loop: false. Whatever a body throws is thrown again here, that of the smallest k.
bool over_seeds(Context& context, Work& work, std::int64_t count,
                const std::function<void(std::int64_t)>& body, double cost = 1);

}  // namespace muonflow::study

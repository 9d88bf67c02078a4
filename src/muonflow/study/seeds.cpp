#include "muonflow/study/seeds.hpp"

#include <algorithm>
#include <exception>
#include <vector>

#include "muonflow/core/parallel.hpp"

namespace muonflow::study {

bool over_seeds(Context& context, Work& work, std::int64_t count,
                const std::function<void(std::int64_t)>& body, double cost) {
  // A few tasks a thread: less waiting at the end of a batch, and still news now and then.
  const std::int64_t batch = threads() == 1 ? 1 : 2 * static_cast<std::int64_t>(threads());
  std::vector<std::exception_ptr> thrown(static_cast<std::size_t>(batch));
  for (std::int64_t begin = 0; begin < count; begin += batch) {
    if (!context.progress(work.done, work.total, work.unit)) return false;
    const auto size = std::min(batch, count - begin);
    std::fill(thrown.begin(), thrown.end(), nullptr);
    parallel_tasks(size, [&](std::int64_t k) {
      try {
        body(begin + k);
      } catch (...) {
        thrown[static_cast<std::size_t>(k)] = std::current_exception();
      }
    });
    for (const auto& exception : thrown) {
      if (exception) std::rethrow_exception(exception);
    }
    work.done += cost * static_cast<double>(size);
  }
  return true;
}

}  // namespace muonflow::study

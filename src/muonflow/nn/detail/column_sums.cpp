#include "muonflow/nn/detail/column_sums.hpp"

#include <algorithm>

#include "muonflow/core/parallel.hpp"
#include "muonflow/nn/buffer.hpp"
#include "muonflow/nn/detail/row_cuts.hpp"

namespace muonflow::nn::detail {

template <class T>
void add_column_sums(const ConstMatrixRef<T>& x, std::span<T> sums) {
  const Index rows = x.rows();
  const Index cols = x.cols();
  const Index parts = row_parts(rows);
  thread_local Buffer<double> totals_memory;  // the calling thread's, kept between calls
  thread_local Buffer<T> runs_memory;
  totals_memory.reserve(parts * cols);
  runs_memory.reserve(parts * cols);
  auto totals = totals_memory.matrix(parts, cols);
  auto runs = runs_memory.matrix(parts, cols);
  // Whole rows, as memory lies: strips of 64 columns took nearly twice as long.
  parallel_for(parts, 1, [&](Index first, Index last) {
    for (Index part = first; part < last; ++part) {
      auto total = totals.row(part);
      auto run = runs.row(part);
      total.setZero();
      const Index end = rows * (part + 1) / parts;
      for (Index i = rows * part / parts; i < end;) {
        const Index run_end = std::min(i + kRowRun, end);
        run.setZero();
        for (; i + 4 <= run_end; i += 4) {
          run += (x.row(i) + x.row(i + 1)) + (x.row(i + 2) + x.row(i + 3));
        }
        for (; i < run_end; ++i) run += x.row(i);
        total += run.template cast<double>();
      }
    }
  });
  for (Index j = 0; j < cols; ++j) {
    auto& sum = sums[static_cast<std::size_t>(j)];
    sum = static_cast<T>(static_cast<double>(sum) + totals.col(j).sum());
  }
}

template void add_column_sums<float>(const ConstMatrixRef<float>&, std::span<float>);
template void add_column_sums<double>(const ConstMatrixRef<double>&, std::span<double>);

}  // namespace muonflow::nn::detail

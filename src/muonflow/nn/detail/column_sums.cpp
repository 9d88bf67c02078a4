#include "muonflow/nn/detail/column_sums.hpp"

#include <algorithm>
#include <array>

#include "muonflow/core/parallel.hpp"

namespace muonflow::nn::detail {

template <class T>
void add_column_sums(const ConstMatrixRef<T>& x, std::span<T> sums) {
  // 64 columns: their sums stay in registers, and a row's piece is whole cache lines.
  constexpr Index kColumns = 64;
  constexpr Index kRun = 64;
  const Index blocks = (x.cols() + kColumns - 1) / kColumns;
  parallel_for(blocks, std::max<Index>(1, 4096 / std::max<Index>(1, x.rows())),
               [&](Index first, Index last) {
                 for (Index block = first; block < last; ++block) {
                   const Index column = block * kColumns;
                   const Index width = std::min(kColumns, x.cols() - column);
                   Eigen::Array<double, 1, kColumns> total;
                   Eigen::Array<T, 1, kColumns> run;
                   total.setZero();
                   for (Index i = 0; i < x.rows();) {
                     run.setZero();
                     const Index end = std::min(i + kRun, x.rows());
                     for (; i < end; ++i) {
                       run.head(width) += x.row(i).segment(column, width).array();
                     }
                     total += run.template cast<double>();
                   }
                   for (Index j = 0; j < width; ++j) {
                     auto& sum = sums[static_cast<std::size_t>(column + j)];
                     sum = static_cast<T>(static_cast<double>(sum) + total[j]);
                   }
                 }
               });
}

template void add_column_sums<float>(const ConstMatrixRef<float>&, std::span<float>);
template void add_column_sums<double>(const ConstMatrixRef<double>&, std::span<double>);

}  // namespace muonflow::nn::detail

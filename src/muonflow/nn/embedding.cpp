#include "muonflow/nn/embedding.hpp"

#include "muonflow/core/parallel.hpp"
#include "muonflow/nn/detail/check.hpp"
#include "muonflow/nn/detail/row_cuts.hpp"

namespace muonflow::nn {
namespace {

template <class Y, class Token, class Position>
void check(std::span<const std::int32_t> tokens, Index time, const Y& y, const Token& token_table,
           const Position& position_table) {
  const auto rows = static_cast<Index>(tokens.size());
  detail::check_shape("embedding", "rows of tokens", y, rows, token_table.cols());
  if (time <= 0 || rows % time != 0 || position_table.rows() < time ||
      position_table.cols() != token_table.cols()) {
    throw ShapeError({.place = "embedding",
                      .what = "position table",
                      .expected = "[>= time, C] with time a divisor of the number of tokens",
                      .found = to_string(Shape{position_table.rows(), position_table.cols()}) +
                               " for time " + std::to_string(time) + " of " +
                               std::to_string(rows)});
  }
}

}  // namespace

template <class T>
void embedding_forward(std::span<const std::int32_t> tokens, Index time,
                       const ConstMatrixRef<T>& token_table,
                       const ConstMatrixRef<T>& position_table, MatrixRef<T> y) {
  check(tokens, time, y, token_table, position_table);
  parallel_for(y.rows(), detail::row_grain(y.cols()), [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      y.row(i) =
          token_table.row(tokens[static_cast<std::size_t>(i)]) + position_table.row(i % time);
    }
  });
}

template <class T>
void embedding_backward(std::span<const std::int32_t> tokens, Index time,
                        const ConstMatrixRef<T>& dy, MatrixRef<T> dtoken_table,
                        MatrixRef<T> dposition_table) {
  check(tokens, time, dy, dtoken_table, dposition_table);
  // Tokens repeat, so rows of the table cannot be shared out; blocks of 16 columns (a cache line of
  // float) can.
  constexpr Index kColumns = 16;
  const Index blocks = (dy.cols() + kColumns - 1) / kColumns;
  const Index grain = std::max<Index>(1, 4096 / std::max<Index>(1, dy.rows()));
  parallel_for(blocks, grain, [&](Index begin, Index end) {
    const Index column = begin * kColumns;
    const Index width = std::min(end * kColumns, dy.cols()) - column;
    for (Index i = 0; i < dy.rows(); ++i) {
      const auto row = dy.row(i).segment(column, width);
      dtoken_table.row(tokens[static_cast<std::size_t>(i)]).segment(column, width) += row;
      dposition_table.row(i % time).segment(column, width) += row;
    }
  });
}

#define MUONFLOW_INSTANTIATE(T)                                                          \
  template void embedding_forward<T>(std::span<const std::int32_t>, Index,               \
                                     const ConstMatrixRef<T>&, const ConstMatrixRef<T>&, \
                                     MatrixRef<T>);                                      \
  template void embedding_backward<T>(std::span<const std::int32_t>, Index,              \
                                      const ConstMatrixRef<T>&, MatrixRef<T>, MatrixRef<T>);
MUONFLOW_INSTANTIATE(float)
MUONFLOW_INSTANTIATE(double)
#undef MUONFLOW_INSTANTIATE

}  // namespace muonflow::nn

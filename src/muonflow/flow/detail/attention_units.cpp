#include "muonflow/flow/detail/attention_units.hpp"

#include <algorithm>
#include <cmath>

#include "muonflow/flow/detail/enroll_objective.hpp"
#include "muonflow/flow/detail/product.hpp"
#include "muonflow/nn/smooth_map.hpp"

namespace muonflow::flow::detail {
namespace {

// Tokens worked on at once, whole sequences of them, at least one.
constexpr Index kTileTokens = 128;

}  // namespace

std::vector<Block> attention_blocks(Index width, Index inputs, Index outputs) {
  return {{.name = "key", .rows = width, .cols = inputs},
          {.name = "out", .rows = outputs, .cols = width},
          {.name = "query", .rows = width, .cols = inputs},
          {.name = "value", .rows = width, .cols = inputs}};
}

template <class T>
AttentionUnits<T>::AttentionUnits(Matrix<T> inputs, Index tokens, const Layout& layout,
                                  Index outputs, std::string_view objective)
    : inputs_(std::move(inputs)),
      tokens_(tokens),
      outputs_(outputs),
      width_(layout.blocks().front().rows) {
  const Index p = inputs_.cols();
  key_ = named_block(layout, "key", width_, p, objective);
  out_ = named_block(layout, "out", outputs_, width_, objective);
  query_ = named_block(layout, "query", width_, p, objective);
  value_ = named_block(layout, "value", width_, p, objective);
}

template <class T>
Index AttentionUnits<T>::tile() const {
  const Index sequences = samples() / tokens_;
  return std::min(sequences, std::max<Index>(1, kTileTokens / tokens_));
}

template <class T>
void AttentionUnits<T>::gather(const ConstMatrixRef<T>& w, MatrixRef<T> heads,
                               MatrixRef<T> outs) const {
  const Index c = w.rows(), k = width_;
  for (Index i = 0; i < c; ++i) {
    const T* row = w.row(i).data();
    heads.middleRows(i * k, k) = block_of(row, key_);
    heads.middleRows((c + i) * k, k) = block_of(row, query_);
    heads.middleRows((2 * c + i) * k, k) = block_of(row, value_);
    outs.middleRows(i * k, k) = block_of(row, out_).transpose();
  }
}

template <class T>
void AttentionUnits<T>::attend(const ConstMatrixRef<T>& key, const ConstMatrixRef<T>& query,
                               MatrixRef<T> a) const {
  product<T>(kTransposed, kNone, 1 / std::sqrt(static_cast<double>(width_)), query, key, 0, a);
  for (Index row = 0; row < a.rows(); ++row) a.row(row).array() -= a.row(row).maxCoeff();
  nn::smooth_value<T>(nn::SmoothMap::exp, a);
  for (Index row = 0; row < a.rows(); ++row) a.row(row) /= a.row(row).sum();
}

template <class T>
void AttentionUnits<T>::forward(const ConstMatrixRef<T>& w, std::span<double> sum,
                                linalg::Workspace<T>& workspace) const {
  const Index c = w.rows(), k = width_, o = outputs_, most = tile() * tokens_;
  typename linalg::Workspace<T>::Frame frame(workspace);
  auto heads = frame.matrix(3 * c * k, inputs_.cols());
  auto outs = frame.matrix(c * k, o);
  gather(w, heads, outs);
  auto projected_all = frame.matrix(3 * c * k, most);
  auto mixed_all = frame.matrix(c * k, most);
  auto values_all = frame.matrix(most, o);
  auto a = frame.matrix(tokens_, tokens_);
  for (Index begin = 0; begin < samples(); begin += most) {
    const Index t = std::min(most, samples() - begin);
    MatrixRef<T> projected = projected_all.leftCols(t), mixed = mixed_all.leftCols(t);
    product<T>(kNone, kTransposed, 1, heads, inputs_.middleRows(begin, t), 0, projected);
    for (Index i = 0; i < c; ++i) {
      for (Index s = 0; s < t; s += tokens_) {
        attend(projected.block(i * k, s, k, tokens_), projected.block((c + i) * k, s, k, tokens_),
               a);
        product<T>(kNone, kTransposed, 1, projected.block((2 * c + i) * k, s, k, tokens_), a, 0,
                   mixed.block(i * k, s, k, tokens_));
      }
    }
    MatrixRef<T> values = values_all.topRows(t);
    product<T>(kTransposed, kNone, 1, mixed, outs, 0, values);  // (1)
    for (Index j = 0; j < t * o; ++j) {
      sum[static_cast<std::size_t>(begin * o + j)] = static_cast<double>(values.data()[j]);
    }
  }
}

template <class T>
void AttentionUnits<T>::pullback(const ConstMatrixRef<T>& w, std::span<const double> r,
                                 MatrixRef<T> g, linalg::Workspace<T>& workspace) const {
  const Index c = w.rows(), k = width_, o = outputs_, p = inputs_.cols();
  const Index most = tile() * tokens_;
  const double scale = 1 / std::sqrt(static_cast<double>(k));
  typename linalg::Workspace<T>::Frame frame(workspace);
  auto heads = frame.matrix(3 * c * k, p);
  auto outs = frame.matrix(c * k, o);
  gather(w, heads, outs);
  auto dheads = frame.matrix(3 * c * k, p);
  auto douts = frame.matrix(c * k, o);
  auto projected_all = frame.matrix(3 * c * k, most);
  auto dprojected_all = frame.matrix(3 * c * k, most);
  auto mixed_all = frame.matrix(c * k, most);
  auto dmixed_all = frame.matrix(c * k, most);
  auto weights_all = frame.matrix(most, o);
  auto a = frame.matrix(tokens_, tokens_);
  auto da = frame.matrix(tokens_, tokens_);
  for (Index begin = 0; begin < samples(); begin += most) {
    const Index t = std::min(most, samples() - begin);
    const T beta = begin == 0 ? T{0} : T{1};
    const auto x = inputs_.middleRows(begin, t);
    MatrixRef<T> projected = projected_all.leftCols(t), dprojected = dprojected_all.leftCols(t);
    MatrixRef<T> mixed = mixed_all.leftCols(t), dmixed = dmixed_all.leftCols(t);
    MatrixRef<T> weights = weights_all.topRows(t);
    for (Index j = 0; j < t * o; ++j) {
      weights.data()[j] = static_cast<T>(r[static_cast<std::size_t>(begin * o + j)]);
    }
    product<T>(kNone, kTransposed, 1, heads, x, 0, projected);
    product<T>(kNone, kTransposed, 1, outs, weights, 0, dmixed);
    for (Index i = 0; i < c; ++i) {
      for (Index s = 0; s < t; s += tokens_) {
        const auto part = [&](MatrixRef<T>& all, Index which) {
          return all.block((which * c + i) * k, s, k, tokens_);
        };
        attend(part(projected, 0), part(projected, 1), a);
        product<T>(kNone, kTransposed, 1, part(projected, 2), a, 0, part(mixed, 0));
        product<T>(kNone, kNone, 1, part(dmixed, 0), a, 0, part(dprojected, 2));
        product<T>(kTransposed, kNone, 1, part(dmixed, 0), part(projected, 2), 0, da);
        for (Index row = 0; row < tokens_; ++row) {
          da.row(row).array() *= a.row(row).array();
          const T total = da.row(row).sum();
          da.row(row) -= total * a.row(row);
        }
        product<T>(kNone, kNone, scale, part(projected, 1), da, 0, part(dprojected, 0));
        product<T>(kNone, kTransposed, scale, part(projected, 0), da, 0, part(dprojected, 1));
      }
    }
    product<T>(kNone, kNone, 1, dprojected, x, beta, dheads);
    product<T>(kNone, kNone, 1, mixed, weights, beta, douts);
  }
  for (Index i = 0; i < c; ++i) {  // (2)
    T* row = g.row(i).data();
    block_of(row, key_) = dheads.middleRows(i * k, k);
    block_of(row, query_) = dheads.middleRows((c + i) * k, k);
    block_of(row, value_) = dheads.middleRows((2 * c + i) * k, k);
    block_of(row, out_) = douts.middleRows(i * k, k).transpose();
  }
}

template class AttentionUnits<float>;
template class AttentionUnits<double>;

}  // namespace muonflow::flow::detail

#include "muonflow/flow/detail/gated_units.hpp"

#include <algorithm>

#include "muonflow/flow/detail/product.hpp"

namespace muonflow::flow::detail {
namespace {

// Samples worked on at once: the hidden values of 64 particles of 8 rows are then half a megabyte
// in double, which a second-level cache holds. Part of the numbers, as the order of sums is.
constexpr Index kTile = 128;

nn::SmoothMap map_of(Gate gate) {
  switch (gate) {
    case Gate::sigmoid:
      return nn::SmoothMap::sigmoid;
    case Gate::softplus:
      return nn::SmoothMap::softplus;
    case Gate::softmax:
      break;
  }
  return nn::SmoothMap::exp;
}

}  // namespace

template <class T>
GatedUnits<T>::GatedUnits(Matrix<T> inputs, const Matrix<T>& fixed, UnitBlocks blocks,
                          nn::SmoothMap activation, std::optional<Gate> gate)
    : inputs_(std::move(inputs)),
      fixed_(fixed.transpose()),
      blocks_(std::move(blocks)),
      activation_(activation),
      gate_(gate),
      outputs_(blocks_.out ? blocks_.out->rows : fixed.rows()) {}

template <class T>
Index GatedUnits<T>::features() const {
  return samples() * (outputs_ + (quotient() ? 1 : 0));
}

template <class T>
void GatedUnits<T>::gather_in(const ConstMatrixRef<T>& w, MatrixRef<T> u) const {
  const Index m = blocks_.in.rows;
  for (Index i = 0; i < w.rows(); ++i) {
    u.middleRows(i * m, m) = block_of(w.row(i).data(), blocks_.in);
  }
}

template <class T>
void GatedUnits<T>::gather_out(const ConstMatrixRef<T>& w, MatrixRef<T> v) const {
  const Index m = blocks_.in.rows;
  for (Index i = 0; i < w.rows(); ++i) {
    if (blocks_.out) {
      v.middleRows(i * m, m) = block_of(w.row(i).data(), *blocks_.out).transpose();
    } else {
      v.middleRows(i * m, m) = fixed_;
    }
  }
}

template <class T>
void GatedUnits<T>::gather_router(const ConstMatrixRef<T>& w, MatrixRef<T> router) const {
  for (Index i = 0; i < w.rows(); ++i) {
    router.row(i) = block_of(w.row(i).data(), *blocks_.router);
  }
}

template <class T>
void GatedUnits<T>::forward(const ConstMatrixRef<T>& w, std::span<double> sum,
                            linalg::Workspace<T>& workspace) const {
  const Index c = w.rows(), m = blocks_.in.rows, p = inputs_.cols(), n = samples();
  const Index o = outputs_;
  typename linalg::Workspace<T>::Frame frame(workspace);
  auto u = frame.matrix(c * m, p);
  auto v = frame.matrix(c * m, o);
  auto router = frame.matrix(gate_ ? c : 0, p);
  gather_in(w, u);
  gather_out(w, v);
  if (gate_) gather_router(w, router);
  auto hidden_all = frame.matrix(c * m, std::min(n, kTile));
  auto gates_all = frame.matrix(gate_ ? c : 0, std::min(n, kTile));
  auto numerators_all = frame.matrix(std::min(n, kTile), o);
  for (Index begin = 0; begin < n; begin += kTile) {
    const Index t = std::min(kTile, n - begin);
    const auto x = inputs_.middleRows(begin, t);
    MatrixRef<T> hidden = hidden_all.leftCols(t);
    product<T>(kNone, kTransposed, u, x, 0, hidden);
    nn::smooth_value<T>(activation_, hidden);
    if (gate_) {
      MatrixRef<T> gates = gates_all.leftCols(t);
      product<T>(kNone, kTransposed, router, x, 0, gates);
      nn::smooth_value<T>(map_of(*gate_), gates);
      for (Index row = 0; row < c * m; ++row) {
        hidden.row(row).array() *= gates.row(row / m).array();
      }
      for (Index s = 0; quotient() && s < t; ++s) {
        double total = 0;
        for (Index i = 0; i < c; ++i) total += static_cast<double>(gates(i, s));
        sum[static_cast<std::size_t>(n * o + begin + s)] = total;  // (2)
      }
    }
    MatrixRef<T> numerators = numerators_all.topRows(t);
    product<T>(kTransposed, kNone, hidden, v, 0, numerators);  // (1)
    for (Index k = 0; k < t * o; ++k) {
      sum[static_cast<std::size_t>(begin * o + k)] = static_cast<double>(numerators.data()[k]);
    }
  }
}

template <class T>
void GatedUnits<T>::pullback(const ConstMatrixRef<T>& w, std::span<const double> r, MatrixRef<T> g,
                             linalg::Workspace<T>& workspace) const {
  const Index c = w.rows(), m = blocks_.in.rows, p = inputs_.cols(), n = samples();
  const Index o = outputs_, widest = std::min(n, kTile);
  typename linalg::Workspace<T>::Frame frame(workspace);
  auto u = frame.matrix(c * m, p);
  auto v = frame.matrix(c * m, o);
  auto router = frame.matrix(gate_ ? c : 0, p);
  gather_in(w, u);
  gather_out(w, v);
  if (gate_) gather_router(w, router);
  auto du = frame.matrix(c * m, p);
  auto dv = frame.matrix(blocks_.out ? c * m : 0, o);
  auto drouter = frame.matrix(gate_ ? c : 0, p);
  auto hidden_all = frame.matrix(c * m, widest);
  auto slopes_all = frame.matrix(c * m, widest);
  auto back_all = frame.matrix(c * m, widest);
  auto gates_all = frame.matrix(gate_ ? c : 0, widest);
  auto gate_slopes_all = frame.matrix(gate_ ? c : 0, widest);
  auto weights_all = frame.matrix(widest, o);
  for (Index begin = 0; begin < n; begin += kTile) {
    const Index t = std::min(kTile, n - begin);
    const T beta = begin == 0 ? T{0} : T{1};
    const auto x = inputs_.middleRows(begin, t);
    MatrixRef<T> hidden = hidden_all.leftCols(t), slopes = slopes_all.leftCols(t);
    MatrixRef<T> back = back_all.leftCols(t), weights = weights_all.topRows(t);
    product<T>(kNone, kTransposed, u, x, 0, hidden);
    nn::smooth_value_and_slope<T>(activation_, hidden, slopes);
    for (Index k = 0; k < t * o; ++k) {
      weights.data()[k] = static_cast<T>(r[static_cast<std::size_t>(begin * o + k)]);
    }
    product<T>(kNone, kTransposed, v, weights, 0, back);  // V_i^T a(x)
    slopes.array() *= back.array();
    if (gate_) {
      MatrixRef<T> gates = gates_all.leftCols(t), gate_slopes = gate_slopes_all.leftCols(t);
      product<T>(kNone, kTransposed, router, x, 0, gates);
      nn::smooth_value_and_slope<T>(map_of(*gate_), gates, gate_slopes);
      for (Index i = 0; i < c; ++i) {
        auto inner = back.row(i * m);  // sigma_i . V_i^T a(x), row by row into the first
        inner.array() *= hidden.row(i * m).array();
        for (Index j = 1; j < m; ++j) {
          inner.array() += back.row(i * m + j).array() * hidden.row(i * m + j).array();
        }
        for (Index s = 0; quotient() && s < t; ++s) {
          inner(s) += static_cast<T>(r[static_cast<std::size_t>(n * o + begin + s)]);
        }
        gate_slopes.row(i).array() *= inner.array();
      }
      product<T>(kNone, kNone, gate_slopes, x, beta, drouter);
      for (Index row = 0; row < c * m; ++row) {
        hidden.row(row).array() *= gates.row(row / m).array();
        slopes.row(row).array() *= gates.row(row / m).array();
      }
    }
    product<T>(kNone, kNone, slopes, x, beta, du);
    if (blocks_.out) product<T>(kNone, kNone, hidden, weights, beta, dv);
  }
  for (Index i = 0; i < c; ++i) {  // (3)
    block_of(g.row(i).data(), blocks_.in) = du.middleRows(i * m, m);
    if (blocks_.out) {
      block_of(g.row(i).data(), *blocks_.out) = dv.middleRows(i * m, m).transpose();
    }
    if (gate_) block_of(g.row(i).data(), *blocks_.router) = drouter.row(i);
  }
}

template class GatedUnits<float>;
template class GatedUnits<double>;

}  // namespace muonflow::flow::detail

#include "muonflow/linalg/roots/coupled_root.hpp"

#include <utility>

#include "muonflow/core/parallel.hpp"
#include "muonflow/linalg/detail/cholesky.hpp"
#include "muonflow/linalg/detail/commuting_product.hpp"
#include "muonflow/linalg/gemm.hpp"
#include "muonflow/linalg/symmetric.hpp"

namespace muonflow::linalg {
namespace {

// to = factor from + shift I.
template <class T>
void affine(double factor, const ConstMatrixRef<T>& from, double shift, MatrixRef<T> to) {
  constexpr Index kRowsAThread = 64;
  parallel_for(from.rows(), kRowsAThread, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      to.row(i) = static_cast<T>(factor) * from.row(i);
      to(i, i) += static_cast<T>(shift);
    }
  });
}

// to <- w(m). With an inverse: beta / gamma I + (alpha - beta / gamma) (I + gamma M)^(-1), where
// nothing cancels since alpha > beta / gamma > 0.
template <class T>
bool factor_of(const RootStep& step, const ConstMatrixRef<T>& m, MatrixRef<T> to) {
  if (step.gamma == 0) {
    affine<T>(1, m, 0, to);
    symmetric_square<T>(static_cast<T>(step.delta), m, static_cast<T>(step.beta), to);
    to.diagonal().array() += static_cast<T>(step.alpha);
    return true;
  }
  affine<T>(step.gamma, m, 1, to);
  if (!detail::cholesky_inverse<T>(to)) return false;
  const double rest = step.beta / step.gamma;
  affine<T>(step.alpha - rest, to, rest, to);
  return true;
}

// M <- W^p M step by step, each W handed to `use`. With inverses and an even p as W^(p/2) M
// W^(p/2): factors are then as large as 1e4, and in W^p rounding that couples small and large
// eigenvalues would be multiplied by one more of them (measured: 5 to 10 times the error).
template <class T, class Use>
bool iterate(MatrixRef<T> m, int p, std::span<const RootStep> steps, Scratch& scratch,
             const Use& use) {
  const Index n = m.rows();
  Scratch::Frame frame(scratch);
  MatrixMap<T> factor = frame.matrix<T>(n, n);
  MatrixMap<T> power = frame.matrix<T>(n, n);
  MatrixMap<T> product = frame.matrix<T>(n, n);
  for (std::size_t k = 0; k < steps.size(); ++k) {
    if (!factor_of<T>(steps[k], m, factor)) return false;
    use(ConstMatrixRef<T>(factor));
    if (k + 1 == steps.size()) break;  // M is not needed any more
    if (steps[k].gamma != 0 && p % 2 == 0) {
      symmetric_power<T>(factor, p / 2, power, scratch);
      gemm<T>(Op::none, Op::none, T(1), power, m, T(0), product);
      detail::commuting_product<T>(product, power, m);
    } else {
      symmetric_power<T>(factor, p, power, scratch);
      detail::commuting_product<T>(power, m, product);
      m = product;
    }
  }
  return true;
}

}  // namespace

template <class T>
void symmetric_power(const ConstMatrixRef<T>& a, int p, MatrixRef<T> power, Scratch& scratch) {
  Scratch::Frame frame(scratch);
  MatrixMap<T> other = frame.matrix<T>(a.rows(), a.rows());
  int highest = 1;
  while (2 * highest <= p) highest *= 2;
  // From the highest bit of p down; the result changes places at every product.
  const int products = [&] {
    int count = 0;
    for (int bit = highest / 2; bit > 0; bit /= 2) count += (p & bit) != 0 ? 2 : 1;
    return count;
  }();
  T* const places[2] = {power.data(), other.data()};
  const Index strides[2] = {power.outerStride(), other.outerStride()};
  int at = products % 2;
  const auto view = [&](int place) {
    return MatrixMap<T>(places[place], a.rows(), a.rows(), Eigen::OuterStride<>(strides[place]));
  };
  bool first = true;
  const auto multiply = [&](bool square) {
    const ConstMatrixRef<T> now = first ? a : ConstMatrixRef<T>(view(at));
    first = false;
    at = 1 - at;
    if (square) {
      symmetric_square<T>(T(1), now, T(0), view(at));
    } else {
      detail::commuting_product<T>(now, a, view(at));
    }
  };
  for (int bit = highest / 2; bit > 0; bit /= 2) {
    multiply(true);
    if ((p & bit) != 0) multiply(false);
  }
  if (first) power = a;
}

template <class T>
bool coupled_root(MatrixRef<T> m, int p, std::span<const RootStep> steps, MatrixRef<T> root,
                  Scratch& scratch) {
  Scratch::Frame frame(scratch);
  MatrixMap<T> product = frame.matrix<T>(m.rows(), m.rows());
  bool first = true;
  return iterate<T>(m, p, steps, scratch, [&](const ConstMatrixRef<T>& factor) {
    if (first) {
      root = factor;
    } else {
      detail::commuting_product<T>(factor, root, product);
      root = product;
    }
    first = false;
  });
}

template <class T>
bool coupled_power(MatrixRef<T> m, int a, int b, std::span<const RootStep> steps, MatrixRef<T> x,
                   Scratch& scratch) {
  Scratch::Frame frame(scratch);
  MatrixMap<T> power = frame.matrix<T>(m.rows(), m.rows());
  MatrixMap<T> product = frame.matrix<T>(x.rows(), x.cols());
  return iterate<T>(m, b, steps, scratch, [&](const ConstMatrixRef<T>& factor) {
    symmetric_power<T>(factor, a, power, scratch);
    gemm<T>(Op::none, Op::none, T(1), power, x, T(0), product);
    x = product;
  });
}

#define MUONFLOW_INSTANTIATE(T)                                                                   \
  template bool coupled_root<T>(MatrixRef<T>, int, std::span<const RootStep>, MatrixRef<T>,       \
                                Scratch&);                                                        \
  template bool coupled_power<T>(MatrixRef<T>, int, int, std::span<const RootStep>, MatrixRef<T>, \
                                 Scratch&);                                                       \
  template void symmetric_power<T>(const ConstMatrixRef<T>&, int, MatrixRef<T>, Scratch&);
MUONFLOW_INSTANTIATE(float)
MUONFLOW_INSTANTIATE(double)
#undef MUONFLOW_INSTANTIATE

}  // namespace muonflow::linalg

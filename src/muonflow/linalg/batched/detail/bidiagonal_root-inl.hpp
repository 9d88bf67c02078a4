// S = f(B B^T + epsilon^2) B for the lower bidiagonal B of a group, f = front (1 + sum_j weight_j /
// (x + pole_j)): the regularized polar map of B by partial fractions.
//
// With d_k = B(k, k), e_k = B(k + 1, k) and tau = epsilon^2 + pole, the pivots of B B^T + tau from
// above and from below are sums of positive numbers, as in the differential qd algorithm (Fernando
// and Parlett, Numerische Mathematik 67, 1994), and so is the diagonal z of the inverse:
//
//   sigma_0 = tau,              sigma_k+1 = tau + e_k^2 sigma_k / (d_k^2 + sigma_k)
//   rho_n-1 = d_n-1^2 + tau,    rho_k-1 = tau + d_k-1^2 rho_k / (e_k-1^2 + rho_k)
//   z_k = 1 / (sigma_k - tau + rho_k)
//
// P = (B B^T + tau)^-1 B is, in column k,
//
//   P(k, k) = d_k z_k rho_k+1 / (e_k^2 + rho_k+1),     P(i, k) = -d_i e_i / (d_i^2 + sigma_i) P(i +
//   1, k) P(k + 1, k) = e_k z_k+1 sigma_k / (d_k^2 + sigma_k),  P(i, k) = -d_i-1 e_i-1 / (e_i-1^2 +
//   rho_i) P(i - 1, k)
//
// above and below. Nothing is ever subtracted, within a pole or among them (the sign of an entry is
// that of a product of entries of B), so every entry of S has some roundoffs of its own size as its
// error, however small epsilon; and so have <B, P> and what is made of it.
//
// Included once for each instruction set, inside no namespace.
#if defined(MUONFLOW_LINALG_BATCHED_BIDIAGONAL_ROOT_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef MUONFLOW_LINALG_BATCHED_BIDIAGONAL_ROOT_INL
#undef MUONFLOW_LINALG_BATCHED_BIDIAGONAL_ROOT_INL
#else
#define MUONFLOW_LINALG_BATCHED_BIDIAGONAL_ROOT_INL
#endif

#include "muonflow/linalg/batched/detail/bidiagonal-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace muonflow::linalg::detail::HWY_NAMESPACE {

// Poles side by side: their chains of divisions overlap, and their terms are added in registers.
constexpr int kMaxWays = 8;

template <class T>
class BidiagonalRoot {
 public:
  using V = Lane<T>;
  static constexpr Index scratch_size(Index rows) { return 3 * kMaxWays * rows; }

  // s [rows][stride], zero outside its first `rows` columns.
  HWY_INLINE BidiagonalRoot(const Bidiagonal<T>& b, Index rows, T* s, Index stride, T* scratch)
      : b_(b),
        rows_(rows),
        s_(s),
        stride_(stride),
        up_(scratch),
        down_(up_ + kMaxWays * rows * kLanes),
        ratio_(down_ + kMaxWays * rows * kLanes) {}

  // S <- front B
  HWY_INLINE void begin(V front, Index cols) {
    for (Index i = 0; i < rows_; ++i) {
      for (Index j = 0; j < cols; ++j) put<T>(hn::Zero(Tag<T>()), at(i, j), 0);
    }
    for (Index k = 0; k < rows_; ++k) {
      put<T>(hn::Mul(front, b_.diagonal(k)), at(k, k), 0);
      if (k + 1 < rows_) put<T>(hn::Mul(front, b_.below(k)), at(k + 1, k), 0);
    }
  }

  // S += sum_j weight[j] (B B^T + tau[j])^-1 B, kWays terms; inner[j] <- <B, the term>. The return
  // value is the sum of weight[j] tr (B B^T + tau[j])^-1.
  template <int kWays>
  HWY_INLINE V add(const V* tau, const V* weight, V* inner) {
    downwards<kWays>(tau);
    V trace = hn::Zero(Tag<T>());
    V rho[kWays], kept[kWays], z_next[kWays];
    const V last = b_.diagonal(rows_ - 1);
    const V one = hn::Set(Tag<T>(), T(1));
#pragma GCC unroll 8
    for (int j = 0; j < kWays; ++j) {
      rho[j] = hn::MulAdd(last, last, tau[j]);
      kept[j] = one;
      z_next[j] = hn::Zero(Tag<T>());
      inner[j] = hn::Zero(Tag<T>());
    }
    for (Index k = rows_ - 1; k >= 0; --k) {
      const V d = b_.diagonal(k);
      V term[kWays], next[kWays];
      if (k > 0) {
        const V d_above = b_.diagonal(k - 1);
        const V e_above = b_.below(k - 1);
        const V e2 = hn::Mul(e_above, e_above);
        const V d2 = hn::Mul(d_above, d_above);
        const V product = hn::Neg(hn::Mul(d_above, e_above));
#pragma GCC unroll 8
        for (int j = 0; j < kWays; ++j) {
          // 1 / a and 1 / b by one division.
          const V a = hn::MulAdd(e_above, get<T>(ratio_, (k - 1) * kWays + j), rho[j]);
          const V b = hn::Add(e2, rho[j]);
          const V both = hn::Div(one, hn::Mul(a, b));
          const V z = hn::Mul(hn::Mul(both, b), weight[j]);
          const V inverse = hn::Mul(both, a);
          next[j] = z;
          term[j] = hn::Mul(hn::Mul(d, z), kept[j]);
          put<T>(hn::Mul(product, inverse), down_, k * kWays + j);
          kept[j] = hn::Mul(rho[j], inverse);
          rho[j] = hn::MulAdd(d2, kept[j], tau[j]);
        }
      } else {
#pragma GCC unroll 8
        for (int j = 0; j < kWays; ++j) {
          next[j] = hn::Div(weight[j], rho[j]);
          term[j] = hn::Mul(hn::Mul(d, next[j]), kept[j]);
        }
      }
      column<kWays>(d, term, k, inner, up_, -1);
      if (k + 1 < rows_) {
#pragma GCC unroll 8
        for (int j = 0; j < kWays; ++j) {
          term[j] = hn::Mul(get<T>(ratio_, k * kWays + j), z_next[j]);
        }
        column<kWays>(b_.below(k), term, k, inner, down_, 1);
      }
#pragma GCC unroll 8
      for (int j = 0; j < kWays; ++j) z_next[j] = next[j];
      trace = hn::Add(trace, sum_of<kWays>(next));
    }
    return trace;
  }

 private:
  static constexpr Index kLanes = lanes<T>();

  T* at(Index i, Index j) { return s_ + (i * stride_ + j) * kLanes; }

  template <int kWays>
  static HWY_INLINE V sum_of(const V* v) {
    const V four = hn::Add(hn::Add(v[0], v[1]), hn::Add(v[2], v[3]));
    if constexpr (kWays == 4) {
      return four;
    } else {
      static_assert(kWays == 8);
      return hn::Add(four, hn::Add(hn::Add(v[4], v[5]), hn::Add(v[6], v[7])));
    }
  }

  // The pivots from above: ratio <- e sigma / (d^2 + sigma), up <- -d e / (d^2 + sigma).
  template <int kWays>
  HWY_INLINE void downwards(const V* tau) {
    const V one = hn::Set(Tag<T>(), T(1));
    V sigma[kWays];
#pragma GCC unroll 8
    for (int j = 0; j < kWays; ++j) sigma[j] = tau[j];
    for (Index k = 0; k + 1 < rows_; ++k) {
      const V d = b_.diagonal(k);
      const V e = b_.below(k);
      const V product = hn::Neg(hn::Mul(d, e));
#pragma GCC unroll 8
      for (int j = 0; j < kWays; ++j) {
        const V inverse = hn::Div(one, hn::MulAdd(d, d, sigma[j]));
        const V ratio = hn::Mul(e, hn::Mul(sigma[j], inverse));
        put<T>(ratio, ratio_, k * kWays + j);
        put<T>(hn::Mul(product, inverse), up_, k * kWays + j);
        sigma[j] = hn::MulAdd(e, ratio, tau[j]);
      }
    }
  }

  // Column k from its entry next to the diagonal, entry (k, k) or (k + 1, k), away from it.
  template <int kWays>
  HWY_INLINE void column(V entry, V* term, Index k, V* inner, const T* factors, Index step) {
#pragma GCC unroll 8
    for (int j = 0; j < kWays; ++j) inner[j] = hn::MulAdd(entry, term[j], inner[j]);
    Index i = step < 0 ? k : k + 1;
    add_to<kWays>(term, i, k);
    while (true) {
      i += step;
      if (i < 0 || i >= rows_) return;
#pragma GCC unroll 8
      for (int j = 0; j < kWays; ++j) term[j] = hn::Mul(term[j], get<T>(factors, i * kWays + j));
      add_to<kWays>(term, i, k);
    }
  }
  template <int kWays>
  HWY_INLINE void add_to(const V* term, Index i, Index k) {
    T* const to = at(i, k);
    put<T>(hn::Add(get<T>(to, 0), sum_of<kWays>(term)), to, 0);
  }

  const Bidiagonal<T>& b_;
  Index rows_;
  T* s_;
  Index stride_;
  T* up_;
  T* down_;
  T* ratio_;
};

}  // namespace muonflow::linalg::detail::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // MUONFLOW_LINALG_BATCHED_BIDIAGONAL_ROOT_INL

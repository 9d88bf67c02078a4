// R += sum_j weight_j (A + pole_j I)^-1 for the symmetric positive definite matrices of a group, by
// symmetric Gauss-Jordan sweeps on tiles: m^3 / 2 multiply-adds an inverse, nearly all of them in
// tile products, no pivoting (every Schur complement of A + pole I is positive definite).
//
// Included once for each instruction set, inside no namespace.
#if defined(MUONFLOW_LINALG_BATCHED_SHIFTED_INVERSES_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef MUONFLOW_LINALG_BATCHED_SHIFTED_INVERSES_INL
#undef MUONFLOW_LINALG_BATCHED_SHIFTED_INVERSES_INL
#else
#define MUONFLOW_LINALG_BATCHED_SHIFTED_INVERSES_INL
#endif

#include "muonflow/linalg/batched/detail/tiles-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace muonflow::linalg::detail::HWY_NAMESPACE {

// The inverse of [a .; b c].
template <class T>
struct Pair {
  Lane<T> a, b, c;

  HWY_INLINE Pair inverse() const {
    const Lane<T> determinant = hn::NegMulAdd(b, b, hn::Mul(a, c));
    const Lane<T> scale = hn::Div(hn::Set(Tag<T>(), T(1)), determinant);
    return {hn::Mul(c, scale), hn::Neg(hn::Mul(b, scale)), hn::Mul(a, scale)};
  }
};

// p(a, b), a >= b, <- its inverse, by halves: two divisions, a short chain.
template <class T>
HWY_INLINE void invert_tile(Lane<T> (&p)[4][4]) {
  const Pair<T> e = Pair<T>{p[0][0], p[1][0], p[1][1]}.inverse();
  // F = P21 E
  const Lane<T> f00 = hn::MulAdd(p[2][0], e.a, hn::Mul(p[2][1], e.b));
  const Lane<T> f01 = hn::MulAdd(p[2][0], e.b, hn::Mul(p[2][1], e.c));
  const Lane<T> f10 = hn::MulAdd(p[3][0], e.a, hn::Mul(p[3][1], e.b));
  const Lane<T> f11 = hn::MulAdd(p[3][0], e.b, hn::Mul(p[3][1], e.c));
  // G = (P22 - F P21^T)^-1
  const Pair<T> g = Pair<T>{hn::NegMulAdd(f00, p[2][0], hn::NegMulAdd(f01, p[2][1], p[2][2])),
                            hn::NegMulAdd(f10, p[2][0], hn::NegMulAdd(f11, p[2][1], p[3][2])),
                            hn::NegMulAdd(f10, p[3][0], hn::NegMulAdd(f11, p[3][1], p[3][3]))}
                        .inverse();
  // H = -G F; E + F^T G F
  const Lane<T> h00 = hn::MulAdd(g.a, f00, hn::Mul(g.b, f10));
  const Lane<T> h01 = hn::MulAdd(g.a, f01, hn::Mul(g.b, f11));
  const Lane<T> h10 = hn::MulAdd(g.b, f00, hn::Mul(g.c, f10));
  const Lane<T> h11 = hn::MulAdd(g.b, f01, hn::Mul(g.c, f11));
  p[0][0] = hn::MulAdd(f00, h00, hn::MulAdd(f10, h10, e.a));
  p[1][0] = hn::MulAdd(f01, h00, hn::MulAdd(f11, h10, e.b));
  p[1][1] = hn::MulAdd(f01, h01, hn::MulAdd(f11, h11, e.c));
  p[2][0] = hn::Neg(h00);
  p[2][1] = hn::Neg(h01);
  p[3][0] = hn::Neg(h10);
  p[3][1] = hn::Neg(h11);
  p[2][2] = g.a;
  p[3][2] = g.b;
  p[3][3] = g.c;
}

// One inverse after another. Symmetric storage throughout; here the entries above the diagonal of a
// diagonal tile are not used, but those of R are written by `mirror`.
template <class T>
class ShiftedInverses {
 public:
  // a and r are the caller's; scratch holds `scratch_size(tiles)` vectors.
  HWY_INLINE ShiftedInverses(const T* a, T* r, Index tiles, T* scratch)
      : a_(a),
        r_(r),
        tiles_(tiles),
        work_{scratch, scratch + symmetric_size(tiles) * lanes<T>()},
        pivot_(scratch + 2 * symmetric_size(tiles) * lanes<T>()) {}
  static constexpr Index scratch_size(Index tiles) {
    return 2 * symmetric_size(tiles) + kTile * kTile;
  }

  // r += weight (a + pole I)^-1; returns the trace of the inverse.
  HWY_INLINE Lane<T> add(Lane<T> pole, Lane<T> weight) {
    trace_ = hn::Zero(Tag<T>());
    if (tiles_ == 1) {
      sweep<true, true>(0, a_, nullptr, pole, weight);
      return trace_;
    }
    sweep<true, false>(0, a_, work_[0], pole, weight);
    for (Index k = 1; k + 1 < tiles_; ++k) {
      sweep<false, false>(k, work_[(k - 1) % 2], work_[k % 2], pole, weight);
    }
    sweep<false, true>(tiles_ - 1, work_[tiles_ % 2], nullptr, pole, weight);
    return trace_;
  }

  // Fills the upper triangles of the diagonal tiles of r.
  HWY_INLINE void mirror() {
    for (Index i = 0; i < tiles_; ++i) {
      T* const tile = r_ + tile_at(i, i) * kEntries;
#pragma GCC unroll 4
      for (int a = 1; a < kTile; ++a) {
#pragma GCC unroll 4
        for (int b = 0; b < a; ++b) put<T>(get<T>(tile, a * kTile + b), tile, b * kTile + a);
      }
    }
  }

 private:
  static constexpr Index kEntries = kTile * kTile * lanes<T>();

  template <bool kLast>
  HWY_INLINE void write(Lane<T> value, T* to, Index at, Lane<T> weight) {
    if constexpr (kLast) {
      // The last sweep ends with minus the inverse.
      put<T>(hn::NegMulAdd(weight, value, get<T>(to, at)), to, at);
    } else {
      put<T>(value, to, at);
    }
  }

  // With the tiles before k swept, `from` holds (P pivots swept, N not yet)
  //   PP: -(A_PP)^-1,  PN: (A_PP)^-1 A_PN,  NN: the Schur complement,
  // and `to` becomes the same with k swept.
  template <bool kFirst, bool kLast>
  HWY_INLINE void sweep(Index k, const T* from, T* to, Lane<T> pole, Lane<T> weight) {
    if constexpr (kLast) to = r_;
    {
      const T* const tile = from + tile_at(k, k) * kEntries;
      T* const swept = to + tile_at(k, k) * kEntries;
      Lane<T> p[4][4];
#pragma GCC unroll 4
      for (int a = 0; a < kTile; ++a) {
#pragma GCC unroll 4
        for (int b = 0; b <= a; ++b) {
          p[a][b] = get<T>(tile, a * kTile + b);
          if (kFirst && a == b) p[a][b] = hn::Add(p[a][b], pole);
        }
      }
      invert_tile<T>(p);
#pragma GCC unroll 4
      for (int a = 0; a < kTile; ++a) {
        if (kLast) trace_ = hn::Add(trace_, p[a][a]);
#pragma GCC unroll 4
        for (int b = 0; b <= a; ++b) {
          if (!(kFirst && kLast)) {
            put<T>(p[a][b], pivot_, a * kTile + b);
            put<T>(p[a][b], pivot_, b * kTile + a);
          }
          write<kLast>(hn::Neg(p[a][b]), swept, a * kTile + b, weight);
        }
      }
    }
    if (kFirst && kLast) return;
    // The panel of k: T_i = W_ik P, kept apart in the last sweep, where `to` adds up.
    T* const panel = kLast ? work_[(tiles_ + 1) % 2] : to;
    for (Index i = 0; i < tiles_; ++i) {
      if (i == k) continue;
      const Index place = (i > k ? tile_at(i, k) : tile_at(k, i)) * kEntries;
      full_tile<T>([&](auto& sums, int column) HWY_ATTR __attribute__((always_inline)) {
        sums.clear();
        const T* const p = pivot_ + column * lanes<T>();
        if (i > k) {
          sums.template tile_product<false>(from + place, Plain(), p, Plain());
        } else {
          sums.template tile_product<false>(from + place, Turned(), p, Plain());
        }
        sums.each([&](int a, int b, Lane<T> sum) HWY_ATTR __attribute__((always_inline)) {
          const Index at = i > k ? a * kTile + b + column : (b + column) * kTile + a;
          put<T>(sum, panel + place, at);
          if constexpr (kLast) write<true>(sum, to + place, at, weight);
        });
      });
    }
    // W_ij - T_i W_kj for the other tiles.
    for (Index i = 0; i < tiles_; ++i) {
      if (i == k) continue;
      for (Index j = 0; j <= i; ++j) {
        if (j == k) continue;
        const Index place = tile_at(i, j) * kEntries;
        const T* const left = panel + (i > k ? tile_at(i, k) : tile_at(k, i)) * kEntries;
        const T* const right = from + (j > k ? tile_at(j, k) : tile_at(k, j)) * kEntries;
        const auto body = [&](auto& sums, int column) HWY_ATTR __attribute__((always_inline)) {
          sums.each([&](int a, int b, Lane<T>& sum) HWY_ATTR __attribute__((always_inline)) {
            sum = get<T>(from + place, a * kTile + b + column);
            if (kFirst && i == j && a == b + column) sum = hn::Add(sum, pole);
          });
          // Four cases of transposed tiles; W_jk stands turned where W_kj is wanted.
          if (i > k) {
            if (j > k) {
              sums.template tile_product<true>(left, Plain(), right + column * kTile * lanes<T>(),
                                               Turned());
            } else {
              sums.template tile_product<true>(left, Plain(), right + column * lanes<T>(), Plain());
            }
          } else {
            sums.template tile_product<true>(left, Turned(), right + column * lanes<T>(), Plain());
          }
          sums.each([&](int a, int b, Lane<T>& sum) HWY_ATTR __attribute__((always_inline)) {
            if (kLast && i == j && a == b + column) trace_ = hn::Sub(trace_, sum);
            write<kLast>(sum, to + place, a * kTile + b + column, weight);
          });
        };
        if (i == j) {
          diagonal_tile<T>(body);
        } else {
          full_tile<T>(body);
        }
      }
    }
  }

  const T* a_;
  T* r_;
  Index tiles_;
  T* work_[2];
  T* pivot_;
  Lane<T> trace_;
};

}  // namespace muonflow::linalg::detail::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // MUONFLOW_LINALG_BATCHED_SHIFTED_INVERSES_INL

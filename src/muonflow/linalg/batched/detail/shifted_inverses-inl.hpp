// R += sum_j weight_j (A + pole_j I)^-1 for the symmetric positive definite matrices of a group, by
// recursive halves on tiles: m^3 / 2 multiply-adds an inverse, nearly all of them in tile products,
// no pivoting (every Schur complement of A + pole I is positive definite).
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

// Several poles side by side, whose chains of divisions overlap. Symmetric storage throughout.
//
// By halves, in place: with A = [A11 .; A21 A22] and P = A11^-1,
//   T = A21 P,  S = A22 - T A21^T,  X22 = S^-1,  X21 = -X22 T,  X11 = P - T^T X21.
// Products are half the matrix deep, so a tile is loaded and stored once for 4 * 4 * depth
// multiply-adds, and what is in use of a 16 x 16 stays in 32 KB.
template <class T>
class ShiftedInverses {
 public:
  static constexpr int kMaxWays = 4;
  // Poles at once: as many as stay in the first level of cache.
  static constexpr int ways(Index tiles) { return tiles == 1 ? 4 : tiles == 2 ? 3 : 1; }

  // a and r are the caller's; scratch holds `scratch_size(tiles)` vectors.
  HWY_INLINE ShiftedInverses(const T* a, T* r, Index tiles, T* scratch)
      : a_(a), r_(r), tiles_(tiles), work_(scratch) {}
  static constexpr Index scratch_size(Index tiles) {
    return ways(tiles) * (symmetric_size(tiles) + panel_size(tiles));
  }

  // For count <= ways(tiles) poles: r += sum of weight[w] (a + pole[w] I)^-1, trace[w] <- the trace
  // of the inverse. Lower triangles of the diagonal tiles of r alone, see `mirror`.
  HWY_INLINE void add(const Lane<T>* pole, const Lane<T>* weight, Lane<T>* trace, int count) {
    ways_ = count;
    pole_ = pole;
    if (tiles_ == 1) {
      single(weight, trace);
      return;
    }
    if (tiles_ == 2) {
      all<2>(weight, trace);
    } else {
      all<0>(weight, trace);
    }
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

  // The panels T of all levels of the recursion, one after another.
  static constexpr Index panel_size(Index tiles) {
    Index sum = 0;
    for (Index s = tiles; s > 1; s -= s / 2) sum += (s / 2) * (s - s / 2) * kTile * kTile;
    return sum;
  }
  T* work(int w) { return work_ + w * (symmetric_size(tiles_) + panel_size(tiles_)) * lanes<T>(); }
  // Where the panel of a range of s tiles stands; ranges of one size are never alive together.
  T* panel(int w, Index s) {
    return work(w) + (symmetric_size(tiles_) + panel_size(tiles_) - panel_size(s)) * lanes<T>();
  }
  template <bool kFirst>
  const T* source(int w) {
    return kFirst ? a_ : work(w);
  }

  HWY_INLINE void load_pivot(const T* tile, Lane<T> (&p)[4][4]) {
#pragma GCC unroll 4
    for (int a = 0; a < kTile; ++a) {
#pragma GCC unroll 4
      for (int b = 0; b <= a; ++b) p[a][b] = get<T>(tile, a * kTile + b);
    }
  }

  HWY_INLINE void single(const Lane<T>* weight, Lane<T>* trace) {
    Lane<T> a[4][4];
    load_pivot(a_, a);
    Lane<T> r[4][4];
    load_pivot(r_, r);
    for (int w = 0; w < ways_; ++w) {
      Lane<T> p[4][4];
      trace[w] = hn::Zero(Tag<T>());
#pragma GCC unroll 4
      for (int i = 0; i < kTile; ++i) {
#pragma GCC unroll 4
        for (int j = 0; j <= i; ++j) p[i][j] = i == j ? hn::Add(a[i][j], pole_[w]) : a[i][j];
      }
      invert_tile<T>(p);
#pragma GCC unroll 4
      for (int i = 0; i < kTile; ++i) {
        trace[w] = hn::Add(trace[w], p[i][i]);
#pragma GCC unroll 4
        for (int j = 0; j <= i; ++j) r[i][j] = hn::MulAdd(weight[w], p[i][j], r[i][j]);
      }
    }
#pragma GCC unroll 4
    for (int i = 0; i < kTile; ++i) {
#pragma GCC unroll 4
      for (int j = 0; j <= i; ++j) put<T>(r[i][j], r_, i * kTile + j);
    }
  }

  // work <- the inverse of the tiles [begin, begin + size) of a + pole (kFirst) or of work. Two
  // tiles, where most of the recursion is, have code of their own without loops.
  template <bool kFirst>
  void invert(Index begin, Index size) {
    if (size == 1) {
      invert_one<kFirst>(begin);
    } else if (size == 2) {
      invert_range<kFirst, 2>(begin, size);
    } else {
      invert_range<kFirst, 0>(begin, size);
    }
  }

  template <bool kFirst>
  HWY_INLINE void invert_one(Index begin) {
    for (int w = 0; w < ways_; ++w) {
      Lane<T> p[4][4];
      const Index place = tile_at(begin, begin) * kEntries;
      load_pivot(source<kFirst>(w) + place, p);
      if constexpr (kFirst) {
#pragma GCC unroll 4
        for (int i = 0; i < kTile; ++i) p[i][i] = hn::Add(p[i][i], pole_[w]);
      }
      invert_tile<T>(p);
      T* const to = work(w) + place;
#pragma GCC unroll 4
      for (int i = 0; i < kTile; ++i) {
#pragma GCC unroll 4
        for (int j = 0; j <= i; ++j) {
          put<T>(p[i][j], to, i * kTile + j);
          if (i != j) put<T>(p[i][j], to, j * kTile + i);
        }
      }
    }
  }

  // kSize > 0: the size, known when compiled.
  template <bool kFirst, int kSize>
  HWY_INLINE void invert_range(Index begin, Index size) {
    if constexpr (kSize > 0) size = kSize;
    const Index half = size / 2;
    reduce<kFirst, kSize>(begin, size);
    if constexpr (kSize == 2) {
      invert_one<false>(begin + 1);
    } else {
      invert<false>(begin + half, size - half);
    }
    for (int w = 0; w < ways_; ++w) {
      finish<kSize>(w, begin, size,
                    [](Lane<T>, Index, bool) HWY_ATTR __attribute__((always_inline)){});
    }
  }

  // P, T and S of a range.
  template <bool kFirst, int kSize>
  HWY_INLINE void reduce(Index begin, Index size) {
    if constexpr (kSize > 0) size = kSize;
    const Index half = size / 2;
    const Index middle = begin + half;
    const Index end = begin + size;
    if constexpr (kSize == 2) {
      invert_one<kFirst>(begin);
    } else {
      invert<kFirst>(begin, half);
    }
    for (int w = 0; w < ways_; ++w) {
      const T* const from = source<kFirst>(w);
      T* const to = work(w);
      T* const t = panel(w, size);
      for (Index i = middle; i < end; ++i) {
        for (Index j = begin; j < middle; ++j) {
          T* const tile = t + ((i - middle) * half + j - begin) * kEntries;
          full_tile<T>([&](auto& sums, int column) HWY_ATTR __attribute__((always_inline)) {
            sums.clear();
            for (Index k = begin; k < j; ++k) {
              sums.template tile_product<false>(
                  from + tile_at(i, k) * kEntries, Plain(),
                  to + tile_at(j, k) * kEntries + column * kTile * lanes<T>(), Turned());
            }
            for (Index k = j; k < middle; ++k) {
              sums.template tile_product<false>(from + tile_at(i, k) * kEntries, Plain(),
                                                to + tile_at(k, j) * kEntries + column * lanes<T>(),
                                                Plain());
            }
            sums.each([&](int a, int b, Lane<T> sum) HWY_ATTR __attribute__((always_inline)) {
              put<T>(sum, tile, a * kTile + b + column);
            });
          });
        }
      }
      for (Index i = middle; i < end; ++i) {
        for (Index j = middle; j <= i; ++j) {
          const Index place = tile_at(i, j) * kEntries;
          const auto body = [&](auto& sums, int column) HWY_ATTR __attribute__((always_inline)) {
            sums.each([&](int a, int b, Lane<T>& sum) HWY_ATTR __attribute__((always_inline)) {
              sum = get<T>(from + place, a * kTile + b + column);
              if (kFirst && i == j && a == b + column) sum = hn::Add(sum, pole_[w]);
            });
            for (Index k = begin; k < middle; ++k) {
              sums.template tile_product<true>(
                  t + ((i - middle) * half + k - begin) * kEntries, Plain(),
                  from + tile_at(j, k) * kEntries + column * kTile * lanes<T>(), Turned());
            }
            sums.each([&](int a, int b, Lane<T> sum) HWY_ATTR __attribute__((always_inline)) {
              put<T>(sum, to + place, a * kTile + b + column);
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
  }

  // X21 and X11 of a range whose X22 is there; also(value, place, on the diagonal) sees every entry
  // of theirs in the lower triangle.
  template <int kSize, class Also>
  HWY_INLINE void finish(int w, Index begin, Index size, Also&& also) {
    if constexpr (kSize > 0) size = kSize;
    const Index half = size / 2;
    const Index middle = begin + half;
    const Index end = begin + size;
    T* const x = work(w);
    const T* const t = panel(w, size);
    const auto panel_tile = [&](Index i, Index j) HWY_ATTR __attribute__((always_inline)) {
      return t + ((i - middle) * half + j - begin) * kEntries;
    };
    for (Index i = middle; i < end; ++i) {
      for (Index j = begin; j < middle; ++j) {
        const Index place = tile_at(i, j);
        full_tile<T>([&](auto& sums, int column) HWY_ATTR __attribute__((always_inline)) {
          sums.clear();
          for (Index k = middle; k <= i; ++k) {
            sums.template tile_product<true>(x + tile_at(i, k) * kEntries, Plain(),
                                             panel_tile(k, j) + column * lanes<T>(), Plain());
          }
          for (Index k = i + 1; k < end; ++k) {
            sums.template tile_product<true>(x + tile_at(k, i) * kEntries, Turned(),
                                             panel_tile(k, j) + column * lanes<T>(), Plain());
          }
          sums.each([&](int a, int b, Lane<T> sum) HWY_ATTR __attribute__((always_inline)) {
            const Index at = a * kTile + b + column;
            put<T>(sum, x + place * kEntries, at);
            also(sum, place * kTile * kTile + at, false);
          });
        });
      }
    }
    for (Index i = begin; i < middle; ++i) {
      for (Index j = begin; j <= i; ++j) {
        const Index place = tile_at(i, j);
        const auto body = [&](auto& sums, int column) HWY_ATTR __attribute__((always_inline)) {
          sums.each([&](int a, int b, Lane<T>& sum) HWY_ATTR __attribute__((always_inline)) {
            sum = get<T>(x + place * kEntries, a * kTile + b + column);
          });
          for (Index k = middle; k < end; ++k) {
            sums.template tile_product<true>(panel_tile(k, i), Turned(),
                                             x + tile_at(k, j) * kEntries + column * lanes<T>(),
                                             Plain());
          }
          sums.each([&](int a, int b, Lane<T> sum) HWY_ATTR __attribute__((always_inline)) {
            const Index at = a * kTile + b + column;
            put<T>(sum, x + place * kEntries, at);
            if (i == j && a != b + column) {
              put<T>(sum, x + place * kEntries, (b + column) * kTile + a);
            }
            also(sum, place * kTile * kTile + at, i == j && a == b + column);
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

  template <int kSize>
  HWY_INLINE void all(const Lane<T>* weight, Lane<T>* trace) {
    const Index size = kSize > 0 ? kSize : tiles_;
    const Index half = size / 2;
    reduce<true, kSize>(0, size);
    invert<false>(half, size - half);
    for (int w = 0; w < ways_; ++w) finish_last<kSize>(w, size, weight[w], trace + w);
  }

  template <int kSize>
  HWY_INLINE void finish_last(int w, Index size, Lane<T> weight, Lane<T>* trace) {
    const Index half = size / 2;
    Lane<T> sum = hn::Zero(Tag<T>());
    const T* const x = work(w);
    for (Index i = half; i < size; ++i) {
      for (Index j = half; j <= i; ++j) {
        const Index place = tile_at(i, j) * kEntries;
#pragma GCC unroll 16
        for (int e = 0; e < kTile * kTile; ++e) {
          // Of a diagonal tile of r the lower triangle is enough.
          if (i == j && e % kTile > e / kTile) continue;
          put<T>(hn::MulAdd(weight, get<T>(x + place, e), get<T>(r_ + place, e)), r_ + place, e);
        }
      }
      const T* const diagonal = x + tile_at(i, i) * kEntries;
      for (int a = 0; a < kTile; ++a) sum = hn::Add(sum, get<T>(diagonal, a * kTile + a));
    }
    finish<kSize>(
        w, 0,
        size, [&](Lane<T> value, Index at, bool diagonal) HWY_ATTR __attribute__((always_inline)) {
          if (diagonal) sum = hn::Add(sum, value);
          put<T>(hn::MulAdd(weight, value, get<T>(r_, at)), r_, at);
        });
    *trace = sum;
  }

  const T* a_;
  T* r_;
  Index tiles_;
  T* work_;
  const Lane<T>* pole_ = nullptr;
  int ways_ = 1;
};

}  // namespace muonflow::linalg::detail::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // MUONFLOW_LINALG_BATCHED_SHIFTED_INVERSES_INL

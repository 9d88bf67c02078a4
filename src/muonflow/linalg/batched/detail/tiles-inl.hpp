// Small dense products on interleaved matrices: every scalar of a textbook algorithm is a vector
// that holds the same entry of several matrices, so nothing is ever shuffled, and a transposed
// operand is a matter of addresses.
//
// A group is the matrices that one vector holds. Its matrices stand in memory as
//   wide:       [rows][cols] vectors, rows padded to whole tiles with zeros;
//   symmetric:  tiles of 4 x 4 vectors, the tiles (I, J) with I >= J alone, at I (I + 1) / 2 + J.
//               Entries above the diagonal of a diagonal tile hold their mirror image.
// Triangular storage keeps a matrix of 16 x 16 of all lanes in 10 KB and does half of the work. A
// product of tiles runs on 16 accumulators (two passes of 8 where the processor has 16 registers).
//
// Included once for each instruction set, inside no namespace.
#if defined(MUONFLOW_LINALG_BATCHED_TILES_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef MUONFLOW_LINALG_BATCHED_TILES_INL
#undef MUONFLOW_LINALG_BATCHED_TILES_INL
#else
#define MUONFLOW_LINALG_BATCHED_TILES_INL
#endif

#include <hwy/highway.h>

#include <cstdint>

#include "muonflow/core/matrix.hpp"

HWY_BEFORE_NAMESPACE();
namespace muonflow::linalg::detail::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

constexpr int kTile = 4;
// Columns of a tile that are computed at once: as the registers allow.
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_NEON
constexpr int kPass = 4;
#else
constexpr int kPass = 2;
#endif

constexpr Index tiles_across(Index size) { return (size + kTile - 1) / kTile; }
constexpr Index tile_at(Index i, Index j) { return i * (i + 1) / 2 + j; }
// Vectors of a symmetric matrix.
constexpr Index symmetric_size(Index tiles) { return tile_at(tiles, 0) * kTile * kTile; }

// The tags of a group: at most the 16 matrices of a block.
template <class T>
using Tag = hn::CappedTag<T, 16>;
template <class T>
using Lane = hn::Vec<Tag<T>>;
template <class T>
constexpr Index lanes() {
  return static_cast<Index>(hn::MaxLanes(Tag<T>()));
}

template <class T>
HWY_INLINE Lane<T> get(const T* from, Index at) {
  return hn::Load(Tag<T>(), from + at * lanes<T>());
}
template <class T>
HWY_INLINE void put(Lane<T> value, T* to, Index at) {
  hn::Store(value, Tag<T>(), to + at * lanes<T>());
}

// Bit k: lane k.
template <class T>
HWY_INLINE std::uint32_t bits_of(hn::Mask<Tag<T>> mask) {
  alignas(64) std::uint8_t bytes[8] = {};
  hn::StoreMaskBits(Tag<T>(), mask, bytes);
  std::uint32_t bits = bytes[0] | static_cast<std::uint32_t>(bytes[1]) << 8;
  bits &= (1U << lanes<T>()) - 1;
#if defined(__GNUC__)
  // GCC 12 keeps such a number in a mask register, spills one byte of it and reads four (seen in
  // the machine code of smoothed_root.cpp): it is to be in a register of its own.
  asm("" : "+r"(bits));
#endif
  return bits;
}

// Where an operand of a tile product stands: entry (i, j) at i * row + j * col vectors.
struct Plain {
  static constexpr Index row = kTile;
  static constexpr Index col = 1;
};
struct Turned {
  static constexpr Index row = 1;
  static constexpr Index col = kTile;
};
struct Rows {
  explicit Rows(Index stride) : row(stride) {}
  Index row;
  static constexpr Index col = 1;
};
struct Columns {
  explicit Columns(Index stride) : col(stride) {}
  static constexpr Index row = 1;
  Index col;
};

// Four rows of kCols sums. kFirst > 0: only the entries with kFirst - 1 + b <= a are needed (a
// diagonal tile whose column 0 is column kFirst - 1 of the tile).
template <class T, int kCols, int kFirst = 0>
struct Sums {
  Lane<T> at[kTile][kCols];

  static constexpr bool needs(int a, int b) { return kFirst == 0 || kFirst - 1 + b <= a; }

  HWY_INLINE void clear() {
#pragma GCC unroll 4
    for (int a = 0; a < kTile; ++a) {
#pragma GCC unroll 4
      for (int b = 0; b < kCols; ++b) {
        if (needs(a, b)) at[a][b] = hn::Zero(Tag<T>());
      }
    }
  }

  // One column of a times one row of b, added or subtracted.
  template <bool kSubtract, class LayoutA, class LayoutB>
  HWY_INLINE void rank_one(const T* a, LayoutA in_a, const T* b, LayoutB in_b, Index k) {
    // By name: of an array GCC 12 would keep a copy on the stack, four dead stores for each column.
    const auto entry = [&](Index j) HWY_ATTR __attribute__((always_inline)) {
      return get<T>(b, k * in_b.row + (j < kCols ? j : 0) * in_b.col);
    };
    const Lane<T> right0 = entry(0);
    const Lane<T> right1 = entry(1);
    const Lane<T> right2 = entry(2);
    const Lane<T> right3 = entry(3);
#pragma GCC unroll 4
    for (int i = 0; i < kTile; ++i) {
      const Lane<T> left = get<T>(a, i * in_a.row + k * in_a.col);
      add<kSubtract, 0>(i, left, right0);
      add<kSubtract, 1>(i, left, right1);
      add<kSubtract, 2>(i, left, right2);
      add<kSubtract, 3>(i, left, right3);
    }
  }
  template <bool kSubtract, int kCol>
  HWY_INLINE void add(int i, Lane<T> left, Lane<T> right) {
    if constexpr (kCol < kCols) {
      if (!needs(i, kCol)) return;
      at[i][kCol] = kSubtract ? hn::NegMulAdd(left, right, at[i][kCol])
                              : hn::MulAdd(left, right, at[i][kCol]);
    }
  }

  // += a b (or -=), a [4, depth], b [depth, kCols].
  template <bool kSubtract, class LayoutA, class LayoutB>
  HWY_INLINE void product(const T* a, LayoutA in_a, const T* b, LayoutB in_b, Index depth) {
    for (Index k = 0; k < depth; ++k) rank_one<kSubtract>(a, in_a, b, in_b, k);
  }
  template <bool kSubtract, class LayoutA, class LayoutB>
  HWY_INLINE void tile_product(const T* a, LayoutA in_a, const T* b, LayoutB in_b) {
#pragma GCC unroll 4
    for (Index k = 0; k < kTile; ++k) rank_one<kSubtract>(a, in_a, b, in_b, k);
  }

  // Calls f(a, b, sum) for the entries that are needed.
  template <class F>
  HWY_INLINE void each(F&& f) {
#pragma GCC unroll 4
    for (int a = 0; a < kTile; ++a) {
#pragma GCC unroll 4
      for (int b = 0; b < kCols; ++b) {
        if (needs(a, b)) f(a, b, at[a][b]);
      }
    }
  }
};

// Runs body(Sums, column) for the passes of a tile; a diagonal tile asks for its lower triangle.
template <class T, class Body>
HWY_INLINE void full_tile(Body&& body) {
#pragma GCC unroll 2
  for (int c = 0; c < kTile; c += kPass) {
    Sums<T, kPass> sums;
    body(sums, c);
  }
}
template <class T, class Body>
HWY_INLINE void diagonal_tile(Body&& body) {
  Sums<T, kPass, 1> first;
  body(first, 0);
  if constexpr (kPass < kTile) {
    Sums<T, kPass, kPass + 1> second;
    body(second, kPass);
  }
}

// c(I, J) = epilogue(value of (x x^T), on the diagonal) for the tiles of the lower triangle; x wide
// [tiles * 4, cols].
template <class T, class Epilogue>
HWY_INLINE void gram(const T* x, Index tiles, Index cols, T* c, Epilogue&& epilogue) {
  const Index row = kTile * cols * lanes<T>();
  for (Index i = 0; i < tiles; ++i) {
    for (Index j = 0; j <= i; ++j) {
      T* const to = c + tile_at(i, j) * kTile * kTile * lanes<T>();
      const auto body = [&](auto& sums, int column) HWY_ATTR __attribute__((always_inline)) {
        sums.clear();
        sums.template product<false>(x + i * row, Rows(cols),
                                     x + j * row + column * cols * lanes<T>(), Columns(cols), cols);
        sums.each([&](int a, int b, Lane<T> sum) HWY_ATTR __attribute__((always_inline)) {
          const bool diagonal = i == j && a == b + column;
          const Lane<T> value =
              epilogue(sum, diagonal, tile_at(i, j) * kTile * kTile + a * kTile + b + column);
          put(value, to, a * kTile + b + column);
          if (i == j && !diagonal) put(value, to, (b + column) * kTile + a);
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

// c = epilogue(a b, on the diagonal, place) for symmetric a and b that commute; c aliases neither.
template <class T, class Epilogue>
HWY_INLINE void symmetric_product(const T* a, const T* b, Index tiles, T* c, Epilogue&& epilogue) {
  const auto tile = [](auto* s, Index i, Index j) HWY_ATTR __attribute__((always_inline)) {
    return s + tile_at(i, j) * kTile * kTile * lanes<T>();
  };
  for (Index i = 0; i < tiles; ++i) {
    for (Index j = 0; j <= i; ++j) {
      T* const to = tile(c, i, j);
      const auto body = [&](auto& sums, int column) HWY_ATTR __attribute__((always_inline)) {
        sums.clear();
        const Index plain = column * lanes<T>();
        const Index turned = column * kTile * lanes<T>();
        for (Index k = 0; k < j; ++k) {
          sums.template tile_product<false>(tile(a, i, k), Plain(), tile(b, j, k) + turned,
                                            Turned());
        }
        for (Index k = j; k <= i; ++k) {
          sums.template tile_product<false>(tile(a, i, k), Plain(), tile(b, k, j) + plain, Plain());
        }
        for (Index k = i + 1; k < tiles; ++k) {
          sums.template tile_product<false>(tile(a, k, i), Turned(), tile(b, k, j) + plain,
                                            Plain());
        }
        sums.each([&](int row, int col, Lane<T> sum) HWY_ATTR __attribute__((always_inline)) {
          const bool diagonal = i == j && row == col + column;
          const Lane<T> value =
              epilogue(sum, diagonal, tile_at(i, j) * kTile * kTile + row * kTile + col + column);
          put(value, to, row * kTile + col + column);
          if (i == j && !diagonal) put(value, to, (col + column) * kTile + row);
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

template <class T, int kCols, class Write>
HWY_INLINE void apply_columns(const T* s, const T* x, Index tiles, Index cols, Index j,
                              Write&& write) {
  for (Index i = 0; i < tiles; ++i) {
    Sums<T, kCols> sums;
    sums.clear();
    const T* from = x + j * lanes<T>();
    const Index down = kTile * cols * lanes<T>();
    for (Index k = 0; k <= i; ++k, from += down) {
      sums.template tile_product<false>(s + tile_at(i, k) * kTile * kTile * lanes<T>(), Plain(),
                                        from, Rows(cols));
    }
    for (Index k = i + 1; k < tiles; ++k, from += down) {
      sums.template tile_product<false>(s + tile_at(k, i) * kTile * kTile * lanes<T>(), Turned(),
                                        from, Rows(cols));
    }
    sums.each([&](int a, int b, Lane<T> sum) HWY_ATTR
              __attribute__((always_inline)) { write(i * kTile + a, j + b, sum); });
  }
}

// write(row, col, (s x)(row, col)) for symmetric s and wide x, padded rows included.
template <class T, class Write>
HWY_INLINE void apply(const T* s, const T* x, Index tiles, Index cols, Write&& write) {
  Index j = 0;
  for (; j + kPass <= cols; j += kPass) apply_columns<T, kPass>(s, x, tiles, cols, j, write);
  if constexpr (kPass == 4) {
    if (j + 2 <= cols) {
      apply_columns<T, 2>(s, x, tiles, cols, j, write);
      j += 2;
    }
  }
  if (j < cols) apply_columns<T, 1>(s, x, tiles, cols, j, write);
}

}  // namespace muonflow::linalg::detail::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // MUONFLOW_LINALG_BATCHED_TILES_INL

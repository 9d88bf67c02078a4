#include "muonflow/linalg/batched/detail/polynomial_steps.hpp"

#include <algorithm>
#include <cmath>

#include "muonflow/linalg/batched/detail/power_scale.hpp"
#include "muonflow/linalg/simd_targets.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "muonflow/linalg/batched/detail/polynomial_steps.cpp"
#include <hwy/foreach_target.h>
// After foreach_target:
#include "muonflow/linalg/batched/detail/tiles-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace muonflow::linalg::detail::HWY_NAMESPACE {
namespace {

// The iterates of one group: X and, for the regularized map, the symmetric Z of the pair, with the
// singular values of [X, Z] those of the composition so far.
template <class T>
class Iteration {
 public:
  static Index vectors(Index tiles, Index cols) {
    return 2 * tiles * kTile * cols + 5 * symmetric_size(tiles);
  }

  Iteration(std::byte* scratch, Index rows, Index cols)
      : rows_(rows), cols_(cols), tiles_(tiles_across(rows)) {
    T* at = reinterpret_cast<T*>(scratch);
    const auto take = [&](Index count) {
      T* const piece = at;
      at += count * lanes<T>();
      return piece;
    };
    x_ = take(tiles_ * kTile * cols);
    next_x_ = take(tiles_ * kTile * cols);
    const Index size = symmetric_size(tiles_);
    gram_ = take(size);
    p_ = take(size);
    spare_ = take(size);
    z_ = take(size);
    next_z_ = take(size);
  }

  PolynomialResult run(T* block, std::span<const OddPolynomial> steps, const PolynomialStart& start,
                       const double* epsilon) {
    PolynomialResult result;
    result.non_finite = load(block, start, epsilon);
    const std::uint32_t all = (1U << lanes<T>()) - 1;
    if (result.non_finite == all) return result;
    for (std::size_t s = 0; s < steps.size(); ++s) {
      step(steps[s], epsilon != nullptr, s == 0, s + 1 == steps.size());
    }
    result.overflowed = store(block) & ~result.non_finite;
    return result;
  }

 private:
  // Reads and divides; returns the lanes that are not finite.
  HWY_INLINE std::uint32_t load(const T* block, const PolynomialStart& start,
                                const double* epsilon) {
    const Tag<T> d;
    const Index size = rows_ * cols_;
    Lane<T> largest = hn::Zero(d);
    Lane<T> trouble = hn::Zero(d);  // NaN where an entry is not finite
    for (Index e = 0; e < size; ++e) {
      const Lane<T> value = hn::Load(d, block + e * kBlock);
      largest = hn::Max(largest, hn::Abs(value));
      trouble = hn::MulAdd(value, hn::Zero(d), trouble);
    }
    alignas(64) T scales[lanes<T>()];
    alignas(64) T factors[lanes<T>()];
    alignas(64) T most[lanes<T>()];
    alignas(64) T extra[lanes<T>()];
    hn::Store(largest, d, most);
    // Two steps, since the reciprocal of a small norm is no float: a power of two, then a division.
    const T least = sizeof(T) == sizeof(float) ? T(1.2e-38F) : T(0);
    for (Index k = 0; k < lanes<T>(); ++k) {
      scales[k] = static_cast<T>(power_scale(static_cast<double>(std::max(most[k], least))));
    }
    const Lane<T> scale = hn::Load(d, scales);
    Lane<T> squares[4] = {hn::Zero(d), hn::Zero(d), hn::Zero(d), hn::Zero(d)};
    Index e = 0;
    for (; e + 4 <= size; e += 4) {
#pragma GCC unroll 4
      for (int c = 0; c < 4; ++c) {
        const Lane<T> value = hn::Mul(scale, hn::Load(d, block + (e + c) * kBlock));
        squares[c] = hn::MulAdd(value, value, squares[c]);
      }
    }
    for (; e < size; ++e) {
      const Lane<T> value = hn::Mul(scale, hn::Load(d, block + e * kBlock));
      squares[0] = hn::MulAdd(value, value, squares[0]);
    }
    hn::Store(hn::Add(hn::Add(squares[0], squares[1]), hn::Add(squares[2], squares[3])), d, most);
    for (Index k = 0; k < lanes<T>(); ++k) {
      const double square = static_cast<double>(most[k]);
      const double up = static_cast<double>(scales[k]);
      double divisor = 0;
      if (epsilon != nullptr) {
        const double eps = epsilon[k] * up;
        divisor = std::sqrt(square + static_cast<double>(rows_) * eps * eps);
        extra[k] = divisor > 0 ? static_cast<T>(eps / divisor) : T(0);
      } else {
        const double norm = std::sqrt(square);
        divisor = start.add ? norm + start.guard * up : std::max(norm, start.guard * up);
      }
      factors[k] = square > 0 ? static_cast<T>(1 / divisor) : T(0);
    }
    const Lane<T> factor = hn::Load(d, factors);
    for (e = 0; e < size; ++e) {
      put<T>(hn::Mul(hn::Mul(hn::Load(d, block + e * kBlock), scale), factor), x_, e);
    }
    for (; e < tiles_ * kTile * cols_; ++e) put<T>(hn::Zero(d), x_, e);
    if (epsilon != nullptr) eps_ = hn::Load(d, extra);
    return bits_of<T>(hn::IsNaN(trouble));
  }

  HWY_INLINE void step(const OddPolynomial& p, bool pair, bool first, bool last) {
    const Tag<T> d;
    // G = X X^T + Z^2; Z starts as epsilon I.
    const Lane<T> eps2 = hn::Mul(eps_, eps_);
    if (pair && !first) {
      symmetric_product<T>(
          z_, z_, tiles_, spare_,
          [](Lane<T> sum, bool, Index) HWY_ATTR __attribute__((always_inline)) { return sum; });
      gram<T>(
          x_, tiles_, cols_,
          gram_, [&](Lane<T> sum, bool, Index at) HWY_ATTR __attribute__((always_inline)) {
            return hn::Add(sum, get<T>(spare_, at));
          });
    } else {
      const Lane<T> shift = pair ? eps2 : hn::Zero(d);
      gram<T>(
          x_, tiles_, cols_,
          gram_, [&](Lane<T> sum, bool diagonal, Index) HWY_ATTR __attribute__((always_inline)) {
            return diagonal ? hn::Add(sum, shift) : sum;
          });
    }
    // P = c_0 I + c_1 G + c_2 G^2 + ..., by Horner's rule; the first product takes two terms.
    const auto c = [&](std::size_t k) HWY_ATTR __attribute__((always_inline)) {
      return hn::Set(d, static_cast<T>(k < p.terms ? p[k] : 0));
    };
    if (p.terms <= 2) {
      linear(c(0), c(1));
    } else {
      const std::size_t top = p.terms - 1;
      const T* left = gram_;
      if (top > 2) {
        linear(c(top - 1), c(top));
        left = p_;
      }
      std::size_t k = top > 2 ? top - 2 : 0;
      for (bool more = true; more; --k) {
        const Lane<T> constant = c(k);
        if (left == gram_) {
          const Lane<T> middle = c(1);
          const Lane<T> square = c(2);
          symmetric_product<T>(
              gram_, gram_, tiles_, spare_,
              [&](Lane<T> sum, bool diagonal, Index at) HWY_ATTR __attribute__((always_inline)) {
                const Lane<T> value = hn::MulAdd(square, sum, hn::Mul(middle, get<T>(gram_, at)));
                return diagonal ? hn::Add(value, constant) : value;
              });
        } else {
          symmetric_product<T>(
              left, gram_, tiles_, spare_,
              [&](Lane<T> sum, bool diagonal, Index) HWY_ATTR
              __attribute__((always_inline)) { return diagonal ? hn::Add(sum, constant) : sum; });
        }
        std::swap(p_, spare_);
        left = p_;
        more = k > 0;
      }
    }
    apply<T>(
        p_, x_, tiles_,
        cols_, [&](Index i, Index j, Lane<T> value) HWY_ATTR __attribute__((always_inline)) {
          put<T>(value, next_x_, i * cols_ + j);
        });
    std::swap(x_, next_x_);
    if (!pair || last) return;
    if (first) {
      for (Index e = 0; e < symmetric_size(tiles_); ++e) {
        put<T>(hn::Mul(eps_, get<T>(p_, e)), z_, e);
      }
      return;
    }
    symmetric_product<T>(
        p_, z_, tiles_, next_z_,
        [](Lane<T> sum, bool, Index) HWY_ATTR __attribute__((always_inline)) { return sum; });
    std::swap(z_, next_z_);
  }

  // p <- constant I + slope G
  HWY_INLINE void linear(Lane<T> constant, Lane<T> slope) {
    for (Index e = 0; e < symmetric_size(tiles_); ++e) {
      put<T>(hn::Mul(slope, get<T>(gram_, e)), p_, e);
    }
    for (Index i = 0; i < tiles_; ++i) {
      T* const tile = p_ + tile_at(i, i) * kTile * kTile * lanes<T>();
      for (int a = 0; a < kTile; ++a) {
        put<T>(hn::Add(get<T>(tile, a * kTile + a), constant), tile, a * kTile + a);
      }
    }
  }

  // Writes the lanes that are finite; returns the others.
  HWY_INLINE std::uint32_t store(T* block) {
    const Tag<T> d;
    Lane<T> trouble = hn::Zero(d);
    const Index size = rows_ * cols_;
    for (Index e = 0; e < size; ++e) {
      trouble = hn::MulAdd(get<T>(x_, e), hn::Zero(d), trouble);
    }
    const auto good = hn::Eq(trouble, trouble);
    for (Index e = 0; e < size; ++e) {
      T* const to = block + e * kBlock;
      hn::Store(hn::IfThenElse(good, get<T>(x_, e), hn::Load(d, to)), d, to);
    }
    return bits_of<T>(hn::Not(good));
  }

  Index rows_, cols_, tiles_;
  T* x_;
  T* next_x_;
  T* gram_;
  T* p_;
  T* spare_;
  T* z_;
  T* next_z_;
  Lane<T> eps_ = hn::Zero(Tag<T>());
};

template <class T>
PolynomialResult run(T* block, Index rows, Index cols, std::span<const OddPolynomial> steps,
                     const PolynomialStart& start, const double* epsilon, std::byte* scratch) {
  PolynomialResult result;
  for (Index g = 0; g < kBlock; g += lanes<T>()) {
    Iteration<T> iteration(scratch, rows, cols);
    const PolynomialResult part =
        iteration.run(block + g, steps, start, epsilon != nullptr ? epsilon + g : nullptr);
    result.non_finite |= part.non_finite << g;
    result.overflowed |= part.overflowed << g;
  }
  return result;
}

template <class T>
std::size_t bytes(Index rows, Index cols) {
  return static_cast<std::size_t>(Iteration<T>::vectors(tiles_across(rows), cols) * lanes<T>()) *
         sizeof(T);
}

}  // namespace

std::size_t polynomial_bytes_float(Index rows, Index cols) { return bytes<float>(rows, cols); }
std::size_t polynomial_bytes_double(Index rows, Index cols) { return bytes<double>(rows, cols); }
PolynomialResult polynomial_run_float(float* block, Index rows, Index cols,
                                      std::span<const OddPolynomial> steps,
                                      const PolynomialStart& start, const double* epsilon,
                                      std::byte* scratch) {
  return run<float>(block, rows, cols, steps, start, epsilon, scratch);
}
PolynomialResult polynomial_run_double(double* block, Index rows, Index cols,
                                       std::span<const OddPolynomial> steps,
                                       const PolynomialStart& start, const double* epsilon,
                                       std::byte* scratch) {
  return run<double>(block, rows, cols, steps, start, epsilon, scratch);
}

}  // namespace muonflow::linalg::detail::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace muonflow::linalg::detail {

HWY_EXPORT(polynomial_bytes_float);
HWY_EXPORT(polynomial_bytes_double);
HWY_EXPORT(polynomial_run_float);
HWY_EXPORT(polynomial_run_double);

template <>
std::size_t polynomial_scratch<float>(Index rows, Index cols) {
  return HWY_DYNAMIC_DISPATCH(polynomial_bytes_float)(rows, cols);
}
template <>
std::size_t polynomial_scratch<double>(Index rows, Index cols) {
  return HWY_DYNAMIC_DISPATCH(polynomial_bytes_double)(rows, cols);
}
template <>
PolynomialResult polynomial_steps<float>(float* block, Index rows, Index cols,
                                         std::span<const OddPolynomial> steps,
                                         const PolynomialStart& start, const double* epsilon,
                                         std::byte* scratch) {
  return HWY_DYNAMIC_DISPATCH(polynomial_run_float)(block, rows, cols, steps, start, epsilon,
                                                    scratch);
}
template <>
PolynomialResult polynomial_steps<double>(double* block, Index rows, Index cols,
                                          std::span<const OddPolynomial> steps,
                                          const PolynomialStart& start, const double* epsilon,
                                          std::byte* scratch) {
  return HWY_DYNAMIC_DISPATCH(polynomial_run_double)(block, rows, cols, steps, start, epsilon,
                                                     scratch);
}

}  // namespace muonflow::linalg::detail
#endif  // HWY_ONCE

// A^(-1/2) in closed form for symmetric positive definite A = B + epsilon^2 I of one, two or three
// rows, with sum of sqrt(lambda) - epsilon and sum of (lambda - epsilon^2) / sqrt(lambda) over the
// eigenvalues. No difference of nearly equal numbers but those that the entries of A fix: sums and
// divided differences of roots are written so that all terms are positive.
//
// Included once for each instruction set, inside no namespace.
#if defined(MUONFLOW_LINALG_BATCHED_CLOSED_ROOT_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef MUONFLOW_LINALG_BATCHED_CLOSED_ROOT_INL
#undef MUONFLOW_LINALG_BATCHED_CLOSED_ROOT_INL
#else
#define MUONFLOW_LINALG_BATCHED_CLOSED_ROOT_INL
#endif

#include <hwy/contrib/math/math-inl.h>

#include <numbers>

#include "muonflow/linalg/batched/detail/tiles-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace muonflow::linalg::detail::HWY_NAMESPACE {

// Least epsilon^2 / ||A||_F for which the closed form of three rows keeps ten digits: the rounding
// of its second-degree term counts u / epsilon^3.
constexpr double kClosedThree = 1.0 / 65536;

struct ClosedRoot {
  Lane<double> potential;
  Lane<double> pairing;
};

HWY_INLINE Lane<double> closed_sqrt(Lane<double> x) {
  return hn::Sqrt(hn::Max(x, hn::Zero(Tag<double>())));
}

// One row: the root of a number; squares = A - epsilon^2, which was not rounded into A.
HWY_INLINE ClosedRoot closed_root_one(const double* a, double* root, Lane<double> squares,
                                      Lane<double> epsilon) {
  const Lane<double> q = hn::Sqrt(get<double>(a, 0));
  put<double>(hn::Div(hn::Set(Tag<double>(), 1), q), root, 0);
  return {hn::Div(squares, hn::Add(q, epsilon)), hn::Div(squares, q)};
}

// Two rows, by Cayley and Hamilton: A^(1/2) = (A + d I) / t with d = sqrt(det A), t = sqrt(tr A +
// 2 d), the sum of the roots; its inverse is (adj A + d I) / (d t).
HWY_INLINE ClosedRoot closed_root_two(const double* a, double* root, Lane<double> squares,
                                      Lane<double> epsilon) {
  const Tag<double> d;
  const Lane<double> a00 = get<double>(a, 0);
  const Lane<double> a10 = get<double>(a, kTile);
  const Lane<double> a11 = get<double>(a, kTile + 1);
  const Lane<double> eps2 = hn::Mul(epsilon, epsilon);
  // a00 a11 - a10^2 = (a00 a11 - p) - (a10^2 - p), p = the rounded a10^2 (Kahan).
  const Lane<double> p = hn::Mul(a10, a10);
  const Lane<double> determinant = hn::Sub(hn::MulSub(a00, a11, p), hn::MulSub(a10, a10, p));
  const Lane<double> middle = closed_sqrt(hn::Max(determinant, hn::Mul(eps2, eps2)));
  const Lane<double> sum = hn::Sqrt(hn::Add(hn::Add(a00, a11), hn::Add(middle, middle)));
  const Lane<double> scale = hn::Div(hn::Set(d, 1), hn::Mul(middle, sum));
  put<double>(hn::Mul(hn::Add(a11, middle), scale), root, 0);
  put<double>(hn::Neg(hn::Mul(a10, scale)), root, 1);
  put<double>(hn::Neg(hn::Mul(a10, scale)), root, kTile);
  put<double>(hn::Mul(hn::Add(a00, middle), scale), root, kTile + 1);
  // d - epsilon^2 = (det A - epsilon^4) / (d + epsilon^2); t - 2 epsilon likewise.
  const Lane<double> over =
      hn::Div(hn::Max(hn::NegMulAdd(eps2, eps2, determinant), hn::Mul(eps2, squares)),
              hn::Add(middle, eps2));
  const Lane<double> two = hn::Add(epsilon, epsilon);
  return {hn::Div(hn::Add(squares, hn::Add(over, over)), hn::Add(sum, two)),
          hn::Div(hn::Mul(sum, over), middle)};
}

// Three rows: eigenvalues by the trigonometric formula, then Newton's interpolation of
// lambda^(-1/2) in A. Two eigenvalues that coincide come out apart by sqrt(u), to either side; the
// interpolation sees the square of that.
HWY_INLINE ClosedRoot closed_root_three(const double* a, double* root, Lane<double> epsilon) {
  const Tag<double> d;
  const auto set = [&](double value) HWY_ATTR __attribute__((always_inline)) {
    return hn::Set(d, value);
  };
  const Lane<double> eps2 = hn::Mul(epsilon, epsilon);
  const Lane<double> a10 = get<double>(a, kTile);
  const Lane<double> a20 = get<double>(a, 2 * kTile);
  const Lane<double> a21 = get<double>(a, 2 * kTile + 1);
  const Lane<double> a00 = get<double>(a, 0);
  const Lane<double> a11 = get<double>(a, kTile + 1);
  const Lane<double> a22 = get<double>(a, 2 * kTile + 2);
  const Lane<double> mean = hn::Mul(set(1.0 / 3), hn::Add(a00, hn::Add(a11, a22)));
  const Lane<double> b00 = hn::Sub(a00, mean);
  const Lane<double> b11 = hn::Sub(a11, mean);
  const Lane<double> b22 = hn::Sub(a22, mean);
  const Lane<double> off = hn::MulAdd(a10, a10, hn::MulAdd(a20, a20, hn::Mul(a21, a21)));
  const Lane<double> on = hn::MulAdd(b00, b00, hn::MulAdd(b11, b11, hn::Mul(b22, b22)));
  const Lane<double> radius = hn::Sqrt(hn::Mul(set(1.0 / 6), hn::Add(on, hn::Add(off, off))));
  const Lane<double> determinant =
      hn::MulAdd(b00, hn::NegMulAdd(a21, a21, hn::Mul(b11, b22)),
                 hn::NegMulAdd(a10, hn::NegMulAdd(a20, a21, hn::Mul(a10, b22)),
                               hn::Mul(a20, hn::NegMulAdd(a20, b11, hn::Mul(a10, a21)))));
  const Lane<double> cube = hn::Mul(hn::Mul(radius, radius), hn::Add(radius, radius));
  Lane<double> cosine = hn::Div(determinant, cube);
  cosine = hn::IfThenElse(hn::Gt(cube, hn::Zero(d)), cosine, hn::Zero(d));  // A = mean I
  cosine = hn::Min(hn::Max(cosine, set(-1)), set(1));
  const Lane<double> angle = hn::Mul(set(1.0 / 3), hn::Acos(d, cosine));
  const Lane<double> twice = hn::Add(radius, radius);
  const Lane<double> third = set(2 * std::numbers::pi / 3);
  // epsilon^2 bounds the spectrum from below.
  const Lane<double> l1 = hn::Max(hn::MulAdd(twice, hn::Cos(d, angle), mean), eps2);
  const Lane<double> l3 = hn::Max(hn::MulAdd(twice, hn::Cos(d, hn::Add(angle, third)), mean), eps2);
  const Lane<double> l2 = hn::Max(hn::Sub(hn::MulAdd(set(3), mean, hn::Neg(l1)), l3), eps2);
  const Lane<double> x = hn::Sqrt(l1);
  const Lane<double> y = hn::Sqrt(l2);
  const Lane<double> z = hn::Sqrt(l3);
  // f[z] = 1 / z, f[z, y] = -1 / (z y (z + y)),
  // f[z, y, x] = (x + y + z) / (x y z (x + y) (y + z) (z + x))
  const Lane<double> first = hn::Div(set(1), z);
  const Lane<double> second = hn::Neg(hn::Div(set(1), hn::Mul(hn::Mul(z, y), hn::Add(z, y))));
  const Lane<double> third_order =
      hn::Div(hn::Add(x, hn::Add(y, z)), hn::Mul(hn::Mul(hn::Mul(x, y), hn::Mul(z, hn::Add(x, y))),
                                                 hn::Mul(hn::Add(y, z), hn::Add(z, x))));
  // first I + (A - l3 I) (second I + third_order (A - l2 I))
  const Lane<double> c00 = hn::Sub(a00, l3);
  const Lane<double> c11 = hn::Sub(a11, l3);
  const Lane<double> c22 = hn::Sub(a22, l3);
  const auto inner = [&](Lane<double> entry) HWY_ATTR __attribute__((always_inline)) {
    return hn::MulAdd(third_order, hn::Sub(entry, l2), second);
  };
  const Lane<double> g00 = inner(a00);
  const Lane<double> g11 = inner(a11);
  const Lane<double> g22 = inner(a22);
  const Lane<double> g10 = hn::Mul(third_order, a10);
  const Lane<double> g20 = hn::Mul(third_order, a20);
  const Lane<double> g21 = hn::Mul(third_order, a21);
  const auto place = [&](Index i, Index j, Lane<double> value) HWY_ATTR
      __attribute__((always_inline)) {
    put<double>(value, root, i * kTile + j);
    if (i != j) put<double>(value, root, j * kTile + i);
  };
  place(0, 0, hn::MulAdd(c00, g00, hn::MulAdd(a10, g10, hn::MulAdd(a20, g20, first))));
  place(1, 1, hn::MulAdd(a10, g10, hn::MulAdd(c11, g11, hn::MulAdd(a21, g21, first))));
  place(2, 2, hn::MulAdd(a20, g20, hn::MulAdd(a21, g21, hn::MulAdd(c22, g22, first))));
  place(1, 0, hn::MulAdd(a10, g00, hn::MulAdd(c11, g10, hn::Mul(a21, g20))));
  place(2, 0, hn::MulAdd(a20, g00, hn::MulAdd(a21, g10, hn::Mul(c22, g20))));
  place(2, 1, hn::MulAdd(a20, g10, hn::MulAdd(a21, g11, hn::Mul(c22, g21))));
  ClosedRoot result{hn::Zero(d), hn::Zero(d)};
  const auto count = [&](Lane<double> value, Lane<double> q) HWY_ATTR
      __attribute__((always_inline)) {
    const Lane<double> square = hn::Sub(value, eps2);
    result.potential = hn::Add(result.potential, hn::Div(square, hn::Add(q, epsilon)));
    result.pairing = hn::Add(result.pairing, hn::Div(square, q));
  };
  count(l1, x);
  count(l2, y);
  count(l3, z);
  return result;
}

}  // namespace muonflow::linalg::detail::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // MUONFLOW_LINALG_BATCHED_CLOSED_ROOT_INL

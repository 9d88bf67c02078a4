#include "muonflow/linalg/detail/resolvent.hpp"

#include <algorithm>
#include <cmath>

#include "muonflow/core/parallel.hpp"
#include "muonflow/linalg/detail/factorizations.hpp"
#include "muonflow/linalg/detail/one_thread.hpp"
#include "muonflow/linalg/gemm.hpp"

namespace muonflow::linalg::detail {
namespace {

// Rows that are reflected one by one before products take over.
constexpr Index kBase = 8;
// Rows of a triangular factor that are multiplied at once: what lies beyond the diagonal block is
// skipped, and an eighth of the work at 512 rows is wasted on what is not.
constexpr Index kTriangleRows = 64;

template <class T>
MatrixMap<T> map(T* data, Index rows, Index cols, Index stride) {
  return MatrixMap<T>(data, rows, cols, Eigen::OuterStride<>(stride));
}

// Householder's factorization of a = [w, I], [r, n + r], r <= n. Row i has its pivot in column i
// and its last entry that is not 0 in column n + i, so that its reflector, I - tau v^T v, fills the
// window of n + 1 columns between; the products of all reflectors are I - V^T T V. v over a, 0 left
// of the pivots; T over t [r, r].
//
// The pivot could stand on I's side, where every row has a bare 1, for a quarter of the work
// less; but the small rows of [W, I]^T would then be eliminated with first, and the backward error
// grows with u times the slope (measured: 1e-9 for QDWH and 1e-6 for Zolotarev at condition 1e12).
template <class T>
class Reflectors {
 public:
  Reflectors(MatrixMap<T> a, MatrixMap<T> t, T* scratch)
      : n_(a.cols() - a.rows()), a_(a), t_(t), scratch_(scratch) {}

  void factor(Index begin, Index count) {
    if (count <= kBase) {
      factor_rows(begin, count);
      return;
    }
    const Index first = (count / 2 + kBase - 1) / kBase * kBase;
    const Index second = count - first;
    const Index middle = begin + first;
    factor(begin, first);
    MatrixMap<T> left = map(scratch_, second, first, first);
    MatrixMap<T> right = map(scratch_ + first * second, second, first, first);
    const auto upper = a_.block(begin, begin, first, n_ + first);
    auto lower = a_.block(middle, begin, second, n_ + first);
    const auto t_upper = t_.block(begin, begin, first, first);
    gemm<T>(Op::none, Op::transpose, T(1), lower, upper, T(0), left);
    gemm<T>(Op::none, Op::none, T(1), left, t_upper, T(0), right);
    gemm<T>(Op::none, Op::none, T(-1), right, upper, T(1), lower);
    factor(middle, second);
    // The product of both halves' reflectors: T12 = -T1 (V1 V2^T) T2, over the columns they share.
    MatrixMap<T> cross = map(scratch_, first, second, second);
    MatrixMap<T> half = map(scratch_ + first * second, first, second, second);
    gemm<T>(Op::none, Op::transpose, T(1), a_.block(begin, middle, first, n_),
            a_.block(middle, middle, second, n_), T(0), cross);
    gemm<T>(Op::none, Op::none, T(1), t_upper, cross, T(0), half);
    gemm<T>(Op::none, Op::none, T(-1), half, t_.block(middle, middle, second, second), T(0),
            t_.block(begin, middle, first, second));
  }

 private:
  void factor_rows(Index begin, Index count) {
    const Index end = begin + count;
    const Index width = n_ + count;
    for (Index i = begin; i < end; ++i) {
      a_.row(i).head(i).setZero();  // L is not needed
      auto v = a_.row(i).segment(begin, width);
      const auto pivot = static_cast<double>(a_(i, i));
      const double norm = std::sqrt(v.template cast<double>().squaredNorm());  // at least 1
      const double beta = pivot > 0 ? -norm : norm;                            // no cancellation
      v /= static_cast<T>(pivot - beta);
      a_(i, i) = T(1);
      const auto tau = static_cast<T>((beta - pivot) / beta);
      for (Index l = i + 1; l < end; ++l) {
        auto row = a_.row(l).segment(begin, width);
        row -= (tau * row.dot(v)) * v;
      }
      // Column i of T: -tau T (V v_i).
      for (Index k = begin; k < i; ++k) {
        scratch_[k - begin] = a_.row(k).segment(begin, width).dot(v);
      }
      for (Index k = begin; k < i; ++k) {
        T sum = 0;
        for (Index l = k; l < i; ++l) sum += t_(k, l) * scratch_[l - begin];
        t_(k, i) = -tau * sum;
      }
      t_(i, i) = tau;
    }
  }

  Index n_;
  MatrixMap<T> a_;
  MatrixMap<T> t_;
  T* scratch_;
};

// body(begin, count) for blocks of rows.
template <class Body>
void by_rows(Index rows, const Body& body) {
  for (Index begin = 0; begin < rows; begin += kTriangleRows) {
    body(begin, std::min(kTriangleRows, rows - begin));
  }
}

}  // namespace

Index resolvent_scratch(Index rows, Index cols) {
  return rows * (cols + rows) + 2 * rows * rows + rows * cols;
}

template <class T>
void resolvent_by_qr(T slope, const ConstMatrixRef<T>& x, MatrixRef<T> out, T* scratch) {
  const Index r = x.rows();
  const Index n = x.cols();
  MatrixMap<T> a = map(scratch, r, n + r, n + r);
  MatrixMap<T> t = map(a.data() + a.size(), r, r, r);
  MatrixMap<T> g = map(t.data() + t.size(), r, r, r);
  MatrixMap<T> q1 = map(g.data() + g.size(), r, n, n);
  a.leftCols(n) = slope * x;
  a.rightCols(r).setIdentity();
  t.setZero();
  Reflectors<T>(a, t, g.data()).factor(0, r);
  // Q = [I, 0] (I - V^T T^T V) = [I, 0] - G^T V, G = T (V's first r columns), upper triangular.
  g.setZero();
  by_rows(r, [&](Index i, Index count) {
    gemm<T>(Op::none, Op::none, T(1), t.block(i, i, count, r - i), a.block(i, i, r - i, r - i),
            T(0), g.block(i, i, count, r - i));
  });
  q1.setIdentity();
  MatrixMap<T> q2 = t;  // T has served
  by_rows(r, [&](Index i, Index count) {
    const auto left = g.block(0, i, i + count, count);
    gemm<T>(Op::transpose, Op::none, T(-1), left, a.topLeftCorner(i + count, n), T(1),
            q1.middleRows(i, count));
    gemm<T>(Op::transpose, Op::none, T(-1), left, a.block(0, n, i + count, i + count), T(0),
            q2.block(i, 0, count, i + count));
  });
  by_rows(r, [&](Index i, Index count) {
    gemm<T>(Op::transpose, Op::none, T(1), q2.block(i, i, r - i, count), q1.bottomRows(r - i), T(0),
            out.middleRows(i, count));
  });
}

template <class T>
bool resolvent_by_cholesky(T slope, const ConstMatrixRef<T>& gram, const ConstMatrixRef<T>& x,
                           MatrixRef<T> out, T* scratch) {
  const auto r = static_cast<int>(x.rows());
  const Index n = x.cols();
  MatrixMap<T> z = map(scratch, x.rows(), x.rows(), x.rows());
  z = (slope * slope) * gram;
  z.diagonal().array() += T(1);
  int info = 0;
  {
    const OneThread one_thread;
    potrf('U', r, z.data(), r, &info);  // by columns z = U^T U
  }
  if (info != 0) return false;
  out = slope * x;
  // By columns out is its transpose, [n, r], and takes U^-1 U^-T from the right. Cut by the shape
  // alone, so that the result does not depend on the threads that share the pieces.
  constexpr Index kPiece = 64;
  const Index pieces = std::clamp<Index>(n / kPiece, 1, 4);
  T* const data = out.data();
  const auto stride = static_cast<int>(out.outerStride());
  parallel_tasks(pieces, [&](Index piece) {
    const OneThread one_thread;
    const Index begin = n * piece / pieces;
    const auto width = static_cast<int>(n * (piece + 1) / pieces - begin);
    trsm('R', 'U', 'N', width, r, z.data(), r, data + begin, stride);
    trsm('R', 'U', 'T', width, r, z.data(), r, data + begin, stride);
  });
  return true;
}

template void resolvent_by_qr<float>(float, const ConstMatrixRef<float>&, MatrixRef<float>, float*);
template void resolvent_by_qr<double>(double, const ConstMatrixRef<double>&, MatrixRef<double>,
                                      double*);
template bool resolvent_by_cholesky<float>(float, const ConstMatrixRef<float>&,
                                           const ConstMatrixRef<float>&, MatrixRef<float>, float*);
template bool resolvent_by_cholesky<double>(double, const ConstMatrixRef<double>&,
                                            const ConstMatrixRef<double>&, MatrixRef<double>,
                                            double*);

}  // namespace muonflow::linalg::detail

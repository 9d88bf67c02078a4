#include "muonflow/linalg/polar/plain.hpp"

#include <oneapi/dnnl/dnnl.h>

#include <algorithm>

#include "muonflow/linalg/coefficients.hpp"
#include "muonflow/linalg/detail/all_threads.hpp"
#include "muonflow/linalg/detail/blas.hpp"
#include "muonflow/linalg/norms.hpp"

namespace muonflow::linalg {
namespace {

void fortran_gemm(char op_a, char op_b, int m, int n, int k, const float* a, int lda,
                  const float* b, int ldb, float* c, int ldc) {
  const float one = 1, zero = 0;
  sgemm_(&op_a, &op_b, &m, &n, &k, &one, a, &lda, b, &ldb, &zero, c, &ldc, 1, 1);
}
void fortran_gemm(char op_a, char op_b, int m, int n, int k, const double* a, int lda,
                  const double* b, int ldb, double* c, int ldc) {
  const double one = 1, zero = 0;
  dgemm_(&op_a, &op_b, &m, &n, &k, &one, a, &lda, b, &ldb, &zero, c, &ldc, 1, 1);
}

// The three products of a step by general ones; Derived::multiply(transpose_b, a, b, c) is
// c [m, n] = a [m, k] b [k, n], or a b^T with b [n, k].
template <class T, class Derived>
struct General {
  static void gram(const MatrixMap<T>& x, MatrixMap<T>& c) { Derived::multiply(true, x, x, c); }
  static void square(const MatrixMap<T>& a, MatrixMap<T>& c) { Derived::multiply(false, a, a, c); }
  static void apply(const MatrixMap<T>& a, const MatrixMap<T>& x, MatrixMap<T>& c) {
    Derived::multiply(false, a, x, c);
  }
};

struct OneDnn : General<float, OneDnn> {
  static void multiply(bool transpose_b, const MatrixMap<float>& a, const MatrixMap<float>& b,
                       MatrixMap<float>& c) {
    (void)dnnl_sgemm('N', transpose_b ? 'T' : 'N', c.rows(), c.cols(), a.cols(), 1.0F, a.data(),
                     a.cols(), b.data(), b.cols(), 0.0F, c.data(), c.cols());
  }
};

// Fortran sees the transposes: c^T = b^T a^T.
template <class T>
struct OpenBlas : General<T, OpenBlas<T>> {
  static void multiply(bool transpose_b, const MatrixMap<T>& a, const MatrixMap<T>& b,
                       MatrixMap<T>& c) {
    fortran_gemm(transpose_b ? 'T' : 'N', 'N', static_cast<int>(c.cols()),
                 static_cast<int>(c.rows()), static_cast<int>(a.cols()), b.data(),
                 static_cast<int>(b.cols()), a.data(), static_cast<int>(a.cols()), c.data(),
                 static_cast<int>(c.cols()));
  }
};

// Our lower triangle by rows is Fortran's upper by columns.
struct OpenBlasSymmetric {
  static void gram(const MatrixMap<float>& x, MatrixMap<float>& c) {
    const char upper = 'U', transpose = 'T';
    const auto n = static_cast<int>(c.rows());
    const auto k = static_cast<int>(x.cols());
    const float one = 1, zero = 0;
    ssyrk_(&upper, &transpose, &n, &k, &one, x.data(), &k, &zero, c.data(), &n, 1, 1);
    c.triangularView<Eigen::StrictlyUpper>() = c.transpose();
  }
  // A symmetric matrix is its own transpose, so its square is its Gram matrix.
  static void square(const MatrixMap<float>& a, MatrixMap<float>& c) { gram(a, c); }
  static void apply(const MatrixMap<float>& a, const MatrixMap<float>& x, MatrixMap<float>& c) {
    const char right = 'R', upper = 'U';
    const auto m = static_cast<int>(c.cols());
    const auto n = static_cast<int>(c.rows());
    const float one = 1, zero = 0;
    ssymm_(&right, &upper, &m, &n, &one, a.data(), &n, x.data(), &m, &zero, c.data(), &m, 1, 1);
  }
};

struct PlainEigen : General<float, PlainEigen> {
  static void multiply(bool transpose_b, const MatrixMap<float>& a, const MatrixMap<float>& b,
                       MatrixMap<float>& c) {
    if (transpose_b) {
      c.noalias() = a * b.transpose();
    } else {
      c.noalias() = a * b;
    }
  }
};

template <class Products, class T>
void apply_steps(MatrixRef<T> x, std::span<const OddPolynomial> steps, Scratch& scratch) {
  const detail::AllThreads all_threads;
  const bool tall = x.rows() > x.cols();
  const Index r = std::min(x.rows(), x.cols());
  const Index n = std::max(x.rows(), x.cols());
  Scratch::Frame frame(scratch);
  MatrixMap<T> wide = frame.matrix<T>(r, n);
  MatrixMap<T> product = frame.matrix<T>(r, n);
  MatrixMap<T> gram = frame.matrix<T>(r, r);
  MatrixMap<T> square = frame.matrix<T>(r, r);
  const auto scale = static_cast<T>(1 / (frobenius_norm<T>(x) + 1e-7));
  if (tall) {
    wide = scale * x.transpose();
  } else {
    wide = scale * x;
  }
  for (const auto& step : steps) {
    const auto a = static_cast<T>(step[0]);
    const auto b = static_cast<T>(step[1]);
    const auto c = static_cast<T>(step[2]);
    Products::gram(wide, gram);
    Products::square(gram, square);
    square = b * gram + c * square;
    Products::apply(square, wide, product);
    wide = a * wide + product;
  }
  if (tall) {
    x = wide.transpose();
  } else {
    x = wide;
  }
}

std::vector<OddPolynomial> table_steps(Table table, std::size_t count) {
  const auto run = static_cast<std::int64_t>(count);
  std::vector<OddPolynomial> steps;
  for (std::int64_t step = 0; step < run; ++step) steps.push_back(table_step(table, step, run));
  return steps;
}

}  // namespace

void plain_steps(MatrixRef<float> x, std::span<const OddPolynomial> steps, ProductLibrary library,
                 Scratch& scratch) {
  switch (library) {
    case ProductLibrary::onednn:
      return apply_steps<OneDnn, float>(x, steps, scratch);
    case ProductLibrary::openblas:
      return apply_steps<OpenBlas<float>, float>(x, steps, scratch);
    case ProductLibrary::openblas_ssyrk:
      return apply_steps<OpenBlasSymmetric, float>(x, steps, scratch);
    case ProductLibrary::eigen:
      return apply_steps<PlainEigen, float>(x, steps, scratch);
  }
}

void plain_steps(MatrixRef<double> x, std::span<const OddPolynomial> steps, Scratch& scratch) {
  apply_steps<OpenBlas<double>, double>(x, steps, scratch);
}

double plain_steps_flops(Index rows, Index cols, std::size_t steps) {
  const auto r = static_cast<double>(std::min(rows, cols));
  const auto n = static_cast<double>(std::max(rows, cols));
  return static_cast<double>(steps) * (4 * r * r * n + 2 * r * r * r);
}

std::vector<OddPolynomial> jordan_steps(std::size_t count) {
  return table_steps(Table::jordan, count);
}

std::vector<OddPolynomial> polar_express_steps(std::size_t count) {
  return table_steps(Table::polar_express, count);
}

}  // namespace muonflow::linalg

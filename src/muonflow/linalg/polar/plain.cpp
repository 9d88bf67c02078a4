#include "muonflow/linalg/polar/plain.hpp"

#include <omp.h>
#include <oneapi/dnnl/dnnl.h>

#include <algorithm>

#include "muonflow/core/parallel.hpp"
#include "muonflow/linalg/coefficients.hpp"
#include "muonflow/linalg/detail/blas.hpp"
#include "muonflow/linalg/norms.hpp"

namespace muonflow::linalg {
namespace {

// c [m, n] = a [m, k] b [k, n], or a b^T with b [n, k].
void multiply(ProductLibrary library, bool transpose_b, const MatrixMap<float>& a,
              const MatrixMap<float>& b, MatrixMap<float>& c) {
  const float one = 1;
  const float zero = 0;
  if (library == ProductLibrary::onednn) {
    (void)dnnl_sgemm('N', transpose_b ? 'T' : 'N', c.rows(), c.cols(), a.cols(), one, a.data(),
                     a.cols(), b.data(), b.cols(), zero, c.data(), c.cols());
    return;
  }
  const char plain = 'N';
  const char other = transpose_b ? 'T' : 'N';
  const auto m = static_cast<int>(c.rows());
  const auto n = static_cast<int>(c.cols());
  const auto k = static_cast<int>(a.cols());
  const auto ldb = static_cast<int>(b.cols());
  sgemm_(&other, &plain, &n, &m, &k, &one, b.data(), &ldb, a.data(), &k, &zero, c.data(), &n, 1, 1);
}

}  // namespace

void plain_jordan(MatrixRef<float> x, std::int64_t steps, ProductLibrary library,
                  Workspace<float>& workspace) {
  const int before = omp_get_max_threads();
  omp_set_num_threads(threads());
  const bool tall = x.rows() > x.cols();
  const Index r = std::min(x.rows(), x.cols());
  const Index n = std::max(x.rows(), x.cols());
  Workspace<float>::Frame frame(workspace);
  MatrixMap<float> wide = frame.matrix(r, n);
  MatrixMap<float> product = frame.matrix(r, n);
  MatrixMap<float> gram = frame.matrix(r, r);
  MatrixMap<float> square = frame.matrix(r, r);
  const auto scale = static_cast<float>(1 / (frobenius_norm<float>(x) + 1e-7));
  if (tall) {
    wide = scale * x.transpose();
  } else {
    wide = scale * x;
  }
  const auto a = static_cast<float>(kJordan.a);
  const auto b = static_cast<float>(kJordan.b);
  const auto c = static_cast<float>(kJordan.c);
  for (std::int64_t step = 0; step < steps; ++step) {
    multiply(library, true, wide, wide, gram);
    multiply(library, false, gram, gram, square);
    square = b * gram + c * square;
    multiply(library, false, square, wide, product);
    wide = a * wide + product;
  }
  if (tall) {
    x = wide.transpose();
  } else {
    x = wide;
  }
  omp_set_num_threads(before);
}

double plain_jordan_flops(Index rows, Index cols, std::int64_t steps) {
  const auto r = static_cast<double>(std::min(rows, cols));
  const auto n = static_cast<double>(std::max(rows, cols));
  return static_cast<double>(steps) * (4 * r * r * n + 2 * r * r * r);
}

}  // namespace muonflow::linalg

// LAPACK's and BLAS's triangles and reflectors, overloaded on the scalar type. By columns, as the
// libraries store them: a row-major matrix is its own transpose there.
#pragma once

#include <cstddef>

// NOLINTBEGIN(readability-identifier-naming): the names are Fortran's
extern "C" {
void sgeqrf_(const int*, const int*, float*, const int*, float*, float*, const int*, int*);
void dgeqrf_(const int*, const int*, double*, const int*, double*, double*, const int*, int*);
void sgeqp3_(const int*, const int*, float*, const int*, int*, float*, float*, const int*, int*);
void dgeqp3_(const int*, const int*, double*, const int*, int*, double*, double*, const int*, int*);
void sorgqr_(const int*, const int*, const int*, float*, const int*, const float*, float*,
             const int*, int*);
void dorgqr_(const int*, const int*, const int*, double*, const int*, const double*, double*,
             const int*, int*);
void spotrf_(const char*, const int*, float*, const int*, int*, std::size_t);
void dpotrf_(const char*, const int*, double*, const int*, int*, std::size_t);
void spotri_(const char*, const int*, float*, const int*, int*, std::size_t);
void dpotri_(const char*, const int*, double*, const int*, int*, std::size_t);
void dtrtri_(const char*, const char*, const int*, double*, const int*, int*, std::size_t,
             std::size_t);
void strsm_(const char*, const char*, const char*, const char*, const int*, const int*,
            const float*, const float*, const int*, float*, const int*, std::size_t, std::size_t,
            std::size_t, std::size_t);
void dtrsm_(const char*, const char*, const char*, const char*, const int*, const int*,
            const double*, const double*, const int*, double*, const int*, std::size_t, std::size_t,
            std::size_t, std::size_t);
void strsv_(const char*, const char*, const char*, const int*, const float*, const int*, float*,
            const int*, std::size_t, std::size_t, std::size_t);
void dtrsv_(const char*, const char*, const char*, const int*, const double*, const int*, double*,
            const int*, std::size_t, std::size_t, std::size_t);
void sgetrf_(const int*, const int*, float*, const int*, int*, int*);
void dgetrf_(const int*, const int*, double*, const int*, int*, int*);
void sgetrs_(const char*, const int*, const int*, const float*, const int*, const int*, float*,
             const int*, int*, std::size_t);
void dgetrs_(const char*, const int*, const int*, const double*, const int*, const int*, double*,
             const int*, int*, std::size_t);
}
// NOLINTEND(readability-identifier-naming)

namespace muonflow::linalg::detail {

inline void geqrf(int m, int n, float* a, int lda, float* tau, float* work, int lwork, int* info) {
  sgeqrf_(&m, &n, a, &lda, tau, work, &lwork, info);
}
inline void geqrf(int m, int n, double* a, int lda, double* tau, double* work, int lwork,
                  int* info) {
  dgeqrf_(&m, &n, a, &lda, tau, work, &lwork, info);
}
inline void geqp3(int m, int n, float* a, int lda, int* pivots, float* tau, float* work, int lwork,
                  int* info) {
  sgeqp3_(&m, &n, a, &lda, pivots, tau, work, &lwork, info);
}
inline void geqp3(int m, int n, double* a, int lda, int* pivots, double* tau, double* work,
                  int lwork, int* info) {
  dgeqp3_(&m, &n, a, &lda, pivots, tau, work, &lwork, info);
}
inline void orgqr(int m, int n, int k, float* a, int lda, const float* tau, float* work, int lwork,
                  int* info) {
  sorgqr_(&m, &n, &k, a, &lda, tau, work, &lwork, info);
}
inline void orgqr(int m, int n, int k, double* a, int lda, const double* tau, double* work,
                  int lwork, int* info) {
  dorgqr_(&m, &n, &k, a, &lda, tau, work, &lwork, info);
}
inline void potrf(char uplo, int n, float* a, int lda, int* info) {
  spotrf_(&uplo, &n, a, &lda, info, 1);
}
inline void potrf(char uplo, int n, double* a, int lda, int* info) {
  dpotrf_(&uplo, &n, a, &lda, info, 1);
}
inline void potri(char uplo, int n, float* a, int lda, int* info) {
  spotri_(&uplo, &n, a, &lda, info, 1);
}
inline void potri(char uplo, int n, double* a, int lda, int* info) {
  dpotri_(&uplo, &n, a, &lda, info, 1);
}
inline void trtri(char uplo, int n, double* a, int lda, int* info) {
  dtrtri_(&uplo, "N", &n, a, &lda, info, 1, 1);
}
inline void trsm(char side, char uplo, char trans, int m, int n, const float* a, int lda, float* b,
                 int ldb) {
  const float one = 1;
  strsm_(&side, &uplo, &trans, "N", &m, &n, &one, a, &lda, b, &ldb, 1, 1, 1, 1);
}
inline void trsm(char side, char uplo, char trans, int m, int n, const double* a, int lda,
                 double* b, int ldb) {
  const double one = 1;
  dtrsm_(&side, &uplo, &trans, "N", &m, &n, &one, a, &lda, b, &ldb, 1, 1, 1, 1);
}
inline void trsv(char uplo, char trans, int n, const float* a, int lda, float* x) {
  const int one = 1;
  strsv_(&uplo, &trans, "N", &n, a, &lda, x, &one, 1, 1, 1);
}
inline void trsv(char uplo, char trans, int n, const double* a, int lda, double* x) {
  const int one = 1;
  dtrsv_(&uplo, &trans, "N", &n, a, &lda, x, &one, 1, 1, 1);
}
inline void getrf(int n, float* a, int lda, int* pivots, int* info) {
  sgetrf_(&n, &n, a, &lda, pivots, info);
}
inline void getrf(int n, double* a, int lda, int* pivots, int* info) {
  dgetrf_(&n, &n, a, &lda, pivots, info);
}
inline void getrs(char trans, int n, int count, const float* a, int lda, const int* pivots,
                  float* b, int ldb) {
  int info = 0;  // of wrong arguments alone
  sgetrs_(&trans, &n, &count, a, &lda, pivots, b, &ldb, &info, 1);
}
inline void getrs(char trans, int n, int count, const double* a, int lda, const int* pivots,
                  double* b, int ldb) {
  int info = 0;
  dgetrs_(&trans, &n, &count, a, &lda, pivots, b, &ldb, &info, 1);
}

}  // namespace muonflow::linalg::detail

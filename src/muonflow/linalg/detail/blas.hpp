// BLAS's products and LAPACK's singular values, eigenvalues and LQ, overloaded on the scalar type;
// factorizations.hpp has the others. The last arguments of the Fortran symbols are the hidden
// lengths of character arguments.
#pragma once

#include <cstddef>

extern "C" {
void sgemm_(const char*, const char*, const int*, const int*, const int*, const float*,
            const float*, const int*, const float*, const int*, const float*, float*, const int*,
            std::size_t, std::size_t);
void dgemm_(const char*, const char*, const int*, const int*, const int*, const double*,
            const double*, const int*, const double*, const int*, const double*, double*,
            const int*, std::size_t, std::size_t);
void ssyrk_(const char*, const char*, const int*, const int*, const float*, const float*,
            const int*, const float*, float*, const int*, std::size_t, std::size_t);
void ssymm_(const char*, const char*, const int*, const int*, const float*, const float*,
            const int*, const float*, const int*, const float*, float*, const int*, std::size_t,
            std::size_t);
void sgesdd_(const char*, const int*, const int*, float*, const int*, float*, float*, const int*,
             float*, const int*, float*, const int*, int*, int*, std::size_t);
void dgesdd_(const char*, const int*, const int*, double*, const int*, double*, double*, const int*,
             double*, const int*, double*, const int*, int*, int*, std::size_t);
void sgesvd_(const char*, const char*, const int*, const int*, float*, const int*, float*, float*,
             const int*, float*, const int*, float*, const int*, int*, std::size_t, std::size_t);
void dgesvd_(const char*, const char*, const int*, const int*, double*, const int*, double*,
             double*, const int*, double*, const int*, double*, const int*, int*, std::size_t,
             std::size_t);
void ssyevd_(const char*, const char*, const int*, float*, const int*, float*, float*, const int*,
             int*, const int*, int*, std::size_t, std::size_t);
void dsyevd_(const char*, const char*, const int*, double*, const int*, double*, double*,
             const int*, int*, const int*, int*, std::size_t, std::size_t);
void sgelqf_(const int*, const int*, float*, const int*, float*, float*, const int*, int*);
void dgelqf_(const int*, const int*, double*, const int*, double*, double*, const int*, int*);
void sorglq_(const int*, const int*, const int*, float*, const int*, const float*, float*,
             const int*, int*);
void dorglq_(const int*, const int*, const int*, double*, const int*, const double*, double*,
             const int*, int*);

char* openblas_get_config(void);
char* openblas_get_corename(void);
int openblas_get_parallel(void);
int openblas_get_num_threads(void);
}

namespace muonflow::linalg::detail {

inline void gesdd(char job, int m, int n, float* a, int lda, float* s, float* u, int ldu, float* vt,
                  int ldvt, float* work, int lwork, int* iwork, int* info) {
  sgesdd_(&job, &m, &n, a, &lda, s, u, &ldu, vt, &ldvt, work, &lwork, iwork, info, 1);
}
inline void gesdd(char job, int m, int n, double* a, int lda, double* s, double* u, int ldu,
                  double* vt, int ldvt, double* work, int lwork, int* iwork, int* info) {
  dgesdd_(&job, &m, &n, a, &lda, s, u, &ldu, vt, &ldvt, work, &lwork, iwork, info, 1);
}
inline void gesvd(char job, int m, int n, float* a, int lda, float* s, float* u, int ldu, float* vt,
                  int ldvt, float* work, int lwork, int* info) {
  sgesvd_(&job, &job, &m, &n, a, &lda, s, u, &ldu, vt, &ldvt, work, &lwork, info, 1, 1);
}
inline void gesvd(char job, int m, int n, double* a, int lda, double* s, double* u, int ldu,
                  double* vt, int ldvt, double* work, int lwork, int* info) {
  dgesvd_(&job, &job, &m, &n, a, &lda, s, u, &ldu, vt, &ldvt, work, &lwork, info, 1, 1);
}
inline void syevd(char job, char uplo, int n, float* a, int lda, float* w, float* work, int lwork,
                  int* iwork, int liwork, int* info) {
  ssyevd_(&job, &uplo, &n, a, &lda, w, work, &lwork, iwork, &liwork, info, 1, 1);
}
inline void syevd(char job, char uplo, int n, double* a, int lda, double* w, double* work,
                  int lwork, int* iwork, int liwork, int* info) {
  dsyevd_(&job, &uplo, &n, a, &lda, w, work, &lwork, iwork, &liwork, info, 1, 1);
}
inline void gelqf(int m, int n, float* a, int lda, float* tau, float* work, int lwork, int* info) {
  sgelqf_(&m, &n, a, &lda, tau, work, &lwork, info);
}
inline void gelqf(int m, int n, double* a, int lda, double* tau, double* work, int lwork,
                  int* info) {
  dgelqf_(&m, &n, a, &lda, tau, work, &lwork, info);
}
inline void orglq(int m, int n, int k, float* a, int lda, const float* tau, float* work, int lwork,
                  int* info) {
  sorglq_(&m, &n, &k, a, &lda, tau, work, &lwork, info);
}
inline void orglq(int m, int n, int k, double* a, int lda, const double* tau, double* work,
                  int lwork, int* info) {
  dorglq_(&m, &n, &k, a, &lda, tau, work, &lwork, info);
}

}  // namespace muonflow::linalg::detail

// The laws that every kernel of singular values obeys, each over the whole zoo: it is its twin in
// long double, acts on singular values alone, and leaves alone what it cannot use.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "muonflow/core/parallel.hpp"
#include "tests/linalg/proof_kernels.hpp"
#include "tests/reference/matrices.hpp"
#include "tests/reference/spectral.hpp"
#include "tests/reference/zoo.hpp"

namespace muonflow::linalg::proof {
namespace {

using reference::Strided;
using reference::ZooCase;

template <class T>
class Proof : public ::testing::Test {
 protected:
  // Every kernel on every case, named in whatever fails.
  template <class F>
  void everywhere(const F& f) {
    for (const Kernel<T>& kernel : kernels<T>()) {
      for (const ZooCase& one : reference::zoo<T>()) {
        SCOPED_TRACE(kernel.name + " on " + one.name);
        f(kernel, one);
        if (this->HasFatalFailure()) return;
      }
    }
  }

  // The kernel's result for a matrix of T given in double.
  Matrix<double> apply(const Kernel<T>& kernel, const Matrix<double>& a, double scale) {
    Matrix<T> x = a.template cast<T>();
    const Outcome outcome = kernel.apply(x, scale, workspace);
    EXPECT_TRUE(outcome.ok()) << to_string(outcome.status);
    return x.template cast<double>();
  }

  // One workspace for all calls: it is always dirty.
  Workspace<T> workspace;
};
using Scalars = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Proof, Scalars);

Spectrum spectrum(const ZooCase& one) {
  const double s_max = one.s_max();
  return {one.rows(), one.cols(), one.svd.s, s_max > 0 ? s_max : 1};
}

// Half a unit of every number of type U in a matrix with n entries, over its norm, in the range of
// the denormals; nothing elsewhere.
template <class U>
double grain(const Spectrum& a, double n = 1) {
  const double norm = a.norm();
  return norm > 0 ? static_cast<double>(std::numeric_limits<U>::denorm_min()) * std::sqrt(n) / norm
                  : 0;
}

// By how much two results may differ that are equal in exact arithmetic: both err, and the norm by
// which a kernel divides is a double.
template <class T>
double twice(const Kernel<T>& kernel, const Spectrum& a) {
  return 2 * kernel.bound(a) + kernel.sensitivity(a) * grain<double>(a);
}

Matrix<double> twin(const auto& kernel, const ZooCase& one, const Spectrum& a) {
  const std::vector<long double> values = kernel.twin(a);
  reference::LongSvd mapped = one.svd;
  mapped.s = values;
  return reference::map_singular_values(mapped, [](long double s) { return s; });
}

// Rows that lie apart, in the same go: the gaps hold NaN before and after.
TYPED_TEST(Proof, AgreesWithItsTwin) {
  using T = TypeParam;
  this->everywhere([&](const Kernel<T>& kernel, const ZooCase& one) {
    const Spectrum a = spectrum(one);
    Strided<T> x(one.values.template cast<T>(), 3);
    const Outcome outcome = kernel.apply(x.ref(), a.scale, this->workspace);
    EXPECT_TRUE(outcome.ok()) << to_string(outcome.status);
    EXPECT_TRUE(outcome.changed);
    EXPECT_TRUE(x.gaps_untouched());
    EXPECT_LE(reference::distance(x.values().template cast<double>(), twin(kernel, one, a)),
              kernel.bound(a));
  });
}

TYPED_TEST(Proof, OrthogonalEquivariance) {
  using T = TypeParam;
  this->everywhere([&](const Kernel<T>& kernel, const ZooCase& one) {
    const Spectrum a = spectrum(one);
    const Matrix<double> p = reference::orthonormal(one.rows(), one.rows(), 921);
    const Matrix<double> q = reference::orthonormal(one.cols(), one.cols(), 922);
    // Divided first, so that nothing of the product is lost to denormals but its last rounding.
    const Matrix<double> turned = a.scale * (p * (one.values / a.scale) * q.transpose());
    const Matrix<double> f = this->apply(kernel, one.values, a.scale);
    const Matrix<double> g = this->apply(kernel, turned, a.scale);
    // The turned matrix is rounded to T.
    const double moved = 8 * unit<T>() + grain<T>(a, static_cast<double>(turned.size()));
    EXPECT_LE((g - p * f * q.transpose()).norm(), twice(kernel, a) + kernel.sensitivity(a) * moved);
  });
}

TYPED_TEST(Proof, TransposeEquivariance) {
  using T = TypeParam;
  this->everywhere([&](const Kernel<T>& kernel, const ZooCase& one) {
    const Spectrum a = spectrum(one);
    const Matrix<double> f = this->apply(kernel, one.values, a.scale);
    const Matrix<double> g = this->apply(kernel, one.values.transpose(), a.scale);
    EXPECT_LE((g.transpose() - f).norm(), twice(kernel, a));
  });
}

TYPED_TEST(Proof, SignLaw) {
  using T = TypeParam;
  this->everywhere([&](const Kernel<T>& kernel, const ZooCase& one) {
    const Spectrum a = spectrum(one);
    const Matrix<double> f = this->apply(kernel, one.values, a.scale);
    const Matrix<double> g = this->apply(kernel, -one.values, a.scale);
    EXPECT_LE((g + f).norm(), twice(kernel, a));
  });
}

// A power of two, so that the input is the same but for its exponents; denormals become normal.
TYPED_TEST(Proof, ScaleLaw) {
  using T = TypeParam;
  constexpr double kFactor = 0x1p20;
  this->everywhere([&](const Kernel<T>& kernel, const ZooCase& one) {
    if (!kernel.degree) return;
    const Spectrum a = spectrum(one);
    const Matrix<double> f = this->apply(kernel, one.values, a.scale);
    const Matrix<double> g = this->apply(kernel, kFactor * one.values, kFactor * a.scale);
    EXPECT_LE((g / std::pow(kFactor, *kernel.degree) - f).norm(), twice(kernel, a));
  });
}

TYPED_TEST(Proof, ZeroGivesZero) {
  using T = TypeParam;
  for (const Kernel<T>& kernel : kernels<T>()) {
    for (const auto& [m, n] : reference::three_shapes()) {
      EXPECT_TRUE(this->apply(kernel, Matrix<double>::Zero(m, n), 1).isZero(0)) << kernel.name;
    }
  }
}

TYPED_TEST(Proof, NotFiniteEntriesAreReportedAndNothingChanges) {
  using T = TypeParam;
  for (const Kernel<T>& kernel : kernels<T>()) {
    for (const auto& [m, n] : reference::three_shapes()) {
      for (const auto& [i, j] : reference::planting_places(m, n)) {
        for (const T bad : reference::not_finite<T>()) {
          Matrix<T> before = reference::gaussian(m, n, 931).template cast<T>();
          before(i, j) = bad;
          Strided<T> x(before, 2);
          const Outcome outcome = kernel.apply(x.ref(), 1, this->workspace);
          EXPECT_EQ(outcome.status, Status::non_finite_input) << kernel.name;
          EXPECT_FALSE(outcome.changed) << kernel.name;
          EXPECT_TRUE(reference::same_bits(x.values(), before)) << kernel.name;
          EXPECT_TRUE(x.gaps_untouched()) << kernel.name;
        }
      }
    }
  }
}

TYPED_TEST(Proof, SameBitsForEveryNumberOfThreadsAndAgain) {
  using T = TypeParam;
  for (const Kernel<T>& kernel : kernels<T>()) {
    for (const auto& [m, n] :
         {std::pair<Index, Index>{5, 9}, {96, 96}, {100, 210}, {150, 60}, {8, 1000}}) {
      const Matrix<double> a =
          reference::gaussian(m, n, 941).template cast<T>().template cast<double>();
      set_threads(1);
      const Matrix<double> one = this->apply(kernel, a, 10);
      EXPECT_TRUE(reference::same_bits(this->apply(kernel, a, 10), one)) << kernel.name;
      for (const int count : {2, 4}) {
        set_threads(count);
        EXPECT_TRUE(reference::same_bits(this->apply(kernel, a, 10), one))
            << kernel.name << " " << m << "x" << n << " threads " << count;
      }
      set_threads(0);
    }
  }
}

// A bound that allows everything proves nothing: each is a small multiple of what rounding the
// input to T already does to the result.
TYPED_TEST(Proof, BoundsAreNotVacuous) {
  using T = TypeParam;
  this->everywhere([&](const Kernel<T>& kernel, const ZooCase& one) {
    const Spectrum a = spectrum(one);
    if (one.s_max() == 0 || grain<double>(a) > 0) return;
    EXPECT_LE(kernel.bound(a),
              8 * (16 + a.size()) * unit<T>() * a.rank_root() * (1 + kernel.sensitivity(a)));
    EXPECT_GE(kernel.bound(a), 0.5 * unit<T>());
  });
}

// The zoo itself holds what its names say.
TYPED_TEST(Proof, TheZooIsAsNamed) {
  using T = TypeParam;
  int deficient = 0, denormal = 0;
  double worst = 1;
  for (const ZooCase& one : reference::zoo<T>()) {
    ASSERT_EQ(one.svd.s.size(), static_cast<std::size_t>(std::min(one.rows(), one.cols())));
    // The decomposition gives the matrix back, to half a unit of the smallest double.
    const double smallest =
        std::numeric_limits<double>::denorm_min() * static_cast<double>(one.values.size());
    const Matrix<double> again =
        reference::map_singular_values(one.svd, [](long double s) { return s; });
    EXPECT_LE((again - one.values).norm(), 1e-15 * one.values.norm() + smallest) << one.name;
    const auto rank = std::count_if(one.svd.s.begin(), one.svd.s.end(),
                                    [&](long double s) { return s > 1e-15L * one.svd.s[0]; });
    if (one.name.find("rank") == 0) {
      EXPECT_EQ(rank, std::stoi(one.name.substr(5))) << one.name;
    }
    if (static_cast<std::size_t>(rank) < one.svd.s.size()) {
      ++deficient;
    } else if (one.name.find("condition") == 0) {
      worst = std::max(worst, static_cast<double>(one.svd.s[0] / one.svd.s.back()));
    }
    const double largest = one.values.cwiseAbs().maxCoeff();
    if (largest > 0 && largest < static_cast<double>(std::numeric_limits<T>::min())) ++denormal;
  }
  EXPECT_GE(deficient, 6);
  EXPECT_EQ(denormal, 3);
  const double stated = sizeof(T) == sizeof(float) ? 1e6 : 1e12;
  EXPECT_NEAR(worst / stated, 1, 0.1);
}

}  // namespace
}  // namespace muonflow::linalg::proof

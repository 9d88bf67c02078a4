#include "muonflow/linalg/detail/panel_vector.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>

#include "muonflow/core/parallel.hpp"

namespace muonflow::linalg::detail {
namespace {

// y <- a x, panel by panel; `x` and `y` in T, padded to whole panels.
template <class T>
void apply(const Panels<T>& a, const T* x, T* y) {
  parallel_tasks(a.count(), [&](Index p) {
    using Row = Eigen::Map<const Eigen::Array<T, Eigen::Dynamic, 1>, Eigen::Aligned64>;
    const Index width = a.width(p);
    const T* const panel = a.panel(p);
    Eigen::Map<Eigen::Array<T, Eigen::Dynamic, 1>> sum(y + p * Panels<T>::kWidth, width);
    sum.setZero();
    for (Index k = 0; k < a.depth; ++k) sum += x[k] * Row(panel + k * width, width);
  });
}

}  // namespace

template <class T>
void affine(const Panels<T>& a, T alpha, T gamma, const Panels<T>& to) {
  parallel_tasks(a.count(), [&](Index p) {
    const Index size = a.width(p) * a.depth;
    const T* const from = a.panel(p);
    T* const target = to.panel(p);
    for (Index i = 0; i < size; ++i) target[i] = alpha * from[i];
    for (Index i = 0; i < a.rows_of(p); ++i) {
      target[(p * Panels<T>::kWidth + i) * a.width(p) + i] += gamma;
    }
  });
}

template <class T>
bool all_finite(const Panels<T>& a) {
  std::atomic<bool> finite{true};
  parallel_tasks(a.count(), [&](Index p) {
    const Index size = a.width(p) * a.depth;
    const T* const values = a.panel(p);
    // x - x is 0 for a finite x and NaN for any other. Panels are whole lines of memory.
    typedef T Vector __attribute__((vector_size(16)));  // NOLINT: `using` takes no attribute here
    constexpr Index kStep = 16 / static_cast<Index>(sizeof(T));
    Vector sum[4] = {};
    for (Index i = 0; i < size; i += 4 * kStep) {
      for (Index l = 0; l < 4; ++l) {
        const Vector value = *reinterpret_cast<const Vector*>(values + i + l * kStep);
        sum[l] += value - value;
      }
    }
    const Vector all = (sum[0] + sum[1]) + (sum[2] + sum[3]);
    for (Index l = 0; l < kStep; ++l) {
      if (!(all[l] == T(0))) finite = false;
    }
  });
  return finite;
}

template <class T>
double largest_eigenvalue(const Panels<T>& a, std::span<T> vectors) {
  constexpr int kSteps = 3;
  const Index m = a.rows;
  Index heaviest = 0;
  T weight = -1;
  const auto diagonal = [&](Index i) {
    const Index p = i / Panels<T>::kWidth;
    return a.panel(p)[i * a.width(p) + i - p * Panels<T>::kWidth];
  };
  for (Index i = 0; i < m; ++i) {
    if (diagonal(i) > weight) {
      weight = diagonal(i);
      heaviest = i;
    }
  }
  if (!(weight > T(0))) return 0;
  T* x = vectors.data();
  T* y = x + Panels<T>::padded(m);
  // The heaviest column is a row of its mirror image.
  for (Index p = 0; p < a.count(); ++p) {
    std::copy_n(a.panel(p) + heaviest * a.width(p), a.width(p), x + p * Panels<T>::kWidth);
  }
  double estimate = weight;
  for (int step = 0; step < kSteps; ++step) {
    const Eigen::Map<Vector<T>> from(x, m);
    const double length = std::sqrt(from.template cast<double>().squaredNorm());
    if (!(length > 0) || !std::isfinite(length)) break;
    Eigen::Map<Vector<T>>(x, m) /= static_cast<T>(length);
    apply(a, x, y);
    estimate = std::max(
        estimate, std::sqrt(Eigen::Map<Vector<T>>(y, m).template cast<double>().squaredNorm()));
    std::swap(x, y);
  }
  return estimate;
}

template <class T>
void absolute_row_sums(const Panels<T>& a, std::span<T> sums) {
  parallel_tasks(a.count(), [&](Index p) {
    using Row = Eigen::Map<const Eigen::Array<T, Eigen::Dynamic, 1>, Eigen::Aligned64>;
    const Index width = a.width(p);
    Eigen::Map<Eigen::Array<T, Eigen::Dynamic, 1>> sum(sums.data() + p * Panels<T>::kWidth, width);
    sum.setZero();
    for (Index k = 0; k < a.depth; ++k) sum += Row(a.panel(p) + k * width, width).abs();
  });
}

template <class T>
void scale_lanes(const Panels<T>& a, std::span<T> factors) {
  parallel_tasks(a.count(), [&](Index p) {
    const Index width = a.width(p);
    const Index rows = a.rows_of(p);
    const T* const scale = factors.data() + p * Panels<T>::kWidth;
    for (Index k = 0; k < a.depth; ++k) {
      T* const row = a.panel(p) + k * width;
      for (Index i = 0; i < rows; ++i) row[i] *= scale[i];
    }
  });
}

template <class T>
void scale_depth(const Panels<T>& a, std::span<T> factors) {
  parallel_tasks(a.count(), [&](Index p) {
    const Index width = a.width(p);
    for (Index k = 0; k < a.depth; ++k) {
      T* const row = a.panel(p) + k * width;
      const T scale = factors[static_cast<std::size_t>(k)];
      for (Index i = 0; i < width; ++i) row[i] *= scale;
    }
  });
}

template <class T>
double norm_bound(const Panels<T>& a, std::span<T> sums) {
  absolute_row_sums(a, sums);
  const double rows = *std::max_element(sums.begin(), sums.begin() + a.rows);
  double squares = 0;
  for (Index p = 0; p < a.count(); ++p) {
    using Values = Eigen::Map<const Eigen::Array<T, Eigen::Dynamic, 1>, Eigen::Aligned64>;
    const Index width = a.width(p);
    // A column at a time in T, whose sum is short; columns in double.
    for (Index k = 0; k < a.depth; ++k) {
      squares += static_cast<double>(Values(a.panel(p) + k * width, width).square().sum());
    }
  }
  const double slack = 1 + static_cast<double>(a.rows + 8) * std::numeric_limits<T>::epsilon();
  return std::min(rows, std::sqrt(squares)) * slack;
}

template <class T>
double trace(const Panels<T>& a) {
  double sum = 0;
  for (Index p = 0; p < a.count(); ++p) {
    for (Index i = 0; i < a.rows_of(p); ++i) {
      sum += static_cast<double>(a.panel(p)[(p * Panels<T>::kWidth + i) * a.width(p) + i]);
    }
  }
  return sum;
}

template <class T>
double inner_product(const Panels<T>& a, const Panels<T>& b) {
  double sum = 0;
  const Index size = Panels<T>::size(a.rows, a.depth);
  for (Index i = 0; i < size; ++i) {
    sum += static_cast<double>(a.data[i]) * static_cast<double>(b.data[i]);
  }
  return sum;
}

#define MUONFLOW_INSTANTIATE(T)                                          \
  template void affine<T>(const Panels<T>&, T, T, const Panels<T>&);     \
  template bool all_finite<T>(const Panels<T>&);                         \
  template double largest_eigenvalue<T>(const Panels<T>&, std::span<T>); \
  template void absolute_row_sums<T>(const Panels<T>&, std::span<T>);    \
  template void scale_lanes<T>(const Panels<T>&, std::span<T>);          \
  template void scale_depth<T>(const Panels<T>&, std::span<T>);          \
  template double norm_bound<T>(const Panels<T>&, std::span<T>);         \
  template double trace<T>(const Panels<T>&);                            \
  template double inner_product<T>(const Panels<T>&, const Panels<T>&);
MUONFLOW_INSTANTIATE(float)
MUONFLOW_INSTANTIATE(double)
#undef MUONFLOW_INSTANTIATE

}  // namespace muonflow::linalg::detail

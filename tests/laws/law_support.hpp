// What the law suites share: a set of parameters that owns its buffers, and gradients that depend
// on a seed alone, the same numbers for float and double up to rounding.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "muonflow/core/parameter.hpp"
#include "muonflow/core/rng.hpp"
#include "muonflow/linalg/qr.hpp"
#include "muonflow/optim/optimizer.hpp"
#include "muonflow/optim/rule_registry.hpp"

namespace muonflow::optim::laws {

inline constexpr std::uint64_t kSeed = 20260523;
inline constexpr double kDecay = 0.1;  // where weights decay

template <class T>
Matrix<T> random_matrix(Index rows, Index cols, std::uint64_t stream, double scale = 1) {
  Rng rng(kSeed, stream);
  Matrix<T> a(rows, cols);
  for (Index i = 0; i < a.size(); ++i) a.data()[i] = static_cast<T>(scale * rng.normal());
  return a;
}

// Rows of rank-2 tensors lie `padding` elements apart.
template <class T>
class Tensors {
 public:
  explicit Tensors(Index padding = 0) : padding_(padding) {}

  void add(const std::string& name, const Shape& shape, Role role = Role::hidden) {
    auto held = std::make_unique<Held>();
    const bool matrix = shape.size() == 2;
    held->rows = matrix ? shape[0] : 1;
    held->cols = matrix ? shape[1] : element_count(shape);
    held->stride = held->cols + (matrix ? padding_ : 0);
    held->weights.assign(static_cast<std::size_t>(held->rows * held->stride), T(0));
    held->gradient = held->weights;
    held->parameter = {.name = name,
                       .shape = shape,
                       .weights = held->weights.data(),
                       .gradient = held->gradient.data(),
                       .weights_stride = matrix && padding_ ? held->stride : 0,
                       .gradient_stride = matrix && padding_ ? held->stride : 0,
                       .role = role};
    fill(held->weights, *held, 1000 + held_.size(), 0.5);
    held_.push_back(std::move(held));
  }

  // The gradients of step t.
  void set_gradients(std::int64_t t, double scale = 1) {
    for (std::size_t i = 0; i < held_.size(); ++i) {
      fill(held_[i]->gradient, *held_[i], 100000 + 1000 * static_cast<std::uint64_t>(t) + i, scale);
    }
  }

  std::vector<Parameter<T>> parameters() const {
    std::vector<Parameter<T>> all;
    for (const auto& held : held_) all.push_back(held->parameter);
    return all;
  }
  std::size_t count() const { return held_.size(); }
  std::vector<T>& weights(std::size_t i) { return held_[i]->weights; }
  std::vector<T>& gradient(std::size_t i) { return held_[i]->gradient; }
  // Without the padding, in the order of memory.
  std::vector<T> weight_values(std::size_t i) const {
    const auto& held = *held_[i];
    std::vector<T> values;
    for (Index r = 0; r < held.rows; ++r) {
      const auto* row = held.weights.data() + r * held.stride;
      values.insert(values.end(), row, row + held.cols);
    }
    return values;
  }
  std::vector<std::vector<T>> all_weights() const {
    std::vector<std::vector<T>> all;
    for (std::size_t i = 0; i < held_.size(); ++i) all.push_back(weight_values(i));
    return all;
  }

 private:
  struct Held {
    Parameter<T> parameter;
    Index rows = 0, cols = 0, stride = 0;
    std::vector<T> weights, gradient;
  };
  static void fill(std::vector<T>& into, const Held& held, std::uint64_t stream, double scale) {
    Rng rng(kSeed, stream);
    for (Index r = 0; r < held.rows; ++r) {
      for (Index c = 0; c < held.cols; ++c) {
        into[static_cast<std::size_t>(r * held.stride + c)] = static_cast<T>(scale * rng.normal());
      }
    }
  }

  Index padding_;
  std::vector<std::unique_ptr<Held>> held_;
};

// Tensors that every rule takes, of the kinds a driver must cut and borrow: matrices of all
// aspects, a stack, a convolution; for rules of any rank a long vector and an embedding of several
// parts.
template <class T>
Tensors<T> some_tensors(const RuleEntry& entry, Index padding = 0) {
  Tensors<T> tensors(padding);
  tensors.add("wide", {12, 20});
  tensors.add("tall", {20, 12});
  tensors.add("square", {16, 16});
  tensors.add("row", {1, 8});
  tensors.add("column", {5, 1});
  tensors.add("stack", {3, 6, 10});
  tensors.add("conv", {8, 4, 3, 3}, Role::convolution);
  if (entry.info.takes == Takes::tensors) {
    tensors.add("vector", {20000}, Role::bias);
    tensors.add("embedding", {150, 160}, Role::embedding);
  }
  return tensors;
}

// Steps [from, to) with the gradients of each, the schedule moving.
template <class T>
void advance(Optimizer<T>& optimizer, Tensors<T>& tensors, std::int64_t from, std::int64_t to) {
  for (std::int64_t t = from; t < to; ++t) {
    tensors.set_gradients(t);
    const auto report = optimizer.step(1.0 / static_cast<double>(1 + t));
    ASSERT_TRUE(report.outcome.ok()) << report.tensor;
  }
}

// The rule alone, with its defaults, for every tensor.
inline RoutingOptions only(const RuleEntry& entry, double weight_decay = 0) {
  RoutingOptions options;
  options.preset = entry.name;
  options.hidden.weight_decay = weight_decay;
  return options;
}

// Same type, same bits: a NaN equals itself, 0 and -0 differ.
template <class T>
testing::AssertionResult same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  if (a.size() != b.size()) return testing::AssertionFailure() << "sizes differ";
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (std::memcmp(&a[i], &b[i], sizeof(T)) != 0) {
      return testing::AssertionFailure() << "element " << i << ": " << a[i] << " and " << b[i];
    }
  }
  return testing::AssertionSuccess();
}
template <class T>
testing::AssertionResult same_bits(const std::vector<std::vector<T>>& a,
                                   const std::vector<std::vector<T>>& b) {
  if (a.size() != b.size()) return testing::AssertionFailure() << "counts differ";
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (auto same = same_bits(a[i], b[i]); !same) return same << " of tensor " << i;
  }
  return testing::AssertionSuccess();
}
inline testing::AssertionResult same_bits(const TensorMap& a, const TensorMap& b) {
  if (a.size() != b.size()) return testing::AssertionFailure() << "counts differ";
  for (const auto& [name, tensor] : a) {
    const auto it = b.find(name);
    if (it == b.end() || it->second.dtype != tensor.dtype || it->second.shape != tensor.shape ||
        it->second.bytes != tensor.bytes) {
      return testing::AssertionFailure() << name << " differs";
    }
  }
  return testing::AssertionSuccess();
}

// A smooth convex function of a matrix whose infimum is 0; writes its gradient.
struct ConvexProblem {
  std::string name;
  Index rows, cols;
  std::function<double(const Matrix<double>& W, MatrixRef<double> G)> value;
};

// A round bowl, a valley of condition 100 askew to the axes, a bounded gradient far from the
// minimum, and an infimum that is nowhere attained.
inline std::vector<ConvexProblem> convex_zoo() {
  constexpr Index m = 6, n = 4;
  const Matrix<double> A = random_matrix<double>(m, n, 201);
  const auto curvature = [](Index size, std::uint64_t stream) {
    const Matrix<double> Q = linalg::qr<double>(random_matrix<double>(size, size, stream)).q;
    Vector<double> values(size);
    for (Index i = 0; i < size; ++i) {
      values(i) = std::pow(0.1, static_cast<double>(i) / static_cast<double>(size - 1));
    }
    return Matrix<double>(Q * values.asDiagonal() * Q.transpose());
  };
  const Matrix<double> L = curvature(m, 202), R = curvature(n, 203);
  std::vector<Matrix<double>> rays;
  for (std::uint64_t k = 0; k < 48; ++k) rays.push_back(random_matrix<double>(m, n, 300 + k));
  return {{"bowl", m, n,
           [=](const Matrix<double>& W, MatrixRef<double> G) {
             G = W - A;
             return G.squaredNorm() / 2;
           }},
          {"valley", m, n,
           [=](const Matrix<double>& W, MatrixRef<double> G) {
             G = L * (W - A) * R;
             return (W - A).cwiseProduct(G).sum() / 2;
           }},
          {"log cosh", m, n,
           [=](const Matrix<double>& W, MatrixRef<double> G) {
             double sum = 0;
             G.setZero();
             for (const auto& ray : rays) {
               const double x = ray.cwiseProduct(W - A).sum();
               sum += std::log(std::cosh(x));
               G += std::tanh(x) * ray;
             }
             return sum;
           }},
          {"separable logistic", m, n, [=](const Matrix<double>& W, MatrixRef<double> G) {
             double sum = 0;
             G.setZero();
             for (const auto& ray : rays) {  // labels that A itself gives
               const double label = ray.cwiseProduct(A).sum() > 0 ? 1 : -1;
               const double margin = label * ray.cwiseProduct(W).sum();
               sum += std::log1p(std::exp(-margin));
               G -= label / (1 + std::exp(margin)) * ray;
             }
             return sum;
           }}};
}

inline std::vector<std::string> enrolled_names() { return rules().names(); }

class RuleLaw : public testing::TestWithParam<std::string> {
 protected:
  const RuleEntry& entry() const { return rules().at(GetParam()); }
};

}  // namespace muonflow::optim::laws

// In every file that defines laws: each one for each enrolled rule.
#define MUONFLOW_EVERY_RULE(Suite)                                                       \
  INSTANTIATE_TEST_SUITE_P(EveryRule, Suite,                                             \
                           testing::ValuesIn(::muonflow::optim::laws::enrolled_names()), \
                           [](const auto& one) { return one.param; })

#include "muonflow/cli/bench/matrices.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "muonflow/core/parallel.hpp"
#include "muonflow/core/rng.hpp"
#include "muonflow/linalg/qr.hpp"

namespace muonflow::cli {
namespace {

Matrix<double> gaussian(Index rows, Index cols, std::uint64_t seed) {
  Rng rng(seed);
  Matrix<double> a(rows, cols);
  for (Index i = 0; i < a.size(); ++i) a.data()[i] = rng.normal();
  return a;
}

// Value i of r from 1 down to 1 / condition, evenly in the logarithm.
double decay(double condition, Index i, Index r) {
  return std::pow(condition,
                  -static_cast<double>(i) / static_cast<double>(std::max<Index>(1, r - 1)));
}

}  // namespace

Matrices::Matrices(std::vector<MatrixShape> shapes) : shapes_(std::move(shapes)) {
  Index size = 0;
  for (const auto& shape : shapes_) {
    offsets_.push_back(size);
    size += shape.rows * shape.cols;
  }
  values_.resize(static_cast<std::size_t>(size));
  by_size_.resize(shapes_.size());
  std::iota(by_size_.begin(), by_size_.end(), Index{0});
  // Flops of a polar factor grow like r^2 N.
  const auto cost = [&](Index i) {
    return shape(i).rows * shape(i).cols * std::min(shape(i).rows, shape(i).cols);
  };
  std::stable_sort(by_size_.begin(), by_size_.end(),
                   [&](Index a, Index b) { return cost(a) > cost(b); });
}

MatrixMap<float> Matrices::at(Index i) {
  const auto& [rows, cols] = shape(i);
  return {values_.data() + offsets_[static_cast<std::size_t>(i)], rows, cols,
          Eigen::OuterStride<>(cols)};
}

ConstMatrixMap<float> Matrices::at(Index i) const {
  const auto& [rows, cols] = shape(i);
  return {values_.data() + offsets_[static_cast<std::size_t>(i)], rows, cols,
          Eigen::OuterStride<>(cols)};
}

bool Matrices::equal_shapes() const {
  return std::all_of(shapes_.begin(), shapes_.end(), [&](const MatrixShape& other) {
    return other.rows == shapes_[0].rows && other.cols == shapes_[0].cols;
  });
}

std::string Matrices::runs() const {
  std::string out;
  for (std::size_t i = 0; i < shapes_.size();) {
    std::size_t end = i;
    while (end < shapes_.size() && shapes_[end].rows == shapes_[i].rows &&
           shapes_[end].cols == shapes_[i].cols) {
      ++end;
    }
    out += fmt::format("{}{}x{}x{}", out.empty() ? "" : ",", end - i, shapes_[i].rows,
                       shapes_[i].cols);
    i = end;
  }
  return out;
}

void fill_gaussian(Matrices& matrices, std::uint64_t seed) {
  Rng rng(seed);
  for (float& value : matrices.values()) value = static_cast<float>(rng.normal());
}

Matrix<double> with_condition(Index rows, Index cols, double condition, std::uint64_t seed) {
  const Index r = std::min(rows, cols);
  Matrix<double> u = linalg::qr<double>(gaussian(rows, r, seed)).q;
  const Matrix<double> v = linalg::qr<double>(gaussian(cols, r, seed + 1)).q;
  for (Index i = 0; i < r; ++i) u.col(i) *= decay(condition, i, r);
  return u * v.transpose();
}

Matrix<double> positive_definite(Index size, double condition, std::uint64_t seed) {
  const Matrix<double> q = linalg::qr<double>(gaussian(size, size, seed)).q;
  Matrix<double> scaled = q;
  for (Index i = 0; i < size; ++i) scaled.col(i) *= decay(condition, i, size);
  const Matrix<double> product = scaled * q.transpose();
  return 0.5 * (product + product.transpose());
}

void for_each(const Matrices& matrices, Loop loop, const std::function<void(Index)>& body) {
  if (loop == Loop::in_turn) {
    for (Index i = 0; i < matrices.count(); ++i) body(i);
  } else if (matrices.equal_shapes()) {
    parallel_for(matrices.count(), 1, [&](Index begin, Index end) {
      for (Index i = begin; i < end; ++i) body(i);
    });
  } else {
    parallel_tasks(matrices.count(),
                   [&](Index task) { body(matrices.by_size()[static_cast<std::size_t>(task)]); });
  }
}

double relative_error(const Matrices& computed, const std::vector<Matrix<double>>& exact) {
  double difference = 0;
  double size = 0;
  for (std::size_t i = 0; i < exact.size(); ++i) {
    const Matrix<double> x = computed.at(static_cast<Index>(i)).cast<double>();
    difference += (x - exact[i]).squaredNorm();
    size += exact[i].squaredNorm();
  }
  return std::sqrt(difference / size);
}

}  // namespace muonflow::cli

#include "muonflow/optim/transforms/compression.hpp"

#include <cmath>
#include <limits>

#include "muonflow/core/rng.hpp"
#include "muonflow/linalg/qr.hpp"
#include "tests/optim/fixtures.hpp"

namespace muonflow::optim {
namespace {

template <class T>
Matrix<T> random(Index rows, Index cols, std::uint64_t stream, double scale = 1) {
  Rng rng(11, stream);
  Matrix<T> a(rows, cols);
  for (Index i = 0; i < a.size(); ++i) a.data()[i] = static_cast<T>(scale * rng.normal());
  return a;
}

template <class T>
Matrix<T> compressed(const Compression& c, const Matrix<T>& x, std::size_t* bytes = nullptr) {
  linalg::Workspace<T> workspace;
  Matrix<T> y = x;
  auto basis = random<T>(c.basis_rows(x.rows(), x.cols()), x.cols(), 99);
  const auto sent = compress<T>(c, y, basis, workspace);
  if (bytes) *bytes = sent;
  return y;
}

// |C(X) - X|^2 <= (1 - delta) |X|^2 with the delta of the head; 8 eps |X|^2 for roundings.
template <class T>
void contraction() {
  for (const auto& [m, n] : {std::pair<Index, Index>{1, 1}, {1, 9}, {9, 1}, {7, 13}, {40, 30}}) {
    for (const double scale : {1.0, 1e-12, 1e12}) {
      const auto x = random<T>(m, n, 5, scale);
      const double d = static_cast<double>(x.size());
      const double square = x.template cast<double>().squaredNorm();
      const double l1 = x.template cast<double>().cwiseAbs().sum();
      const auto loss = [&](const Compression& c) {
        return (compressed(c, x) - x).template cast<double>().squaredNorm() / square;
      };
      const double eps = 8 * static_cast<double>(std::numeric_limits<T>::epsilon());
      EXPECT_EQ(loss({.kind = Compressor::identity}), 0);
      const double kept = std::ceil(0.25 * d) / d;
      EXPECT_LE(loss({.kind = Compressor::top_k, .fraction = 0.25}), 1 - kept + eps);
      EXPECT_LE(loss({.kind = Compressor::low_rank, .rank = 2}), 1 + eps);
      EXPECT_NEAR(loss({.kind = Compressor::sign}), 1 - l1 * l1 / (d * square), 64 * eps);
      EXPECT_LE(loss({.kind = Compressor::int8}), 256.0 / (254 * 254) + eps);
    }
  }
}
TEST(Compression, IsAContraction) {
  contraction<float>();
  contraction<double>();
}

TEST(Compression, ZeroIsZero) {
  for (const auto kind : {Compressor::identity, Compressor::top_k, Compressor::low_rank,
                          Compressor::sign, Compressor::int8}) {
    const Matrix<float> zero = Matrix<float>::Zero(6, 5);
    EXPECT_EQ(compressed<float>({.kind = kind}, zero).cwiseAbs().maxCoeff(), 0.0f);
  }
}

TEST(Compression, BytesOfAMessage) {
  const auto x = random<float>(30, 20, 1);
  const auto bytes = [&](const Compression& c) {
    std::size_t sent = 0;
    compressed(c, x, &sent);
    EXPECT_EQ(sent, c.bytes(30, 20, sizeof(float)));
    return sent;
  };
  EXPECT_EQ(bytes({.kind = Compressor::identity}), 2400u);
  EXPECT_EQ(bytes({.kind = Compressor::top_k, .fraction = 0.1}), 60u * 8);
  EXPECT_EQ(bytes({.kind = Compressor::low_rank, .rank = 3}), 3u * 50 * 4);
  EXPECT_EQ(bytes({.kind = Compressor::sign}), 75u + 4);
  EXPECT_EQ(bytes({.kind = Compressor::int8}), 600u + 3 * 4);
}

TEST(Compression, TopKKeepsTheLargestAndOfEqualsTheFirst) {
  Matrix<double> x(1, 6);
  x << 1, -3, 2, -2, 0, 2;
  const auto y = compressed<double>({.kind = Compressor::top_k, .fraction = 0.5}, x);
  Matrix<double> expected(1, 6);
  expected << 0, -3, 2, -2, 0, 0;
  EXPECT_EQ(y, expected);
}

// On a fixed matrix the basis turns to the top singular directions: what is lost falls to what the
// best approximation of that rank loses. A matrix of that rank is sent whole at once.
TEST(Compression, LowRankApproachesTheBest) {
  const Compression c{.kind = Compressor::low_rank, .rank = 2};
  const Matrix<double> u = linalg::qr<double>(random<double>(12, 3, 1)).q;
  const Matrix<double> v = linalg::qr<double>(random<double>(8, 3, 2)).q;
  const Eigen::Vector3d s(4, 2, 1);
  const Matrix<double> x = u * s.asDiagonal() * v.transpose();
  linalg::Workspace<double> workspace;
  auto basis = random<double>(2, 8, 3);
  double lost = 0;
  for (int i = 0; i < 30; ++i) {  // (s_3 / s_2)^2 = 1/4 an iteration
    Matrix<double> y = x;
    compress<double>(c, y, basis, workspace);
    lost = (y - x).norm();
  }
  EXPECT_NEAR(lost, 1, 1e-12);
  const Matrix<double> two = u.leftCols(2) * v.leftCols(2).transpose();
  EXPECT_LE((compressed(c, two) - two).norm(), 1e-13 * 12);
  const auto thin = random<double>(5, 2, 4);  // the rank is at most 2
  EXPECT_EQ(compressed<double>({.kind = Compressor::low_rank, .rank = 9}, thin), thin);
}

TEST(Compression, RefusesBuffersThatDoNotFit) {
  linalg::Workspace<double> workspace;
  Matrix<double> all = Matrix<double>::Ones(4, 6);
  Matrix<double> none(0, 3);
  EXPECT_MENTIONS(
      message_of<ShapeError>([&] { compress<double>({}, all.leftCols(3), none, workspace); }),
      "rows are not apart");
  EXPECT_MENTIONS(message_of<ShapeError>([&] {
                    compress<double>({.kind = Compressor::low_rank, .rank = 3}, all, none,
                                     workspace);
                  }),
                  "basis: expected [3, 6]");
}

}  // namespace
}  // namespace muonflow::optim

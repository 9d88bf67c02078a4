// Fashion-MNIST (H. Xiao, K. Rasul, R. Vollgraf, arXiv:1708.07747), from the Debian package
// dataset-fashion-mnist: grey images of 28x28 pixels in ten classes, averaged over k x k squares.
#pragma once

#include "muonflow/data/samples.hpp"

namespace muonflow::data {

SampleEntry fashion_mnist();

// Pixels of the training images averaged over squares, as X [n, (28/k)^2] less 0.286 and over
// 0.353 (mean and standard deviation of all its pixels), from bytes [n, 28, 28].
Matrix<float> pooled_images(const std::uint8_t* pixels, std::int64_t count, std::int64_t square);

}  // namespace muonflow::data

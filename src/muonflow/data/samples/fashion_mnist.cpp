#include "muonflow/data/samples/fashion_mnist.hpp"

#include <zlib.h>

#include <array>
#include <memory>
#include <vector>

#include "muonflow/core/error.hpp"
#include "muonflow/data/sha256.hpp"

namespace muonflow::data {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kSide = 28;
constexpr std::int64_t kImages = 60'000;
constexpr std::size_t kImageHead = 16, kLabelHead = 8;  // bytes before the data of an IDX file
constexpr const char* kFolder = "/usr/share/datasets/fashion-mnist";
constexpr const char* kImagesFile = "train-images-idx3-ubyte.gz";
constexpr const char* kLabelsFile = "train-labels-idx1-ubyte.gz";
constexpr const char* kObtain = "apt-get install dataset-fashion-mnist";

// Of the two files one after the other, without gzip.
constexpr const char* kImagesDigest =
    "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888";
constexpr const char* kLabelsDigest =
    "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9";

// The folder with the files: `from`, below it as the package lies when it is unpacked there, or the
// installed one.
fs::path folder_of(const fs::path& from) {
  std::error_code ignored;
  const auto holds = [&](const fs::path& folder) {
    return fs::is_regular_file(folder / kImagesFile, ignored);
  };
  if (from.empty()) {
    if (holds(kFolder)) return kFolder;
    throw IoError({.place = "data set fashion_mnist",
                   .what = "is not installed",
                   .advice = std::string("obtain it with: ") + kObtain});
  }
  for (const auto& folder : {from, from / "usr/share/datasets/fashion-mnist"}) {
    if (holds(folder)) return folder;
  }
  throw IoError({.place = from.string(),
                 .what = "no data set fashion_mnist there",
                 .expected = kImagesFile,
                 .advice = std::string("obtain it with: ") + kObtain});
}

// Exactly `size` bytes, which are the ones that the digest names.
std::vector<std::uint8_t> inflated(const fs::path& path, std::size_t size, const char* digest) {
  std::vector<std::uint8_t> bytes(size + 1);  // one more, to see that it ends there
  const std::unique_ptr<gzFile_s, int (*)(gzFile)> file(gzopen(path.c_str(), "rb"), gzclose);
  if (!file) throw IoError({.place = path.string(), .what = "cannot be read"});
  const int got = gzread(file.get(), bytes.data(), static_cast<unsigned>(bytes.size()));
  if (got < 0 || static_cast<std::size_t>(got) != size) {
    throw IoError({.place = path.string(),
                   .what = "damaged",
                   .expected = std::to_string(size) + " bytes when inflated",
                   .found = std::to_string(got)});
  }
  bytes.pop_back();
  if (const auto found = sha256(bytes); found != digest) {
    throw DataError({.place = path.string(),
                     .what = "not the file of data set fashion_mnist",
                     .expected = std::string("SHA-256 ") + digest,
                     .found = found});
  }
  return bytes;
}

std::int64_t square_of(const SampleRequest& request) {
  constexpr std::array<std::int64_t, 6> kSquares{1, 2, 4, 7, 14, 28};
  for (const auto square : kSquares) {
    const auto side = kSide / square;
    if (side * side == request.inputs) return square;
  }
  throw ConfigError({.place = request.place,
                     .what = "inputs of data set fashion_mnist",
                     .expected = "784, 196, 49, 16, 4 or 1 (28x28 pixels, averaged over squares)",
                     .found = std::to_string(request.inputs)});
}

TensorMap read_fashion(const SampleRequest& request, const fs::path& from) {
  const auto square = square_of(request);
  const auto folder = folder_of(from);
  const auto images =
      inflated(folder / kImagesFile, kImageHead + static_cast<std::size_t>(kImages * kSide * kSide),
               kImagesDigest);
  const auto classes =
      inflated(folder / kLabelsFile, kLabelHead + static_cast<std::size_t>(kImages), kLabelsDigest);
  const auto x = pooled_images(images.data() + kImageHead, request.samples, square);
  std::vector<std::int64_t> labels(
      classes.begin() + kLabelHead,
      classes.begin() + kLabelHead + static_cast<std::ptrdiff_t>(request.samples));
  return {{"X", make_tensor<float>(ConstMatrixRef<float>(x))},
          {"labels", make_tensor<std::int64_t>({request.samples}, labels)}};
}

}  // namespace

Matrix<float> pooled_images(const std::uint8_t* pixels, std::int64_t count, std::int64_t square) {
  const auto side = kSide / square;
  Matrix<float> x = Matrix<float>::Zero(count, side * side);
  for (std::int64_t i = 0; i < count; ++i) {
    for (std::int64_t row = 0; row < kSide; ++row) {
      for (std::int64_t col = 0; col < kSide; ++col) {
        x(i, row / square * side + col / square) +=
            static_cast<float>(pixels[(i * kSide + row) * kSide + col]);
      }
    }
  }
  const auto full = static_cast<float>(255 * square * square);
  x.array() = (x.array() / full - 0.286F) / 0.353F;
  return x;
}

SampleEntry fashion_mnist() {
  return {.name = "fashion_mnist",
          .summary = "grey images of clothes, 28x28 pixels or averages of them, 10 classes",
          .licence = "MIT",
          .obtain = kObtain,
          .corpus = "",
          .most = kImages,
          .read = read_fashion};
}

}  // namespace muonflow::data

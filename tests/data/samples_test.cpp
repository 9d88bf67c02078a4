#include "muonflow/data/samples.hpp"

#include <gtest/gtest.h>
#include <zlib.h>

#include "muonflow/core/error.hpp"
#include "muonflow/core/file.hpp"
#include "muonflow/data/samples/fashion_mnist.hpp"
#include "muonflow/data/samples/next_letter.hpp"
#include "tests/support/message_of.hpp"
#include "tests/support/temporary_folder.hpp"

namespace muonflow::data {
namespace {

using test::message_of;
using test::TemporaryFolder;

TEST(Samples, EveryEntrySaysWhatItIs) {
  for (const auto& entry : sample_sets().all()) {
    EXPECT_FALSE(entry.summary.empty());
    EXPECT_FALSE(entry.licence.empty());
    EXPECT_NE(entry.obtain.find("apt-get"), std::string::npos);
    EXPECT_GT(entry.most, 0);
  }
}

TEST(Samples, AbsentDataCostOneLineWithTheCommand) {
  const TemporaryFolder empty;
  const auto message = message_of<IoError>(
      [&] { (void)load_samples("fashion_mnist", {.samples = 10, .inputs = 49}, empty.path()); });
  EXPECT_EQ(message, empty.path().string() +
                         ": no data set fashion_mnist there: expected train-images-idx3-ubyte.gz "
                         "(obtain it with: apt-get install dataset-fashion-mnist)");
  EXPECT_THROW((void)load_samples("next_letter", {.samples = 10, .inputs = 8}, empty.path()),
               IoError);
}

TEST(Samples, RefuseWhatTheSetCannotGive) {
  EXPECT_EQ(message_of<ConfigError>([] {
              (void)load_samples("fashion_mnist", {.samples = 10, .inputs = 50, .place = "shape"});
            }),
            "shape: inputs of data set fashion_mnist: expected 784, 196, 49, 16, 4 or 1 (28x28 "
            "pixels, averaged over squares), found 50");
  EXPECT_THROW((void)load_samples("fashion_mnist", {.samples = 60'001, .inputs = 49}), ConfigError);
  EXPECT_THROW((void)load_samples("fashion_mnits", {}), ConfigError);
}

TEST(FashionMnist, SquaresAreAveraged) {
  std::vector<std::uint8_t> pixels(2 * 784, 0);
  for (std::size_t k = 784; k < pixels.size(); ++k) pixels[k] = 255;
  for (std::size_t row = 0; row < 14; ++row) pixels[row * 28] = 255;  // half of a left column
  const auto x = pooled_images(pixels.data(), 2, 14);
  ASSERT_EQ(x.rows(), 2);
  ASSERT_EQ(x.cols(), 4);
  const double scale = 1 / 0.353;
  // Single precision: a few roundings of numbers of order 1.
  EXPECT_NEAR(x(0, 0), (1.0 / 14 - 0.286) * scale, 1e-6);
  EXPECT_NEAR(x(0, 1), -0.286 * scale, 1e-6);
  EXPECT_NEAR(x(1, 3), (1 - 0.286) * scale, 1e-6);
}

TEST(FashionMnist, OtherFilesAreNotTheDataSet) {
  const TemporaryFolder folder;
  const auto path = folder / "train-images-idx3-ubyte.gz";
  const auto pack = [&](std::size_t size) {
    const std::vector<std::uint8_t> bytes(size, 7);
    gzFile file = gzopen(path.c_str(), "wb1");
    gzwrite(file, bytes.data(), static_cast<unsigned>(size));
    gzclose(file);
  };
  pack(100);
  EXPECT_EQ(message_of<IoError>([&] {
              (void)load_samples("fashion_mnist", {.samples = 10, .inputs = 49}, folder.path());
            }),
            path.string() + ": damaged: expected 47040016 bytes when inflated, found 100");
  pack(47'040'016);
  EXPECT_THROW((void)load_samples("fashion_mnist", {.samples = 10, .inputs = 49}, folder.path()),
               DataError);
}

TEST(FashionMnist, TheInstalledPackageIsTheDataSet) {
  if (!std::filesystem::exists("/usr/share/datasets/fashion-mnist")) {
    GTEST_SKIP() << "dataset-fashion-mnist is not installed";
  }
  const auto data = load_samples("fashion_mnist", {.samples = 500, .inputs = 196});
  EXPECT_EQ(data.at("X").shape, (Shape{500, 196}));
  EXPECT_EQ(data.at("labels").to<std::int64_t>().front(), 9);  // an ankle boot
}

TEST(NextLetter, RunsOfOtherBytesAreOneSymbol) {
  const std::string text = "  Ab, c\n";
  EXPECT_EQ(fold_letters(Bytes(text.begin(), text.end())),
            (std::vector<std::uint8_t>{0, 1, 26, 2, 26}));
}

TEST(NextLetter, InputsAreTheVectorsOfTheFourSymbolsBefore) {
  std::vector<std::uint8_t> symbols;
  for (int k = 0; k < 44; ++k) symbols.push_back(static_cast<std::uint8_t>(k % 5));
  const auto data = letter_samples(symbols, {.samples = 40, .inputs = 8});
  const auto x = data.at("X").to<float>();
  const auto labels = data.at("labels").to<std::int64_t>();
  ASSERT_EQ(data.at("X").shape, (Shape{40, 8}));
  for (std::size_t i = 0; i < 39; ++i) {
    EXPECT_EQ(labels[i], static_cast<std::int64_t>((i + 4) % 5));
    for (std::size_t k = 0; k < 6; ++k) EXPECT_EQ(x[(i + 1) * 8 + k], x[i * 8 + 2 + k]);
  }
  EXPECT_THROW((void)letter_samples(symbols, {.samples = 40, .inputs = 6}), ConfigError);
  EXPECT_THROW((void)letter_samples(symbols, {.samples = 41, .inputs = 8}), DataError);
}

}  // namespace
}  // namespace muonflow::data

#include "muonflow/core/safetensors.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <numeric>

#include "muonflow/core/file.hpp"
#include "tests/support/message_of.hpp"
#include "tests/support/temporary_folder.hpp"

namespace muonflow {
namespace {

using test::message_of;
using test::TemporaryFolder;

TensorMap one_of_each() {
  const std::vector<double> reals{1, -0.5, 1e-3, 0, 2, 65504};
  const std::vector<std::int64_t> longs{1, -2, INT64_MAX};
  const std::vector<std::int32_t> wholes{1, -2, INT32_MIN, 4};
  TensorMap tensors;
  for (const auto dtype : {Dtype::f64, Dtype::f32, Dtype::f16, Dtype::bf16}) {
    tensors[std::string(name_of(dtype))] =
        make_tensor(dtype, {2, 3}, std::span<const double>(reals));
  }
  tensors["longs"] = make_tensor<std::int64_t>({3}, longs);
  tensors["tokens"] = make_tensor<std::int32_t>({2, 2}, wholes);
  tensors["scalar"] = make_tensor<double>({}, std::span(reals).first(1));
  tensors["empty"] = make_tensor<float>({0, 4}, {});
  return tensors;
}

TEST(Safetensors, EveryDtypeGoesRound) {
  const TemporaryFolder folder;
  const auto tensors = one_of_each();
  write_safetensors(folder / "a.safetensors", tensors, {{"format", "pt"}, {"note", "ä \"b\""}});
  const auto read = read_safetensors(folder / "a.safetensors");
  EXPECT_EQ(read.metadata.at("format"), "pt");
  EXPECT_EQ(read.metadata.at("note"), "ä \"b\"");
  ASSERT_EQ(read.tensors.size(), tensors.size());
  for (const auto& [name, tensor] : tensors) {
    const auto& back = read.tensors.at(name);
    EXPECT_EQ(back.dtype, tensor.dtype) << name;
    EXPECT_EQ(back.shape, tensor.shape) << name;
    EXPECT_EQ(back.bytes, tensor.bytes) << name;
  }
}

TEST(Safetensors, NoTensorsIsAFileToo) {
  const TemporaryFolder folder;
  write_safetensors(folder / "none.safetensors", {});
  const auto read = read_safetensors(folder / "none.safetensors");
  EXPECT_TRUE(read.tensors.empty());
  EXPECT_TRUE(read.metadata.empty());
}

TEST(Safetensors, TheSameTensorsAreTheSameBytes) {
  const TemporaryFolder folder;
  write_safetensors(folder / "a", one_of_each());
  write_safetensors(folder / "b", one_of_each());
  EXPECT_EQ(read_file(folder / "a"), read_file(folder / "b"));
}

TEST(Safetensors, EveryTensorIsAlignedToItsElement) {
  const TemporaryFolder folder;
  const std::vector<std::int32_t> three{11, 12, 13};
  const std::vector<double> pi{3.141592653589793};
  // In alphabetical order the double would begin at byte 12.
  write_safetensors(folder / "a", {{"a", make_tensor<std::int32_t>({3}, three)},
                                   {"b", make_tensor<double>({1}, pi)}});
  const auto bytes = read_file(folder / "a");
  std::uint64_t header = 0;
  std::memcpy(&header, bytes.data(), sizeof header);
  EXPECT_EQ(header % 8, 0u);
  double first = 0;
  std::memcpy(&first, bytes.data() + 8 + header, sizeof first);
  EXPECT_EQ(first, pi[0]);
}

TEST(Safetensors, ManyTensorsGoRound) {
  const TemporaryFolder folder;
  TensorMap tensors;
  for (int i = 0; i < 20'000; ++i) {
    const std::vector<std::int32_t> value{i};
    tensors["t" + std::to_string(i)] = make_tensor<std::int32_t>({1}, value);
  }
  write_safetensors(folder / "many", tensors);
  const auto read = read_safetensors(folder / "many");
  ASSERT_EQ(read.tensors.size(), tensors.size());
  EXPECT_EQ(read.tensors.at("t19999").to<std::int32_t>().front(), 19'999);
}

// Laid out by another writer: entries in another order than their bytes, keys in another order,
// spaces after the header.
TEST(Safetensors, ReadsOtherWritersLayouts) {
  const TemporaryFolder folder;
  std::string header = R"({ "second": {"data_offsets": [8, 16], "dtype": "F32", "shape": [2, 1]},)"
                       R"( "__metadata__": {"format": "np"},)"
                       R"( "first": {"shape": [2], "dtype": "F32", "data_offsets": [0, 8]},)"
                       R"( "nothing": {"shape": [0], "dtype": "F16", "data_offsets": [8, 8]} }   )";
  const std::vector<float> values{1, 2, 3, 4};
  std::string file(8, '\0');
  const std::uint64_t length = header.size();
  std::memcpy(file.data(), &length, 8);
  file += header;
  file.append(reinterpret_cast<const char*>(values.data()), 16);
  write_file(folder / "other", file);
  const auto read = read_safetensors(folder / "other");
  EXPECT_EQ(read.metadata.at("format"), "np");
  EXPECT_EQ(read.tensors.at("first").to<float>(), (std::vector<float>{1, 2}));
  EXPECT_EQ(read.tensors.at("second").to<float>(), (std::vector<float>{3, 4}));
  EXPECT_EQ(read.tensors.at("second").shape, (Shape{2, 1}));
  EXPECT_EQ(read.tensors.at("nothing").count(), 0);
}

TEST(Safetensors, WritingRefusesWhatItCouldNotRead) {
  const TemporaryFolder folder;
  const auto path = folder / "a";
  Tensor broken{Dtype::f32, {2, 2}, std::vector<std::byte>(12)};
  EXPECT_EQ(message_of<ShapeError>([&] {
              write_safetensors(path, {{"w", broken}});
            }),
            path.string() + ": tensor 'w': expected 16 bytes, found 12");
  Tensor fine{Dtype::f32, {1}, std::vector<std::byte>(4)};
  EXPECT_EQ(message_of<DataError>([&] {
              write_safetensors(path, {{"__metadata__", fine}});
            }),
            path.string() + ": a tensor cannot be named __metadata__");
  EXPECT_EQ(message_of<DataError>([&] {
              write_safetensors(path, {{"\xff", fine}});
            }),
            path.string() + ": a name or metadata text is not UTF-8");
  EXPECT_EQ(folder.entries(), 0u);
}

}  // namespace
}  // namespace muonflow

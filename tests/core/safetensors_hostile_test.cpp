// Files that lie: each is refused with one line that names the file and the place.
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>

#include "muonflow/core/file.hpp"
#include "muonflow/core/safetensors.hpp"
#include "tests/support/message_of.hpp"
#include "tests/support/temporary_folder.hpp"

namespace muonflow {
namespace {

using test::TemporaryFolder;

std::string file_of(const std::string& header, std::size_t data_bytes) {
  std::string file(8, '\0');
  const std::uint64_t length = header.size();
  std::memcpy(file.data(), &length, 8);
  return file + header + std::string(data_bytes, '\0');
}

// The message without the file's name in front.
std::string refusal(const std::string& contents) {
  const TemporaryFolder folder;
  { std::ofstream(folder / "x", std::ios::binary) << contents; }
  const auto message = test::message_of<IoError>([&] { (void)read_safetensors(folder / "x"); });
  const auto prefix = (folder / "x").string() + ": ";
  EXPECT_EQ(message.substr(0, prefix.size()), prefix);
  return message.substr(std::min(prefix.size(), message.size()));
}

std::string refusal(const std::string& header, std::size_t data_bytes) {
  return refusal(file_of(header, data_bytes));
}

TEST(HostileSafetensors, TooShortForALength) {
  EXPECT_EQ(refusal(""), "not a safetensors file: expected at least 8 bytes, found 0");
  EXPECT_EQ(refusal("1234567"), "not a safetensors file: expected at least 8 bytes, found 7");
}

TEST(HostileSafetensors, HeaderLongerThanTheFileOrTheLimit) {
  EXPECT_EQ(refusal(std::string(8, '\xff') + "{}"),
            "not a safetensors file, or a truncated one: expected a header of at most 2 bytes, "
            "found 18446744073709551615");
  std::string huge(8, '\0');
  const std::uint64_t length = 100'000'001;
  std::memcpy(huge.data(), &length, 8);
  const TemporaryFolder folder;
  write_file(folder / "x", huge);
  std::filesystem::resize_file(folder / "x", 200'000'000);  // sparse: takes no room
  const auto message = test::message_of<IoError>([&] { (void)read_safetensors(folder / "x"); });
  EXPECT_NE(message.find("expected a header of at most 100000000 bytes, found 100000001"),
            std::string::npos);
}

TEST(HostileSafetensors, HeaderThatIsNoObject) {
  EXPECT_EQ(refusal("", 0),
            "not a safetensors file: expected a JSON object as header, found no header");
  for (const std::string header : {"[]", "1", " {}", "PK", "null"}) {
    EXPECT_EQ(refusal(header, 0),
              "not a safetensors file: expected a JSON object as header, found another text");
  }
}

TEST(HostileSafetensors, HeaderThatIsNoJson) {
  EXPECT_EQ(refusal("{", 0), "the header is not JSON (byte 2 of it)");
  EXPECT_EQ(refusal("{} x", 0), "the header is not JSON (byte 4 of it)");
  EXPECT_EQ(refusal("{\"a\xff\":1}", 0), "the header is not JSON (byte 4 of it)");
  EXPECT_EQ(refusal(std::string("{}\0\0", 4), 0), "the header is not JSON (it holds a zero byte)");
  // A truncated header, as an interrupted download leaves it.
  EXPECT_EQ(refusal(R"({"w":{"dtype":"F32","sha)", 0), "the header is not JSON (byte 25 of it)");
}

TEST(HostileSafetensors, DeepNestingIsRefusedAtItsFirstStep) {
  EXPECT_EQ(refusal(R"({"w":)" + std::string(1'000'000, '['), 0),
            "tensor 'w': expected an object of dtype, shape and data_offsets, found a list");
  EXPECT_EQ(refusal(R"({"w":{"shape":[[1]]}})", 0),
            "tensor 'w': shape: expected at most 64 whole numbers, 0 or more, found a list");
  EXPECT_EQ(refusal(R"({"w":{"shape":{"a":1}}})", 0),
            "tensor 'w': shape: expected at most 64 whole numbers, 0 or more, found an object");
}

TEST(HostileSafetensors, EntriesOfAnotherKind) {
  EXPECT_EQ(refusal(R"({"w":3})", 0),
            "tensor 'w': expected an object of dtype, shape and data_offsets, found 3");
  EXPECT_EQ(refusal(R"({"w":{"dtype":3}})", 0), "tensor 'w': dtype: expected a text, found 3");
  EXPECT_EQ(refusal(R"({"w":{"dtype":["F32"]}})", 0),
            "tensor 'w': dtype: expected a text, found a list");
  EXPECT_EQ(refusal(R"({"w":{"shape":"3"}})", 0),
            "tensor 'w': shape: expected at most 64 whole numbers, 0 or more, found text '3'");
  EXPECT_EQ(refusal(R"({"w":{"shape":[true]}})", 0),
            "tensor 'w': shape: expected at most 64 whole numbers, 0 or more, found true");
  EXPECT_EQ(refusal(R"({"w":{"shape":[null]}})", 0),
            "tensor 'w': shape: expected at most 64 whole numbers, 0 or more, found null");
  EXPECT_EQ(refusal(R"({"w":{"data_offsets":[0,4,8]}})", 0),
            "tensor 'w': data_offsets: expected two whole numbers, 0 or more, found a longer list");
  EXPECT_EQ(refusal(R"({"__metadata__":{"a":1}})", 0), "metadata 'a': expected a text, found 1");
  EXPECT_EQ(refusal(R"({"__metadata__":{"a":{}}})", 0),
            "metadata 'a': expected a text, found an object");
}

TEST(HostileSafetensors, NumbersThatAreNoSizes) {
  const auto shape = [](const std::string& value) {
    return refusal(R"({"w":{"dtype":"F32","shape":[)" + value + R"(],"data_offsets":[0,4]}})", 4);
  };
  const std::string expected =
      "tensor 'w': shape: expected at most 64 whole numbers, 0 or more, found ";
  EXPECT_EQ(shape("-1"), expected + "-1");
  EXPECT_EQ(shape("1.0"), expected + "1.0");
  EXPECT_EQ(shape("1e0"), expected + "1e0");
  EXPECT_EQ(shape("9223372036854775808"), expected + "9223372036854775808");
  EXPECT_EQ(shape("99999999999999999999999"), expected + "99999999999999999999999");
  std::string long_shape = "1";
  for (int i = 0; i < 64; ++i) long_shape += ",1";
  EXPECT_EQ(shape(long_shape), expected + "a longer list");
}

TEST(HostileSafetensors, ShapesThatOverflow) {
  const auto shape = [](const std::string& value) {
    return refusal(R"({"w":{"dtype":"F32","shape":[)" + value + R"(],"data_offsets":[0,4]}})", 4);
  };
  EXPECT_EQ(shape("4611686018427387904,4"),
            "tensor 'w': shape [4611686018427387904, 4] is too large");
  // The product is 2^64, which is 0 in 64 bits.
  EXPECT_EQ(shape("4294967296,4294967296"),
            "tensor 'w': shape [4294967296, 4294967296] is too large");
  EXPECT_EQ(shape("4294967296,4294967296,0"),
            "tensor 'w': shape [4294967296, 4294967296, 0] is too large");
}

TEST(HostileSafetensors, NamesGivenTwice) {
  const std::string w = R"({"dtype":"F32","shape":[1],"data_offsets":[0,4]})";
  EXPECT_EQ(refusal(R"({"w":)" + w + R"(,"w":)" + w + "}", 4),
            "tensor 'w': named twice in the header");
  EXPECT_EQ(refusal(R"({"__metadata__":{},"__metadata__":{}})", 0),
            "tensor '__metadata__': named twice in the header");
  EXPECT_EQ(refusal(R"({"__metadata__":{"a":"1","a":"2"}})", 0), "metadata 'a' given twice");
  EXPECT_EQ(
      refusal(R"({"w":{"dtype":"F32","dtype":"F64"}})", 0),
      "tensor 'w': key 'dtype' given twice: expected dtype, shape and data_offsets, each once");
}

TEST(HostileSafetensors, KeysThatAreMissingOrUnknown) {
  EXPECT_EQ(refusal(R"({"w":{"dtype":"F32","shape":[1]}})", 4),
            "tensor 'w': needs each of dtype, shape and data_offsets");
  EXPECT_EQ(refusal(R"({"w":{}})", 4), "tensor 'w': needs each of dtype, shape and data_offsets");
  EXPECT_EQ(refusal(R"({"w":{"type":"F32"}})", 4),
            "tensor 'w': key 'type' is unknown: expected dtype, shape and data_offsets, each once");
}

TEST(HostileSafetensors, DtypesWithoutUseHere) {
  for (const std::string dtype : {"U8", "BOOL", "F8_E4M3", "I16", "f32", ""}) {
    EXPECT_EQ(
        refusal(R"({"mask":{"dtype":")" + dtype + R"(","shape":[1],"data_offsets":[0,1]}})", 1),
        "tensor 'mask': dtype: expected one of F64, F32, F16, BF16, I64, I32" +
            (dtype.empty() ? "" : ", found " + dtype));
  }
}

TEST(HostileSafetensors, RangesThatAreNotTheShapes) {
  const auto range = [](const std::string& offsets) {
    return refusal(R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[)" + offsets + "]}}", 8);
  };
  const std::string expected = "tensor 'w': expected 8 bytes for F32 [2], found data_offsets ";
  EXPECT_EQ(range("0,4"), expected + "[0, 4]");
  EXPECT_EQ(range("0,9"), expected + "[0, 9]");
  EXPECT_EQ(range("8,0"), expected + "[8, 0]");
  EXPECT_EQ(range("0"), expected + "[0]");
  EXPECT_EQ(range(""), expected + "[]");
}

TEST(HostileSafetensors, RangesThatDoNotCoverTheFile) {
  const auto two = [](const std::string& a, const std::string& b, std::size_t bytes) {
    return refusal(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":)" + a +
                       R"(},"b":{"dtype":"F32","shape":[1],"data_offsets":)" + b + "}}",
                   bytes);
  };
  EXPECT_EQ(
      two("[0,4]", "[2,6]", 8),
      "tensor 'b': its bytes overlap another tensor's: expected data_offsets from 4, found 2");
  EXPECT_EQ(
      two("[0,4]", "[0,4]", 4),
      "tensor 'b': its bytes overlap another tensor's: expected data_offsets from 4, found 0");
  EXPECT_EQ(
      two("[0,4]", "[6,10]", 10),
      "tensor 'b': its bytes leave a hole before them: expected data_offsets from 4, found 6");
  EXPECT_EQ(
      two("[4,8]", "[8,12]", 12),
      "tensor 'a': its bytes leave a hole before them: expected data_offsets from 0, found 4");
  EXPECT_EQ(two("[0,4]", "[4,8]", 6),
            "tensor 'b': its bytes pass the end of the file: expected at most 6 bytes of data, "
            "found data_offsets to 8 (the file is truncated or not safetensors)");
  EXPECT_EQ(two("[0,4]", "[4,8]", 9),
            "bytes that belong to no tensor at the end: expected 8 bytes of data, found 9");
}

TEST(HostileSafetensors, AHugeClaimAllocatesNothing) {
  // 2^62 bytes claimed by a consistent entry in a file of a hundred.
  EXPECT_EQ(refusal(R"({"w":{"dtype":"F32","shape":[1152921504606846976],)"
                    R"("data_offsets":[0,4611686018427387904]}})",
                    4),
            "tensor 'w': its bytes pass the end of the file: expected at most 4 bytes of data, "
            "found data_offsets to 4611686018427387904 (the file is truncated or not safetensors)");
}

TEST(HostileSafetensors, LongAndControlNamesGiveAShortLine) {
  const auto message = refusal(R"({")" + std::string(5000, 'n') + R"(":3,"\u001b[2J\n":4})", 0);
  EXPECT_LT(message.size(), 300u);
  const auto control = refusal(R"({"\u001b[2J\n":4})", 0);
  EXPECT_EQ(control.find('\x1b'), std::string::npos);
}

// Any file cut anywhere is refused, and never read past its end.
TEST(HostileSafetensors, EveryTruncationIsRefused) {
  const TemporaryFolder folder;
  const std::vector<double> values{1, 2, 3};
  write_safetensors(folder / "whole", {{"a", make_tensor<double>({3}, values)}},
                    {{"format", "pt"}});
  const auto whole = read_text_file(folder / "whole");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(refusal(whole.substr(0, size)).empty()) << size;
  }
}

// Any single byte changed in the header gives an error or a tensor, never anything else.
TEST(HostileSafetensors, EveryChangedHeaderByteIsSafe) {
  const TemporaryFolder folder;
  const std::vector<float> values{1, 2};
  write_safetensors(folder / "whole", {{"a", make_tensor<float>({2}, values)}});
  const auto whole = read_text_file(folder / "whole");
  int refused = 0, read = 0;
  for (std::size_t i = 0; i + 8 < whole.size(); ++i) {
    for (const char value : {'\0', '0', '9', '"', '{', '\xff'}) {
      auto changed = whole;
      changed[i] = value;
      { std::ofstream(folder / "x", std::ios::binary) << changed; }
      try {
        for (const auto& [name, tensor] : read_safetensors(folder / "x").tensors) {
          EXPECT_EQ(tensor.bytes.size(),
                    static_cast<std::size_t>(tensor.count()) * size_of(tensor.dtype));
        }
        ++read;
      } catch (const IoError&) {
        ++refused;
      }
    }
  }
  EXPECT_GT(refused, read);
}

}  // namespace
}  // namespace muonflow

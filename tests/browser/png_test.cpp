#include "tests/browser/png.hpp"

#include <gtest/gtest.h>
#include <zlib.h>

#include <stdexcept>

#include "muonflow/core/file.hpp"
#include "tests/support/temporary_folder.hpp"

namespace muonflow::test {
namespace {

void put(std::string& out, std::uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift & 0xFFU);
}

void chunk(std::string& out, const std::string& kind, const std::string& body) {
  put(out, static_cast<std::uint32_t>(body.size()));
  out += kind + body + std::string(4, '\0');  // the checksum is not looked at
}

// Two by two pixels, one row for each of two filters.
std::string small_png(const std::string& rows) {
  std::string header;
  put(header, 2);
  put(header, 2);
  header += std::string("\x08\x02\0\0\0", 5);
  std::string packed(100, '\0');
  auto size = static_cast<uLongf>(packed.size());
  compress(reinterpret_cast<Bytef*>(packed.data()), &size,
           reinterpret_cast<const Bytef*>(rows.data()), static_cast<uLong>(rows.size()));
  packed.resize(size);
  std::string out = "\x89PNG\r\n\x1A\n";
  chunk(out, "IHDR", header);
  chunk(out, "IDAT", packed);
  chunk(out, "IEND", "");
  return out;
}

TEST(Png, UndoesItsFilters) {
  TemporaryFolder folder;
  const std::string rows(
      "\x01\x0A\x14\x1E\x01\x02\x03"   // left: 10 20 30, 11 22 33
      "\x02\x01\x01\x01\x00\x00\x00",  // up: 11 21 31, 11 22 33
      14);
  write_file(folder / "a.png", small_png(rows));
  const auto image = read_png(folder / "a.png");
  EXPECT_EQ(image.width, 2U);
  EXPECT_EQ(image.at(1, 0), (std::array<int, 3>{11, 22, 33}));
  EXPECT_EQ(image.at(0, 1), (std::array<int, 3>{11, 21, 31}));
  EXPECT_EQ(image.at(1, 1), (std::array<int, 3>{11, 22, 33}));
}

TEST(Png, RefusesOtherFiles) {
  TemporaryFolder folder;
  write_file(folder / "a.png", std::string_view("no picture at all"));
  EXPECT_THROW(read_png(folder / "a.png"), std::runtime_error);
  write_file(folder / "b.png", small_png("short"));
  EXPECT_THROW(read_png(folder / "b.png"), std::runtime_error);
}

}  // namespace
}  // namespace muonflow::test

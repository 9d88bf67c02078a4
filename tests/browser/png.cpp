#include "tests/browser/png.hpp"

#include <zlib.h>

#include <cstdlib>
#include <stdexcept>
#include <string_view>

#include "muonflow/core/file.hpp"

namespace muonflow::test {
namespace {

std::uint32_t big_endian(std::string_view bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i)
    value = value << 8U | static_cast<unsigned char>(bytes.at(at + i));
  return value;
}

int paeth(int left, int up, int corner) {
  const int estimate = left + up - corner;
  const int to_left = std::abs(estimate - left), to_up = std::abs(estimate - up);
  const int to_corner = std::abs(estimate - corner);
  if (to_left <= to_up && to_left <= to_corner) return left;
  return to_up <= to_corner ? up : corner;
}

}  // namespace

Image read_png(const std::filesystem::path& path) {
  const auto file = read_text_file(path);
  const std::string_view bytes = file;
  if (bytes.substr(1, 3) != "PNG") throw std::runtime_error("not a PNG file");
  Image image;
  std::size_t channels = 0;
  std::string packed;
  for (std::size_t at = 8; at + 12 <= bytes.size();) {
    const auto length = big_endian(bytes, at);
    const auto kind = bytes.substr(at + 4, 4);
    const auto body = bytes.substr(at + 8, length);
    if (kind == "IHDR") {
      image.width = big_endian(body, 0);
      image.height = big_endian(body, 4);
      channels = body[9] == 2 ? 3 : body[9] == 6 ? 4 : 0;
      if (body[8] != 8 || channels == 0 || body[12] != 0) throw std::runtime_error("PNG kind");
    }
    if (kind == "IDAT") packed += body;
    at += 12 + length;
  }
  const std::size_t stride = image.width * channels;
  std::vector<std::uint8_t> raw((stride + 1) * image.height);
  auto size = static_cast<uLongf>(raw.size());
  const auto* source = reinterpret_cast<const Bytef*>(packed.data());
  if (::uncompress(raw.data(), &size, source, static_cast<uLong>(packed.size())) != Z_OK ||
      size != raw.size()) {
    throw std::runtime_error("PNG data");
  }
  image.pixels.resize(image.width * image.height * 3);
  std::vector<std::uint8_t> above(stride, 0), row(stride, 0);
  for (std::size_t y = 0; y < image.height; ++y) {
    const auto* line = &raw[y * (stride + 1)];
    const int filter = line[0];
    for (std::size_t i = 0; i < stride; ++i) {
      const int left = i >= channels ? row[i - channels] : 0, up = above[i];
      const int corner = i >= channels ? above[i - channels] : 0;
      const std::array<int, 5> guesses{0, left, up, (left + up) / 2, paeth(left, up, corner)};
      row[i] =
          static_cast<std::uint8_t>(line[i + 1] + guesses.at(static_cast<std::size_t>(filter)));
    }
    for (std::size_t x = 0; x < image.width; ++x) {
      for (std::size_t c = 0; c < 3; ++c) {
        image.pixels[(y * image.width + x) * 3 + c] = row[x * channels + c];
      }
    }
    above = row;
  }
  return image;
}

}  // namespace muonflow::test

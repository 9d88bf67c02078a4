// Pixels of a PNG file, as far as browsers write them: 8 bits a channel, RGB or RGBA, not
// interlaced.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <vector>

namespace muonflow::test {

struct Image {
  std::size_t width = 0, height = 0;
  std::vector<std::uint8_t> pixels;  // [height, width, 3]

  std::array<int, 3> at(std::size_t x, std::size_t y) const {
    const auto* p = &pixels[(y * width + x) * 3];
    return {p[0], p[1], p[2]};
  }
};

// Throws std::runtime_error for anything else. (PNG specification, W3C, sections 5 and 9.)
Image read_png(const std::filesystem::path& path);

}  // namespace muonflow::test

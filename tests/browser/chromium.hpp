// A headless Chromium that opens a file, without a network.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace muonflow::test {

// The program on PATH (chromium, chromium-browser or google-chrome); no value: not installed.
std::optional<std::string> find_chromium();

struct View {
  int width = 1200;
  int height = 1000;
  bool dark = false;
};

// The page's elements after its scripts ran, as HTML. Throws std::runtime_error with the browser's
// own words when it fails or takes longer than two minutes.
std::string dump_dom(const std::string& chromium, const std::filesystem::path& page,
                     const View& view);
// What a window of this size shows, into a PNG file.
void screenshot(const std::string& chromium, const std::filesystem::path& page, const View& view,
                const std::filesystem::path& png);
void print_to_pdf(const std::string& chromium, const std::filesystem::path& page,
                  const std::filesystem::path& pdf);

}  // namespace muonflow::test

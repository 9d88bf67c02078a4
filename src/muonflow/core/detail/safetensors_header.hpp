// The JSON header of a safetensors file as entries, before anything in it is believed.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace muonflow::detail {

struct SafetensorsEntry {
  std::string name;
  std::string dtype;
  std::vector<std::uint64_t> shape;
  std::vector<std::uint64_t> offsets;  // begin, end; relative to the end of the header
  std::set<std::string> keys;          // those given: dtype, shape, data_offsets
};

struct SafetensorsHeader {
  std::vector<SafetensorsEntry> entries;
  std::map<std::string, std::string> metadata;
};

// Throws IoError naming `file` and the tensor: no JSON, another structure, a name or key given
// twice, numbers that are no sizes. Every number is at most the largest std::int64_t.
SafetensorsHeader parse_safetensors_header(const std::string& text, const std::string& file);

// "FILE: tensor 'NAME'", the name cut where it is long.
std::string tensor_place(const std::string& file, const std::string& tensor);
// A text of a hostile file cut to what a message can bear.
std::string safetensors_excerpt(const std::string& text);

}  // namespace muonflow::detail

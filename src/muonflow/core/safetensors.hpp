// safetensors files: u64 little-endian header length, a JSON header, the bytes. Hostile input is
// refused with one line.
//
// Refused: truncation, a header that is longer than the file or than 100 MB, JSON that is not an
// object, duplicate names, unknown dtypes, shapes whose size overflows or does not match the byte
// range, ranges that overlap, leave holes or pass the end of the file. Written atomically; tensors
// in alphabetical order, aligned to 8 bytes where the order allows.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "muonflow/core/tensor.hpp"

namespace muonflow {

struct Safetensors {
  TensorMap tensors;
  std::map<std::string, std::string> metadata;  // the header's __metadata__
};

// Throws IoError naming the file, the tensor, what was expected and found.
Safetensors read_safetensors(const std::filesystem::path& path);
void write_safetensors(const std::filesystem::path& path, const TensorMap& tensors,
                       const std::map<std::string, std::string>& metadata = {});

}  // namespace muonflow

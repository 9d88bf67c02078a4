// safetensors files: u64 little-endian header length, a JSON header, the bytes. Hostile input is
// refused with one line.
//
// Refused: truncation, a header that is longer than the file or than 100 MB, JSON that is not an
// object of {dtype, shape, data_offsets}, duplicate names, dtypes this library has no use for (U8,
// BOOL, F8...), shapes whose size overflows or does not match the byte range, ranges that overlap,
// leave holes or pass the end of the file. Sizes are checked before anything is allocated. An empty
// tensor is legal. Written atomically; wide elements first, then by name, which aligns every tensor
// to its element as the format's own writers do.
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
// Throws IoError (see AtomicFile), ShapeError for a tensor whose bytes are not its shape's, and
// DataError for a tensor named __metadata__ or a name that is not UTF-8.
void write_safetensors(const std::filesystem::path& path, const TensorMap& tensors,
                       const std::map<std::string, std::string>& metadata = {});

}  // namespace muonflow

// Writes Rdata.rdb files as R does, for tests: chunks of a big-endian length and a zlib stream,
// each an XDR vector of texts.
#pragma once

#include <zlib.h>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace muonflow::test {

inline void append_word(std::string& bytes, std::uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(value >> shift);
}

// One R object: a vector of texts. Version 2 has no encoding.
inline std::string xdr_texts(const std::vector<std::string>& lines, std::uint32_t version = 3) {
  std::string object = "X\n";
  append_word(object, version);
  append_word(object, 0x00040201);  // R 4.2.1 wrote it
  append_word(object, 0x00030500);
  if (version == 3) {
    append_word(object, 5);
    object += "UTF-8";
  }
  append_word(object, 16);
  append_word(object, static_cast<std::uint32_t>(lines.size()));
  for (const auto& line : lines) {
    append_word(object, 0x00040009);
    append_word(object, static_cast<std::uint32_t>(line.size()));
    object += line;
  }
  return object;
}

inline std::string rdb_chunk(const std::string& object) {
  uLongf size = compressBound(object.size());
  std::string packed(size, '\0');
  if (compress(reinterpret_cast<Bytef*>(packed.data()), &size,
               reinterpret_cast<const Bytef*>(object.data()), object.size()) != Z_OK) {
    throw std::runtime_error("zlib");
  }
  packed.resize(size);
  std::string chunk;
  append_word(chunk, static_cast<std::uint32_t>(object.size()));
  return chunk + packed;
}

}  // namespace muonflow::test

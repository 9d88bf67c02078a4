// Texts out of an R package's data file (Rdata.rdb), without R.
//
// The file is a row of chunks, each a big-endian u32 raw length and a zlib stream; each stream
// holds one R object in XDR form (R Internals, "Serialization Formats"): 'X', a line break, three
// i32 versions, the native encoding, then the object. Read are objects that are vectors of texts,
// as packages of books hold them: one text a line.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace muonflow::data {

// One entry a chunk, in the order of the file: its lines, each ended by a line break. Throws
// IoError for a file that is missing, damaged or holds something else.
std::vector<std::string> read_rdb_texts(const std::filesystem::path& path);

}  // namespace muonflow::data

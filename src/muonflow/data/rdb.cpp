#include "muonflow/data/rdb.hpp"

#include <zlib.h>

#include <limits>
#include <span>

#include "muonflow/core/error.hpp"
#include "muonflow/data/text.hpp"

namespace muonflow::data {
namespace {

using View = std::span<const std::uint8_t>;

constexpr std::uint64_t kLargestRatio = 1032;  // of deflate: no stream holds more than this
constexpr std::uint32_t kTextVector = 16;      // STRSXP
constexpr std::uint32_t kTextItem = 9;         // CHARSXP
constexpr std::uint32_t kTypeMask = 0xff;
constexpr std::uint32_t kAttributes = 0x200;  // flag: a pairlist of attributes follows

// Big-endian numbers and bytes from the front of what is left; refuses to pass the end.
class Front {
 public:
  Front(View bytes, std::string place) : bytes_(bytes), place_(std::move(place)) {}

  std::uint32_t word() {
    std::uint32_t value = 0;
    for (const auto byte : take(4)) value = (value << 8) | byte;
    return value;
  }
  View take(std::size_t count) {
    if (count > bytes_.size()) refuse("it ends too early");
    const auto taken = bytes_.first(count);
    bytes_ = bytes_.subspan(count);
    return taken;
  }
  View rest() const { return bytes_; }
  [[noreturn]] void refuse(const std::string& what) const {
    throw IoError({.place = place_, .what = "not a data file of texts: " + what});
  }

 private:
  View bytes_;
  std::string place_;
};

// Inflates the stream at the front of the file into exactly `length` bytes and steps over it.
std::vector<std::uint8_t> inflate_chunk(Front& file, std::uint32_t length) {
  const auto packed = file.rest();
  if (length > packed.size() * kLargestRatio || packed.size() > std::numeric_limits<uInt>::max()) {
    file.refuse("a chunk's length is impossible");
  }
  std::vector<std::uint8_t> raw(std::size_t{length} + 1);  // one more, to see that it ends there
  z_stream stream{};
  if (inflateInit(&stream) != Z_OK) file.refuse("zlib cannot start");
  stream.next_in = const_cast<Bytef*>(packed.data());
  stream.avail_in = static_cast<uInt>(packed.size());
  stream.next_out = raw.data();
  stream.avail_out = static_cast<uInt>(raw.size());
  const int result = inflate(&stream, Z_FINISH);
  const auto used = packed.size() - stream.avail_in;
  const auto got = stream.total_out;
  inflateEnd(&stream);
  if (result != Z_STREAM_END || got != length) file.refuse("a chunk is damaged");
  raw.resize(length);
  file.take(used);
  return raw;
}

std::string decode_object(View raw, const std::string& place) {
  Front object(raw, place);
  const auto magic = object.take(2);
  if (magic[0] != 'X' || magic[1] != '\n') object.refuse("no XDR object");
  const auto version = object.word();
  object.take(8);  // the R that wrote it, the oldest R that reads it
  if (version == 3) {
    object.take(object.word());  // the name of the encoding
  } else if (version != 2) {
    object.refuse("format version " + std::to_string(version));
  }
  const auto flags = object.word();
  if ((flags & kTypeMask) != kTextVector || (flags & kAttributes) != 0) {
    object.refuse("an object that is no plain vector of texts");
  }
  std::string text;
  const auto lines = object.word();
  for (std::uint32_t line = 0; line < lines; ++line) {
    if ((object.word() & kTypeMask) != kTextItem) object.refuse("a line that is no text");
    const auto length = object.word();
    if (length > std::uint32_t{INT32_MAX}) object.refuse("a line that is missing");  // R's NA
    const auto bytes = object.take(length);
    text.append(bytes.begin(), bytes.end());
    text += '\n';
  }
  if (!object.rest().empty()) object.refuse("bytes after the last line");
  return text;
}

}  // namespace

std::vector<std::string> read_rdb_texts(const std::filesystem::path& path) {
  const auto bytes = read_text(path);
  Front file(bytes, path.string());
  std::vector<std::string> texts;
  while (!file.rest().empty()) {
    const auto length = file.word();
    texts.push_back(decode_object(inflate_chunk(file, length), path.string()));
  }
  return texts;
}

}  // namespace muonflow::data

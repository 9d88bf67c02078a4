#include "muonflow/core/safetensors.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <nlohmann/json.hpp>

#include "muonflow/core/detail/safetensors_header.hpp"
#include "muonflow/core/error.hpp"
#include "muonflow/core/file.hpp"

namespace muonflow {
namespace {

using detail::safetensors_excerpt;
using detail::SafetensorsEntry;
using detail::tensor_place;

constexpr std::uint64_t kMaximumHeader = 100'000'000;  // the format's own limit
constexpr std::string_view kMetadata = "__metadata__";

// The dtype and shape of an entry, once they are known to agree with its byte range.
Tensor checked_tensor(const SafetensorsEntry& entry, const std::string& file) {
  const auto place = tensor_place(file, entry.name);
  if (entry.keys.size() != 3) {
    throw IoError({.place = place, .what = "needs each of dtype, shape and data_offsets"});
  }
  const auto dtype = dtype_of(entry.dtype);
  if (!dtype) {
    throw IoError({.place = place,
                   .what = "dtype",
                   .expected = "one of F64, F32, F16, BF16, I64, I32",
                   .found = safetensors_excerpt(entry.dtype)});
  }
  Tensor tensor{.dtype = *dtype, .shape = {entry.shape.begin(), entry.shape.end()}, .bytes = {}};
  std::int64_t size = static_cast<std::int64_t>(size_of(*dtype));
  for (const auto dimension : tensor.shape) {
    if (__builtin_mul_overflow(size, dimension, &size)) {
      throw IoError(
          {.place = place,
           .what = "shape " + safetensors_excerpt(to_string(tensor.shape)) + " is too large"});
    }
  }
  if (entry.offsets.size() != 2 || entry.offsets[0] > entry.offsets[1] ||
      entry.offsets[1] - entry.offsets[0] != static_cast<std::uint64_t>(size)) {
    std::string found = "data_offsets [";
    for (std::size_t i = 0; i < entry.offsets.size(); ++i) {
      found += (i ? ", " : "") + std::to_string(entry.offsets[i]);
    }
    throw IoError({.place = place,
                   .expected = std::to_string(size) + " bytes for " + entry.dtype + " " +
                               safetensors_excerpt(to_string(tensor.shape)),
                   .found = found + "]"});
  }
  return tensor;
}

// The bytes must be covered from the first to the last without overlap or hole.
void check_coverage(std::vector<SafetensorsEntry>& entries, std::uint64_t data_size,
                    const std::string& file) {
  std::sort(
      entries.begin(), entries.end(),
      [](const SafetensorsEntry& a, const SafetensorsEntry& b) { return a.offsets < b.offsets; });
  std::uint64_t end = 0;
  for (const auto& entry : entries) {
    const auto begin = entry.offsets[0];
    if (begin != end) {
      throw IoError({.place = tensor_place(file, entry.name),
                     .what = begin < end ? "its bytes overlap another tensor's"
                                         : "its bytes leave a hole before them",
                     .expected = "data_offsets from " + std::to_string(end),
                     .found = std::to_string(begin)});
    }
    end = entry.offsets[1];
    if (end > data_size) {
      throw IoError({.place = tensor_place(file, entry.name),
                     .what = "its bytes pass the end of the file",
                     .expected = "at most " + std::to_string(data_size) + " bytes of data",
                     .found = "data_offsets to " + std::to_string(end),
                     .advice = "the file is truncated or not safetensors"});
    }
  }
  if (end != data_size) {
    throw IoError({.place = file,
                   .what = "bytes that belong to no tensor at the end",
                   .expected = std::to_string(end) + " bytes of data",
                   .found = std::to_string(data_size)});
  }
}

std::string read_header(InputFile& file, const std::string& name) {
  std::array<std::byte, 8> length_bytes{};
  if (file.size() < length_bytes.size()) {
    throw IoError({.place = name,
                   .what = "not a safetensors file",
                   .expected = "at least 8 bytes",
                   .found = std::to_string(file.size())});
  }
  file.read(length_bytes);
  std::uint64_t length = 0;
  std::memcpy(&length, length_bytes.data(), sizeof length);
  const auto limit = std::min(kMaximumHeader, file.size() - length_bytes.size());
  if (length > limit) {
    throw IoError({.place = name,
                   .what = "not a safetensors file, or a truncated one",
                   .expected = "a header of at most " + std::to_string(limit) + " bytes",
                   .found = std::to_string(length)});
  }
  std::string header(static_cast<std::size_t>(length), '\0');
  file.read(std::as_writable_bytes(std::span(header)));
  // The parser takes a zero byte for the end and would not look at what follows.
  if (header.find('\0') != std::string::npos) {
    throw IoError({.place = name, .what = "the header is not JSON (it holds a zero byte)"});
  }
  if (header.empty() || header.front() != '{') {
    throw IoError({.place = name,
                   .what = "not a safetensors file",
                   .expected = "a JSON object as header",
                   .found = header.empty() ? "no header" : "another text"});
  }
  return header;
}

// Where each tensor goes: wide elements first, so that every one is aligned to its element.
std::vector<TensorMap::const_iterator> file_order(const TensorMap& tensors) {
  std::vector<TensorMap::const_iterator> order;
  for (auto it = tensors.begin(); it != tensors.end(); ++it) order.push_back(it);
  std::stable_sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
    return size_of(a->second.dtype) > size_of(b->second.dtype);
  });
  return order;
}

}  // namespace

Safetensors read_safetensors(const std::filesystem::path& path) {
  InputFile file(path);
  const auto name = path.string();
  std::uint64_t data_size = file.size();
  detail::SafetensorsHeader header;
  {
    const auto text = read_header(file, name);
    data_size -= text.size() + sizeof(std::uint64_t);
    header = detail::parse_safetensors_header(text, name);
  }
  for (const auto& entry : header.entries) (void)checked_tensor(entry, name);
  check_coverage(header.entries, data_size, name);
  Safetensors result{.tensors = {}, .metadata = std::move(header.metadata)};
  for (const auto& entry : header.entries) {
    Tensor tensor = checked_tensor(entry, name);
    tensor.bytes.resize(static_cast<std::size_t>(entry.offsets[1] - entry.offsets[0]));
    file.read(tensor.bytes);
    result.tensors.emplace(entry.name, std::move(tensor));
  }
  return result;
}

void write_safetensors(const std::filesystem::path& path, const TensorMap& tensors,
                       const std::map<std::string, std::string>& metadata) {
  const auto order = file_order(tensors);
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header[std::string(kMetadata)] = metadata;
  std::uint64_t end = 0;
  for (const auto& it : order) {
    const auto& [name, tensor] = *it;
    const auto expected = static_cast<std::size_t>(tensor.count()) * size_of(tensor.dtype);
    if (tensor.bytes.size() != expected) {
      throw ShapeError({.place = tensor_place(path.string(), name),
                        .expected = std::to_string(expected) + " bytes",
                        .found = std::to_string(tensor.bytes.size())});
    }
    if (name == kMetadata) {
      throw DataError(
          {.place = path.string(), .what = "a tensor cannot be named " + std::string(kMetadata)});
    }
    auto& entry = header[name];
    entry["dtype"] = std::string(name_of(tensor.dtype));
    entry["shape"] = tensor.shape;
    entry["data_offsets"] = {end, end + expected};
    end += expected;
  }
  std::string text;
  try {
    text = header.dump();
  } catch (const nlohmann::json::type_error&) {
    throw DataError({.place = path.string(), .what = "a name or metadata text is not UTF-8"});
  }
  text.resize((text.size() + 7) / 8 * 8, ' ');
  const std::uint64_t length = text.size();
  AtomicFile file(path);
  file.write(std::as_bytes(std::span(&length, 1)));
  file.write(text);
  for (const auto& it : order) file.write(it->second.bytes);
  file.commit();
}

}  // namespace muonflow

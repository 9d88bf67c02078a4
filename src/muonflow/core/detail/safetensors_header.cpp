#include "muonflow/core/detail/safetensors_header.hpp"

#include <limits>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "muonflow/core/error.hpp"

namespace muonflow::detail {
namespace {

constexpr std::size_t kMaximumRank = 64;
constexpr std::string_view kMetadata = "__metadata__";
constexpr std::uint64_t kLargest = std::numeric_limits<std::int64_t>::max();

// Reads the header as a stream of tokens: duplicate keys are seen (a tree would drop them), and a
// hostile document is refused at its first wrong token, so that memory stays proportional to what
// the entries really hold.
class HeaderReader final : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit HeaderReader(std::string file) : file_(std::move(file)) {}

  SafetensorsHeader header;

  bool start_object(std::size_t) override {
    if (state_ == State::start) {
      state_ = State::root;
    } else if (state_ == State::root) {
      state_ = key_ == kMetadata ? State::metadata : State::entry;
    } else {
      wrong("an object");
    }
    return true;
  }
  bool end_object() override {
    state_ = state_ == State::root ? State::end : State::root;
    return true;
  }
  bool start_array(std::size_t) override {
    if (state_ != State::entry || key_ == "dtype") wrong("a list");
    state_ = State::list;
    return true;
  }
  bool end_array() override {
    state_ = State::entry;
    return true;
  }
  bool key(std::string& name) override {
    key_ = name;
    if (state_ == State::root) {
      if (!names_.insert(name).second) {
        throw IoError({.place = tensor_place(file_, name), .what = "named twice in the header"});
      }
      if (name != kMetadata) header.entries.emplace_back().name = name;
    } else if (state_ == State::metadata) {
      if (header.metadata.count(name) != 0) {
        throw IoError(
            {.place = file_, .what = "metadata '" + safetensors_excerpt(name) + "' given twice"});
      }
    } else {
      const bool known = name == "dtype" || name == "shape" || name == "data_offsets";
      if (!known || !header.entries.back().keys.insert(name).second) {
        throw IoError({.place = tensor_place(file_, header.entries.back().name),
                       .what = "key '" + safetensors_excerpt(name) +
                               (known ? "' given twice" : "' is unknown"),
                       .expected = "dtype, shape and data_offsets, each once"});
      }
    }
    return true;
  }
  bool string(std::string& text) override {
    if (state_ == State::metadata) {
      header.metadata[key_] = text;
    } else if (state_ == State::entry && key_ == "dtype") {
      header.entries.back().dtype = text;
    } else {
      wrong("text '" + safetensors_excerpt(text) + "'");
    }
    return true;
  }
  bool number_unsigned(std::uint64_t value) override {
    if (state_ != State::list || value > kLargest) wrong(std::to_string(value));
    auto& list = key_ == "shape" ? header.entries.back().shape : header.entries.back().offsets;
    if (list.size() >= (key_ == "shape" ? kMaximumRank : 2)) wrong("a longer list");
    list.push_back(value);
    return true;
  }
  bool number_integer(std::int64_t value) override { return wrong(std::to_string(value)); }
  bool number_float(double, const std::string& text) override {
    return wrong(safetensors_excerpt(text));
  }
  bool boolean(bool value) override { return wrong(value ? "true" : "false"); }
  bool null() override { return wrong("null"); }
  bool binary(binary_t&) override { return wrong("binary"); }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::json::exception&) override {
    throw IoError({.place = file_,
                   .what = "the header is not JSON (byte " + std::to_string(position) + " of it)"});
  }

 private:
  enum class State { start, root, metadata, entry, list, end };

  bool wrong(const std::string& found) const {
    switch (state_) {
      case State::start:
      case State::end:
        throw IoError({.place = file_, .expected = "a JSON object as header", .found = found});
      case State::root:
        throw IoError({.place = tensor_place(file_, key_),
                       .expected = "an object of dtype, shape and data_offsets",
                       .found = found});
      case State::metadata:
        throw IoError({.place = file_,
                       .what = "metadata '" + safetensors_excerpt(key_) + "'",
                       .expected = "a text",
                       .found = found});
      default:
        throw IoError({.place = tensor_place(file_, header.entries.back().name),
                       .what = key_,
                       .expected = key_ == "dtype"   ? "a text"
                                   : key_ == "shape" ? "at most 64 whole numbers, 0 or more"
                                                     : "two whole numbers, 0 or more",
                       .found = found});
    }
  }

  std::string file_;
  State state_ = State::start;
  std::string key_;
  std::set<std::string> names_;
};

}  // namespace

SafetensorsHeader parse_safetensors_header(const std::string& text, const std::string& file) {
  HeaderReader reader(file);
  nlohmann::json::sax_parse(text, &reader);
  return std::move(reader.header);
}

std::string tensor_place(const std::string& file, const std::string& tensor) {
  return file + ": tensor '" + safetensors_excerpt(tensor) + "'";
}

std::string safetensors_excerpt(const std::string& text) {
  return text.size() <= 80 ? text : text.substr(0, 77) + "...";
}

}  // namespace muonflow::detail

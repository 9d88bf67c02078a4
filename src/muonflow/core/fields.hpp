// One description of an options struct, read by everybody: CLI flags, TOML, JSON, ranges, docs and
// report.
//
// An options struct is an aggregate with defaults in place and one member `void
// fields(FieldVisitor& v)` that names each member once, with its range and one sentence. Real
// options are double whatever the scalar type of the computation: a float would miss
// double-precision reference data by 1e-8.
//
//   struct Options {
//     double momentum = 0.95;
//     bool nesterov = true;
//     void fields(FieldVisitor& v) {
//       v.real("momentum", momentum, kUnitBelowOne, "weight of the past in the average");
//       v.boolean("nesterov", nesterov, "look one step ahead");
//     }
//   };
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <limits>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace muonflow {

// Insertion-ordered, so that a resolved configuration reads in the order in which the struct
// declares it.
using Json = nlohmann::ordered_json;

// Values that an option accepts; open ends are excluded.
struct Range {
  double lo = -std::numeric_limits<double>::infinity();
  double hi = std::numeric_limits<double>::infinity();
  bool lo_open = false;
  bool hi_open = false;

  bool contains(double x) const {
    return (lo_open ? x > lo : x >= lo) && (hi_open ? x < hi : x <= hi);
  }
};
inline constexpr Range kPositive{.lo = 0, .lo_open = true};
inline constexpr Range kNonNegative{.lo = 0};
inline constexpr Range kUnit{.lo = 0, .hi = 1};                           // [0, 1]
inline constexpr Range kUnitBelowOne{.lo = 0, .hi = 1, .hi_open = true};  // [0, 1)
std::string to_string(const Range& range);  // "(0, inf)", "[0, 1)"; empty when unbounded

// The names of an enum's values in their order; specialize for every enum that is an option:
//   template <>
//   struct EnumNames<Scale> {
//     static constexpr std::array<std::string_view, 2> names{"none", "original"};
//   };
template <class E>
struct EnumNames;

template <class E>
constexpr std::string_view enum_name(E value) {
  return EnumNames<E>::names[static_cast<std::size_t>(value)];
}

class FieldVisitor {
 public:
  virtual ~FieldVisitor() = default;

  virtual void real(std::string_view name, double& value, const Range& range,
                    std::string_view doc) = 0;
  virtual void integer(std::string_view name, std::int64_t& value, const Range& range,
                       std::string_view doc) = 0;
  virtual void boolean(std::string_view name, bool& value, std::string_view doc) = 0;
  virtual void text(std::string_view name, std::string& value, std::string_view doc) = 0;
  // A fixed number of reals, such as betas; every one must lie in the range.
  virtual void reals(std::string_view name, std::span<double> values, const Range& range,
                     std::string_view doc) = 0;
  // Any number of reals, of integers, of texts.
  virtual void real_list(std::string_view name, std::vector<double>& values, const Range& range,
                         std::string_view doc) = 0;
  virtual void integer_list(std::string_view name, std::vector<std::int64_t>& values,
                            const Range& range, std::string_view doc) = 0;
  virtual void text_list(std::string_view name, std::vector<std::string>& values,
                         std::string_view doc) = 0;
  // "off" (or absence) is no value.
  virtual void optional_real(std::string_view name, std::optional<double>& value,
                             const Range& range, std::string_view doc) = 0;
  virtual void optional_integer(std::string_view name, std::optional<std::int64_t>& value,
                                const Range& range, std::string_view doc) = 0;
  // An options tree whose description is known only later, such as a rule's options beside the
  // rule's name.
  virtual void tree(std::string_view name, Json& value, std::string_view doc) = 0;

  // Exclusive choices.
  template <class E>
  void choice(std::string_view name, E& value, std::string_view doc) {
    auto index = static_cast<std::size_t>(value);
    choice_index(name, index, EnumNames<E>::names, doc);
    value = static_cast<E>(index);
  }
  // A nested struct with `fields` of its own.
  template <class S>
  void group(std::string_view name, S& members, std::string_view doc) {
    group_body(name, doc, [&](FieldVisitor& v) { members.fields(v); });
  }
  // Any number of nested structs (an array of tables).
  template <class S>
  void list(std::string_view name, std::vector<S>& items, std::string_view doc) {
    S sample{};
    items.resize(list_size(name, items.size(), doc, [&](FieldVisitor& v) { sample.fields(v); }));
    for (std::size_t i = 0; i < items.size(); ++i) {
      list_element(name, i, [&](FieldVisitor& v) { items[i].fields(v); });
    }
  }

 protected:
  using Body = std::function<void(FieldVisitor&)>;
  virtual void choice_index(std::string_view name, std::size_t& index,
                            std::span<const std::string_view> names, std::string_view doc) = 0;
  virtual void group_body(std::string_view name, std::string_view doc, const Body& body) = 0;
  virtual std::size_t list_size(std::string_view name, std::size_t size, std::string_view doc,
                                const Body& sample) = 0;
  virtual void list_element(std::string_view name, std::size_t index, const Body& body) = 0;
};

using FieldFunction = std::function<void(FieldVisitor&)>;

// What is known of one option; `type` is real, integer, boolean, choice, text, reals, integers,
// texts, tree or list.
struct FieldInfo {
  std::string name;  // dotted path inside the struct: "data.block_size"
  std::string type;
  std::string default_value;  // as JSON
  std::string range;          // "(0, inf)" or "one of jordan, svd"; empty when free
  std::string doc;
};

// Describes a struct from a default-constructed copy.
std::vector<FieldInfo> describe_fields(const FieldFunction& fields);
template <class S>
std::vector<FieldInfo> describe(S options = {}) {
  return describe_fields([&](FieldVisitor& v) { options.fields(v); });
}

// Says where a key stands, for messages: ("optimizer.lr") -> "run.toml:12: optimizer.lr". Default:
// the path itself.
using PlaceOf = std::function<std::string(const std::string& path)>;

// Reads members from a JSON object; keys that are absent keep their value. Throws ConfigError
// naming the place for a wrong type, a value out of range, an unknown choice or an unknown key
// (with the nearest known one).
void read_fields(const Json& object, const FieldFunction& fields, const PlaceOf& place = {},
                 const std::string& path = "");
template <class S>
void read(const Json& object, S& options, const PlaceOf& place = {}, const std::string& path = "") {
  read_fields(
      object, [&](FieldVisitor& v) { options.fields(v); }, place, path);
}

// The resolved values, in declaration order.
Json fields_to_json(const FieldFunction& fields);
template <class S>
auto to_json(S options) {
  return fields_to_json([&](FieldVisitor& v) { options.fields(v); });
}

}  // namespace muonflow

#include "muonflow/core/fields.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <nlohmann/json.hpp>

#include "muonflow/core/error.hpp"
#include "muonflow/core/text.hpp"

namespace muonflow {
namespace {

std::string joined_path(const std::string& path, std::string_view name) {
  return path.empty() ? std::string(name) : path + "." + std::string(name);
}

std::string choices_text(std::span<const std::string_view> names) {
  const std::vector<std::string> all(names.begin(), names.end());
  return "one of " + join(all);
}

// Excerpt of a value for a message: never a page.
std::string excerpt(const Json& value) {
  if (value.is_number_float()) return shortest(value.get<double>());  // JSON has no inf or nan
  std::string s = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (s.size() > 60) s = s.substr(0, 57) + "...";
  return s;
}

// Visits members and fills them from a JSON object, remembering the keys it knows.
class Reader final : public FieldVisitor {
 public:
  Reader(const Json& object, const PlaceOf& place, std::string path)
      : object_(object), place_(place), path_(std::move(path)) {
    if (!object_.is_object()) {
      throw ConfigError(
          {.place = place_of(path_), .expected = "a table of options", .found = excerpt(object_)});
    }
  }

  void real(std::string_view name, double& value, const Range& range, std::string_view) override {
    if (const Json* j = find(name)) value = number(*j, name, range);
  }
  void integer(std::string_view name, std::int64_t& value, const Range& range,
               std::string_view) override {
    if (const Json* j = find(name)) value = whole(*j, name, range);
  }
  void boolean(std::string_view name, bool& value, std::string_view) override {
    if (const Json* j = find(name)) {
      if (!j->is_boolean()) fail(name, "true or false", *j);
      value = j->get<bool>();
    }
  }
  void text(std::string_view name, std::string& value, std::string_view) override {
    if (const Json* j = find(name)) {
      if (!j->is_string()) fail(name, "a text", *j);
      value = j->get<std::string>();
    }
  }
  void reals(std::string_view name, std::span<double> values, const Range& range,
             std::string_view) override {
    if (const Json* j = find(name)) {
      if (!j->is_array() || j->size() != values.size()) {
        fail(name, "a list of " + std::to_string(values.size()) + " numbers", *j);
      }
      for (std::size_t i = 0; i < values.size(); ++i) values[i] = number((*j)[i], name, range);
    }
  }
  void real_list(std::string_view name, std::vector<double>& values, const Range& range,
                 std::string_view) override {
    if (const Json* j = find(name)) {
      if (!j->is_array()) fail(name, "a list of numbers", *j);
      values.clear();
      for (const auto& item : *j) values.push_back(number(item, name, range));
    }
  }
  void integer_list(std::string_view name, std::vector<std::int64_t>& values, const Range& range,
                    std::string_view) override {
    if (const Json* j = find(name)) {
      if (!j->is_array()) fail(name, "a list of whole numbers", *j);
      values.clear();
      for (const auto& item : *j) values.push_back(whole(item, name, range));
    }
  }
  void text_list(std::string_view name, std::vector<std::string>& values,
                 std::string_view) override {
    if (const Json* j = find(name)) {
      if (!j->is_array()) fail(name, "a list of texts", *j);
      values.clear();
      for (const auto& item : *j) {
        if (!item.is_string()) fail(name, "a list of texts", *j);
        values.push_back(item.get<std::string>());
      }
    }
  }
  void optional_real(std::string_view name, std::optional<double>& value, const Range& range,
                     std::string_view) override {
    if (const Json* j = find(name)) {
      if (is_off(*j))
        value.reset();
      else
        value = number(*j, name, range);
    }
  }
  void optional_integer(std::string_view name, std::optional<std::int64_t>& value,
                        const Range& range, std::string_view) override {
    if (const Json* j = find(name)) {
      if (is_off(*j))
        value.reset();
      else
        value = whole(*j, name, range);
    }
  }
  void tree(std::string_view name, Json& value, std::string_view) override {
    if (const Json* j = find(name)) {
      if (!j->is_object()) fail(name, "a table of options", *j);
      value = *j;
    }
  }

  // Every key must have been asked for; called once the whole struct was visited.
  void refuse_unknown_keys() const {
    for (const auto& [key, value] : object_.items()) {
      if (std::find(known_.begin(), known_.end(), key) != known_.end()) continue;
      const auto near = nearest_name(key, known_);
      throw ConfigError({.place = place_of(joined_path(path_, key)),
                         .what = "unknown option '" + key + "'",
                         .expected = near.empty() ? "one of " + join(known_) : "",
                         .advice = near.empty() ? "" : "did you mean '" + near + "'?"});
    }
  }

 protected:
  void choice_index(std::string_view name, std::size_t& index,
                    std::span<const std::string_view> names, std::string_view) override {
    const Json* j = find(name);
    if (!j) return;
    if (!j->is_string()) fail(name, choices_text(names), *j);
    const auto chosen = j->get<std::string>();
    for (std::size_t i = 0; i < names.size(); ++i) {
      if (names[i] == chosen) {
        index = i;
        return;
      }
    }
    fail(name, choices_text(names), *j);
  }
  void group_body(std::string_view name, std::string_view, const Body& body) override {
    if (const Json* j = find(name)) descend(*j, joined_path(path_, name), body);
  }
  std::size_t list_size(std::string_view name, std::size_t size, std::string_view,
                        const Body&) override {
    const Json* j = find(name);
    if (!j) return size;
    if (!j->is_array()) fail(name, "a list of tables", *j);
    return j->size();
  }
  void list_element(std::string_view name, std::size_t index, const Body& body) override {
    if (const Json* j = find(name)) {
      descend((*j)[index], joined_path(path_, name) + "[" + std::to_string(index) + "]", body);
    }
  }

 private:
  const Json* find(std::string_view name) {
    known_.emplace_back(name);
    const auto it = object_.find(known_.back());
    return it == object_.end() ? nullptr : &*it;
  }
  void descend(const Json& value, const std::string& path, const Body& body) {
    Reader inner(value, place_, path);
    body(inner);
    inner.refuse_unknown_keys();
  }
  static bool is_off(const Json& j) {
    return j.is_null() || (j.is_string() && j.get<std::string>() == "off");
  }
  std::string place_of(const std::string& path) const { return place_ ? place_(path) : path; }
  [[noreturn]] void fail(std::string_view name, const std::string& expected,
                         const Json& found) const {
    throw ConfigError({.place = place_of(joined_path(path_, name)),
                       .expected = expected,
                       .found = excerpt(found)});
  }
  double number(const Json& j, std::string_view name, const Range& range) const {
    const auto bounds = to_string(range);
    const auto expected = bounds.empty() ? "a number" : "a number in " + bounds;
    if (!j.is_number()) fail(name, expected, j);
    const auto x = j.get<double>();
    if (!std::isfinite(x) || !range.contains(x)) fail(name, expected, j);
    return x;
  }
  std::int64_t whole(const Json& j, std::string_view name, const Range& range) const {
    const auto bounds = to_string(range);
    const auto expected = bounds.empty() ? "a whole number" : "a whole number in " + bounds;
    if (!j.is_number()) fail(name, expected, j);
    if (j.is_number_float()) {
      // 1e6 is a whole number too, up to where doubles lie further apart than 1.
      const auto x = j.get<double>();
      if (x != std::floor(x) || std::abs(x) > 0x1p53 || !range.contains(x)) fail(name, expected, j);
      return static_cast<std::int64_t>(x);
    }
    if (j.is_number_unsigned() && j.get<std::uint64_t>() > INT64_MAX) fail(name, expected, j);
    const auto value = j.get<std::int64_t>();
    if (!range.contains(static_cast<double>(value))) fail(name, expected, j);
    return value;
  }

  const Json& object_;
  const PlaceOf& place_;
  std::string path_;
  std::vector<std::string> known_;
};

// Visits members and writes their values into a JSON object.
class Writer final : public FieldVisitor {
 public:
  Json object = Json::object();

  void real(std::string_view name, double& value, const Range&, std::string_view) override {
    put(name, value);
  }
  void integer(std::string_view name, std::int64_t& value, const Range&,
               std::string_view) override {
    put(name, value);
  }
  void boolean(std::string_view name, bool& value, std::string_view) override { put(name, value); }
  void text(std::string_view name, std::string& value, std::string_view) override {
    put(name, value);
  }
  void reals(std::string_view name, std::span<double> values, const Range&,
             std::string_view) override {
    put(name, std::vector<double>(values.begin(), values.end()));
  }
  void real_list(std::string_view name, std::vector<double>& values, const Range&,
                 std::string_view) override {
    put(name, values);
  }
  void integer_list(std::string_view name, std::vector<std::int64_t>& values, const Range&,
                    std::string_view) override {
    put(name, values);
  }
  void text_list(std::string_view name, std::vector<std::string>& values,
                 std::string_view) override {
    put(name, values);
  }
  void optional_real(std::string_view name, std::optional<double>& value, const Range&,
                     std::string_view) override {
    if (value)
      put(name, *value);
    else
      put(name, "off");
  }
  void optional_integer(std::string_view name, std::optional<std::int64_t>& value, const Range&,
                        std::string_view) override {
    if (value)
      put(name, *value);
    else
      put(name, "off");
  }
  void tree(std::string_view name, Json& value, std::string_view) override {
    put(name, value.is_null() ? Json::object() : value);
  }

 protected:
  void choice_index(std::string_view name, std::size_t& index,
                    std::span<const std::string_view> names, std::string_view) override {
    put(name, std::string(names[index]));
  }
  void group_body(std::string_view name, std::string_view, const Body& body) override {
    Writer inner;
    body(inner);
    put(name, std::move(inner.object));
  }
  std::size_t list_size(std::string_view name, std::size_t size, std::string_view,
                        const Body&) override {
    put(name, Json::array());
    return size;
  }
  void list_element(std::string_view name, std::size_t, const Body& body) override {
    Writer inner;
    body(inner);
    object[std::string(name)].push_back(std::move(inner.object));
  }

 private:
  template <class V>
  void put(std::string_view name, V&& value) {
    object[std::string(name)] = std::forward<V>(value);
  }
};

// Visits members and lists what they are.
class Describer final : public FieldVisitor {
 public:
  explicit Describer(std::vector<FieldInfo>& all, std::string path = "")
      : all_(all), path_(std::move(path)) {}

  void real(std::string_view name, double& v, const Range& r, std::string_view d) override {
    add(name, "real", shortest(v), to_string(r), d);
  }
  void integer(std::string_view name, std::int64_t& v, const Range& r,
               std::string_view d) override {
    add(name, "integer", std::to_string(v), to_string(r), d);
  }
  void boolean(std::string_view name, bool& v, std::string_view d) override {
    add(name, "boolean", v ? "true" : "false", "", d);
  }
  void text(std::string_view name, std::string& v, std::string_view d) override {
    add(name, "text", Json(v).dump(), "", d);
  }
  void reals(std::string_view name, std::span<double> v, const Range& r,
             std::string_view d) override {
    add(name, "reals", list_text(v), to_string(r), d);
  }
  void real_list(std::string_view name, std::vector<double>& v, const Range& r,
                 std::string_view d) override {
    add(name, "reals", list_text(v), to_string(r), d);
  }
  void integer_list(std::string_view name, std::vector<std::int64_t>& v, const Range& r,
                    std::string_view d) override {
    add(name, "integers", Json(v).dump(), to_string(r), d);
  }
  void text_list(std::string_view name, std::vector<std::string>& v, std::string_view d) override {
    add(name, "texts", Json(v).dump(), "", d);
  }
  void optional_real(std::string_view name, std::optional<double>& v, const Range& r,
                     std::string_view d) override {
    add(name, "real", v ? shortest(*v) : "off", to_string(r), d);
  }
  void optional_integer(std::string_view name, std::optional<std::int64_t>& v, const Range& r,
                        std::string_view d) override {
    add(name, "integer", v ? std::to_string(*v) : "off", to_string(r), d);
  }
  void tree(std::string_view name, Json& v, std::string_view d) override {
    add(name, "tree", v.is_null() ? "{}" : v.dump(), "", d);
  }

 protected:
  void choice_index(std::string_view name, std::size_t& index,
                    std::span<const std::string_view> names, std::string_view d) override {
    add(name, "choice", std::string(names[index]), choices_text(names), d);
  }
  void group_body(std::string_view name, std::string_view, const Body& body) override {
    Describer inner(all_, joined_path(path_, name));
    body(inner);
  }
  std::size_t list_size(std::string_view name, std::size_t size, std::string_view d,
                        const Body& sample) override {
    add(name, "list", "[]", "", d);
    Describer inner(all_, joined_path(path_, name) + "[]");
    sample(inner);
    return size;
  }
  void list_element(std::string_view, std::size_t, const Body&) override {}

 private:
  static std::string list_text(std::span<const double> values) {
    std::vector<std::string> texts;
    for (const double v : values) texts.push_back(shortest(v));
    return "[" + join(texts) + "]";
  }
  void add(std::string_view name, std::string type, std::string value, std::string range,
           std::string_view doc) {
    all_.push_back({joined_path(path_, name), std::move(type), std::move(value), std::move(range),
                    std::string(doc)});
  }

  std::vector<FieldInfo>& all_;
  std::string path_;
};

}  // namespace

std::string to_string(const Range& range) {
  if (std::isinf(range.lo) && std::isinf(range.hi)) return "";
  const bool lo_open = range.lo_open || std::isinf(range.lo);
  const bool hi_open = range.hi_open || std::isinf(range.hi);
  return (lo_open ? "(" : "[") + shortest(range.lo) + ", " + shortest(range.hi) +
         (hi_open ? ")" : "]");
}

std::vector<FieldInfo> describe_fields(const FieldFunction& fields) {
  std::vector<FieldInfo> all;
  Describer describer(all);
  fields(describer);
  return all;
}

void read_fields(const Json& object, const FieldFunction& fields, const PlaceOf& place,
                 const std::string& path) {
  Reader reader(object, place, path);
  fields(reader);
  reader.refuse_unknown_keys();
}

Json fields_to_json(const FieldFunction& fields) {
  Writer writer;
  fields(writer);
  return std::move(writer.object);
}

}  // namespace muonflow

// Values out of loosely typed JSON: a page must show what a run folder holds, whatever is missing
// or of another type than expected.
#pragma once

#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "muonflow/core/fields.hpp"

namespace muonflow::report {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();  // a number that is not there

// The member at a dotted path ("machine.threads"), null where there is none.
const Json& member(const Json& object, std::string_view path);

// The first of the paths that holds a number (or the text "nan", "inf", "-inf"); NaN where none
// does.
double number_of(const Json& object, std::initializer_list<std::string_view> paths);
// The numbers of a list, NaN for an element that is none; empty where there is no list.
std::vector<double> numbers_of(const Json& object, std::string_view path);
// The first of the paths that holds a text; empty where none does.
std::string text_of(const Json& object, std::initializer_list<std::string_view> paths);
// Texts as they are, numbers and booleans as JSON writes them, lists joined by commas, null as "".
std::string plain_text(const Json& value);

}  // namespace muonflow::report

// A small reader of HTML, strict where browsers forgive: what is wrong with a page, and what it
// holds.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "muonflow/core/fields.hpp"

namespace muonflow::test {

// Faults, one line each: elements left open or closed out of order, attributes without quotes,
// stray < or & in text, an id given twice. Contents of script and style are not looked at.
std::vector<std::string> markup_faults(std::string_view page);

// The text of the <script type="application/json"> with this id, parsed.
Json embedded_json(std::string_view page, std::string_view id);

// The page without the contents of its script and style elements, tags dropped, references
// resolved.
std::string visible_text(std::string_view page);

// How often the part occurs.
std::size_t count_of(std::string_view text, std::string_view part);

}  // namespace muonflow::test

// Formulas that were written as plain text, for a terminal, as a page writes them: "gamma <= 1e-09"
// becomes "γ ≤ 10⁻⁹", "||G||_*" and "N^{-1/2}" get their subscript and superscript. Names with an
// underscore, such as tanh_ridge, stay as they are.
#pragma once

#include <string>
#include <string_view>

namespace muonflow::report {

// Signs and Greek letters only: for labels inside a chart, which know no markup.
std::string mathematics(std::string_view text);

// Those, subscripts, superscripts and powers of ten, as safe markup (see escape()).
std::string mathematics_html(std::string_view text);

}  // namespace muonflow::report

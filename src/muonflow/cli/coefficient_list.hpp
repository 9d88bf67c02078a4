// muonflow list --coefficients: the published tables of polynomial polar methods, or a composition
// made to measure, with what each does to singular values.
#pragma once

#include <string>

namespace muonflow::cli {

// Prints every table; the one called `name` where that is not empty; or, where `generate` is not
// empty, the composition that these options (a JSON object of linalg::Generate) describe.
void list_coefficients(const std::string& name, const std::string& generate, bool json);

}  // namespace muonflow::cli

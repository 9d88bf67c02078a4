#include "muonflow/report/run_state.hpp"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "muonflow/report/events.hpp"

namespace muonflow::report {

std::string run_state(const record::RunReader& reader, double reached, double total,
                      const std::string& unit) {
  std::string ending;
  // An end before a resume is not the end.
  for (const auto& event : reader.events()) {
    const auto kind = text_of(event, {"kind"});
    if (kind == "resume") ending.clear();
    if (kind == "end") ending = text_of(event, {"ending"});
  }
  if (ending.empty() && reader.summary() != nullptr) {
    ending = text_of(*reader.summary(), {"ending", "ended"});
    if (ending.empty()) ending = "finished";
  }
  if (ending == "finished") return {};
  auto where = fmt::format("{} {:g}", unit, reached);
  if (std::isfinite(total)) where += fmt::format(" of {:g}", total);
  if (ending.empty()) return "no end recorded (still going, or cut off), last seen at " + where;
  if (ending == "non-finite") return "stopped at " + where + ": a value was not finite";
  if (ending == "audit") return "stopped at " + where + ": a step was not what its rule claims";
  return ending + " at " + where;
}

}  // namespace muonflow::report

#include "muonflow/core/error.hpp"

namespace muonflow {
namespace {

std::string one_line(const ErrorParts& parts) {
  std::string line = parts.place;
  const auto join = [&line](const std::string& separator, const std::string& text) {
    if (text.empty()) return;
    if (!line.empty()) line += separator;
    line += text;
  };
  join(": ", parts.what);
  if (!parts.expected.empty()) join(": ", "expected " + parts.expected);
  if (!parts.found.empty()) join(parts.expected.empty() ? ": " : ", ", "found " + parts.found);
  if (!parts.advice.empty()) join(" ", "(" + parts.advice + ")");
  // A message is one line, and commands no terminal, whatever a file name or a parser's text holds.
  for (char& c : line) {
    const auto code = static_cast<unsigned char>(c);
    if (code < 0x20 || code == 0x7f) c = ' ';
  }
  return line;
}

}  // namespace

Error::Error(const ErrorParts& parts) : std::runtime_error(one_line(parts)), parts_(parts) {}

}  // namespace muonflow

// Misuse and failed input or output: one exception family whose message is one line a person can
// act on.
//
// Numerical trouble (NaN, divergence, no convergence) is not an Error but an Outcome value, see
// outcome.hpp.
#pragma once

#include <stdexcept>
#include <string>

namespace muonflow {

// The parts of a message; empty parts are left out. Order in the line: place: what: expected ...,
// found ... (advice)
struct ErrorParts {
  std::string place = {};     // file, line, tensor, option: where the trouble is
  std::string what = {};      // what is wrong, in a few words
  std::string expected = {};  // what would have been right
  std::string found = {};     // what is there
  std::string advice = {};    // what to do now
};

class Error : public std::runtime_error {
 public:
  explicit Error(const ErrorParts& parts);
  const ErrorParts& parts() const noexcept { return parts_; }

 private:
  ErrorParts parts_;
};

// The request itself is wrong: an unknown name, a value out of range, options that contradict each
// other.
class ConfigError : public Error {
  using Error::Error;
};

// Sizes or ranks that do not fit together.
class ShapeError : public Error {
  using Error::Error;
};

// A file or folder that is missing, unreadable, malformed or cannot be written.
class IoError : public Error {
  using Error::Error;
};

// Data that cannot be used: non-finite weights, tokens outside the vocabulary.
class DataError : public Error {
  using Error::Error;
};

}  // namespace muonflow

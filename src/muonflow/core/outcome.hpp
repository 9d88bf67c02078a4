// What became of a numerical step: a value, never an exception, never silence.
//
// Every kernel and rule that can meet a NaN, diverge or fail to converge returns an Outcome. It
// says what happened and whether the caller's output was changed, so that a driver can skip, retry
// or stop with the last good weights.
#pragma once

#include <string_view>

namespace muonflow {

enum class Status {
  ok,
  non_finite_input,   // a NaN or infinity came in; nothing was changed
  non_finite_result,  // the computation overflowed; the output is not to be used
  not_converged,      // an iteration reached its limit; the output is the last iterate
};

struct [[nodiscard]] Outcome {
  Status status = Status::ok;
  bool changed = true;  // whether the output holds a new value

  constexpr bool ok() const { return status == Status::ok; }
};

constexpr std::string_view to_string(Status status) {
  switch (status) {
    case Status::ok:
      return "ok";
    case Status::non_finite_input:
      return "non-finite input";
    case Status::non_finite_result:
      return "non-finite result";
    case Status::not_converged:
      return "not converged";
  }
  return "unknown";
}

}  // namespace muonflow

// What an audit found: one row for each claim of each matrix, as numbers, a table and one line.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "muonflow/core/fields.hpp"

namespace muonflow::optim {

enum class Verdict {
  passed,
  failed,
  off,  // not judged; the note says why
};

struct AuditCheck {
  std::string tensor{};    // "h.0.attn.c_attn.weight", with " #2" for the third of several matrices
  std::string rule{};      // as asked for: "muon.jordan"
  std::string quantity{};  // momentum_buffer, polar error, dual gap, direction, scale, decay ...
  double expected = 0;
  double found = 0;
  double bound = 0;  // |found - expected| may be
  Verdict verdict = Verdict::passed;
  std::string note{};  // where it failed: what it looks like; where it is off: why
  // In place of the numbers, where what is compared is not a number.
  std::string expected_words{}, found_words{};

  // "h.0.w: scale: expected 0.02 within 3e-06, found 0.01 (as if ...)"
  std::string to_line() const;
};

struct AuditReport {
  std::vector<AuditCheck> checks{};

  bool ok() const { return failure() == nullptr; }
  // The first that failed, which is nearest to the cause: state comes before direction, direction
  // before scale and decay. Null: none did.
  const AuditCheck* failure() const;
  std::int64_t judged() const;  // not off
  std::int64_t failed() const;
  std::string to_text() const;  // a table
  Json to_json() const;
  void append(AuditReport other);
};

}  // namespace muonflow::optim

template <>
struct muonflow::EnumNames<muonflow::optim::Verdict> {
  static constexpr std::array<std::string_view, 3> names{"passed", "FAILED", "off"};
};

// What a step of a rule claims to be, in words that the audit (audit/audit.hpp) can judge from the
// raw gradient without asking the rule again. A rule file states its claims in one line of its
// info; options are read by the names that the rule's own fields give them. A rule that claims
// nothing is not audited, and the audit says so.
#pragma once

#include <array>
#include <string_view>

namespace muonflow::optim {

// How `momentum_buffer` M moves. mu is the option `momentum`.
enum class Memory {
  own,       // the direction says it
  none,      // no state
  ema,       // M <- mu M + (1 - mu) G
  by_form,   // the same, or M <- mu M + G, by the option `momentum_form`
  dampened,  // PyTorch's SGD: M <- G at first, then mu M + (1 - dampening) G
};

// What D is made of. Q is M, or one step ahead where the option `nesterov` (or Claims::nesterov)
// says so; Q = U diag(s) V'.
enum class Direction {
  unclaimed,
  momentum,            // Q
  unit,                // Q / (|Q|_F + eps)
  sign,                // sign(Q)
  lion,                // sign of another average than the one that is kept
  adam,                // first moment over the root of the second, both debiased
  polar,               // U f(s) V', f by the options of a polar method; f = 1 for the exact ones
  smoothed_polar,      // f(s) = s / sqrt(s^2 + epsilon^2)
  spectral_power,      // f(s) = factor s^(1 - 2 c)
  chaotic,             // f by Kaon's map
  nuclear_polar,       // f(s) = sum s
  row_scaled_polar,    // NorMuon
  entry_scaled_polar,  // AdaMuon
  norm_ball,           // Scion
  low_rank_polar,      // Dion
  compensated_polar,   // EF-Muon
  two_sided_roots,     // Shampoo
  gram_root,           // ASGO
  column_root,         // DASGO
  adam_in_bases,       // SOAP
  turn,                // Pion
};

struct Claims {
  Memory memory = Memory::own;
  Direction direction = Direction::unclaimed;
  bool nesterov = false;  // always, where no option says it
};

}  // namespace muonflow::optim

// The sum of a token's and a position's learned vectors, and their gradients.
#pragma once

#include <cstdint>
#include <span>

#include "muonflow/core/matrix.hpp"

namespace muonflow::nn {

// y [B*T, C]: row b*T + t is token_table [V, C] row tokens[b*T + t] plus position_table [>= T, C]
// row t, where T = `time` and tokens has B*T entries. Tokens must lie in [0, V) (the model checks
// them). Throws ShapeError.
template <class T>
void embedding_forward(std::span<const std::int32_t> tokens, Index time,
                       const ConstMatrixRef<T>& token_table,
                       const ConstMatrixRef<T>& position_table, MatrixRef<T> y);

// Adds dy [B*T, C] to the rows of dtoken_table [V, C] and dposition_table [>= T, C], in token order
// for every element, so that threads (which share out the columns) change no bit. Throws
// ShapeError.
template <class T>
void embedding_backward(std::span<const std::int32_t> tokens, Index time,
                        const ConstMatrixRef<T>& dy, MatrixRef<T> dtoken_table,
                        MatrixRef<T> dposition_table);

}  // namespace muonflow::nn

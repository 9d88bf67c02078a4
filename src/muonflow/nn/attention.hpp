// Causal multi-head attention softmax(q k^T / sqrt(hd) + mask) v, by blocks of 64 with a running
// softmax (T. Dao et al., arXiv:2205.14135): memory linear in time, nothing of size T x T is kept.
//
// Heads are the parallel unit and each is computed by one thread in a fixed order, so the number of
// threads changes no bit. Flops: 2 B T^2 C forward, 5 B T^2 C backward (the causal half).
#pragma once

#include <span>

#include "muonflow/core/matrix.hpp"

namespace muonflow::nn {

struct AttentionShape {
  Index batch = 0;
  Index time = 0;
  Index heads = 0;
};

// qkv [B*T, 3C] holds q, k and v side by side, each with its heads side by side ([hd] each,
// hd = C / heads); y [B*T, C] likewise. lse [B*heads*T] receives the log of each row's softmax
// denominator for the backward pass; peaks [B*heads], where it is given, each head's largest score
// q k^T / sqrt(hd) that the mask lets through, for one comparison a row. Throws ShapeError.
template <class T>
void attention_forward(const AttentionShape& shape, const ConstMatrixRef<T>& qkv, MatrixRef<T> y,
                       std::span<T> lse, std::span<T> peaks = {});

// dqkv [B*T, 3C] (overwritten) from dy [B*T, C] and what the forward pass left in y and lse: the
// probabilities are computed again block by block. Throws ShapeError.
template <class T>
void attention_backward(const AttentionShape& shape, const ConstMatrixRef<T>& qkv,
                        const ConstMatrixRef<T>& y, std::span<const T> lse,
                        const ConstMatrixRef<T>& dy, MatrixRef<T> dqkv);

}  // namespace muonflow::nn

// Particles that are attention heads, on a fixed set of sequences: the features of the objective
// attention_heads, over a chunk of particles.
//
//   q = Q x, k = K x, v = V x [dk, t];  S = k^T q / sqrt(dk);  a = softmax of its columns [t, t]
//   (1)  u = v a,   f = O u                                        [o, t]
//   (2)  dO = b u^T,  du = O^T b,  dv = du a^T,  da = v^T du
//        dS = a o (da - 1 (sum over keys of a o da)),  dq = k dS / sqrt(dk),  dk = q dS^T /
//        sqrt(dk) dQ = dq x^T,  dK = dk x^T,  dV = dv x^T,     b the weights of (1)
// Nothing is kept between the passes, as in gated_units.hpp.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "muonflow/flow/layout.hpp"
#include "muonflow/linalg/workspace.hpp"

namespace muonflow::flow::detail {

// key [k, p], out [o, k], query [k, p], value [k, p].
std::vector<Block> attention_blocks(Index width, Index inputs, Index outputs);

// T is float or double.
template <class T>
class AttentionUnits {
 public:
  // inputs [s tokens, p], the tokens of a sequence below each other. Throws ShapeError where the
  // layout is another; `objective` is for messages.
  AttentionUnits(Matrix<T> inputs, Index tokens, const Layout& layout, Index outputs,
                 std::string_view objective);

  Index samples() const { return inputs_.rows(); }
  Index outputs() const { return outputs_; }
  Index features() const { return samples() * outputs_; }  // by tokens, then outputs

  // sum [features()] <- sum of the features of the rows w [c, d].
  void forward(const ConstMatrixRef<T>& w, std::span<double> sum,
               linalg::Workspace<T>& workspace) const;
  // g [c, d] <- DF(w_i)^* r.
  void pullback(const ConstMatrixRef<T>& w, std::span<const double> r, MatrixRef<T> g,
                linalg::Workspace<T>& workspace) const;

 private:
  // Sequences worked on at once.
  Index tile() const;
  // [3 c k, p]: all keys, all queries, all values of the chunk; [c k, o]: each O_i transposed.
  void gather(const ConstMatrixRef<T>& w, MatrixRef<T> heads, MatrixRef<T> outs) const;
  // a [t, t] <- the attention of one head on one sequence, by rows of queries (a transposed).
  void attend(const ConstMatrixRef<T>& key, const ConstMatrixRef<T>& query, MatrixRef<T> a) const;

  Matrix<T> inputs_;
  Index tokens_, outputs_, width_;
  Block key_, out_, query_, value_;
};

extern template class AttentionUnits<float>;
extern template class AttentionUnits<double>;

}  // namespace muonflow::flow::detail

#include "muonflow/optim/transforms/qk_clip.hpp"

#include <algorithm>
#include <cmath>

#include "muonflow/core/error.hpp"

namespace muonflow::optim {
namespace {

template <class T>
Index scale_heads(const QkClip& options, const AttentionLayer& layer, double share,
                  MatrixRef<T> rows) {
  if (rows.rows() != layer.heads * layer.head_size ||
      layer.max_logits.size() != static_cast<std::size_t>(layer.heads)) {
    throw ShapeError({.what = "qk_clip",
                      .expected = std::to_string(layer.heads * layer.head_size) + " rows and " +
                                  std::to_string(layer.heads) + " logits",
                      .found = std::to_string(rows.rows()) + " rows and " +
                               std::to_string(layer.max_logits.size()) + " logits"});
  }
  Index scaled = 0;
  for (Index h = 0; h < layer.heads; ++h) {
    const double gamma = qk_gamma(options, layer.max_logits[static_cast<std::size_t>(h)]);
    if (gamma >= 1) continue;
    ++scaled;
    rows.middleRows(h * layer.head_size, layer.head_size) *= static_cast<T>(std::pow(gamma, share));
  }
  return scaled;
}

}  // namespace

void QkClip::fields(FieldVisitor& v) {
  v.optional_real("threshold", threshold, kPositive,
                  "largest attention logit of a head that is left alone, such as 100");
  v.real("balance", balance, kUnit, "the query's share of the exponent");
}

double qk_gamma(const QkClip& options, double max_logit) {
  if (!options.threshold || !(max_logit > *options.threshold)) return 1;
  return *options.threshold / max_logit;
}

Index clipped_heads(const QkClip& options, const AttentionLayer& layer) {
  return std::count_if(layer.max_logits.begin(), layer.max_logits.end(),
                       [&](double logit) { return qk_gamma(options, logit) < 1; });
}

template <class T>
Index clip_query(const QkClip& options, const AttentionLayer& layer, MatrixRef<T> rows) {
  const bool shared = layer.key_heads != layer.heads;
  return scale_heads<T>(options, layer, shared ? 1 : options.balance, rows);
}

template <class T>
Index clip_key(const QkClip& options, const AttentionLayer& layer, MatrixRef<T> rows) {
  if (layer.key_heads != layer.heads) return 0;
  return scale_heads<T>(options, layer, 1 - options.balance, rows);
}

template Index clip_query<float>(const QkClip&, const AttentionLayer&, MatrixRef<float>);
template Index clip_query<double>(const QkClip&, const AttentionLayer&, MatrixRef<double>);
template Index clip_key<float>(const QkClip&, const AttentionLayer&, MatrixRef<float>);
template Index clip_key<double>(const QkClip&, const AttentionLayer&, MatrixRef<double>);

}  // namespace muonflow::optim

// The slope of a GPT's loss along its final norm, from the logits alone.
#include <cmath>

#include "muonflow/core/parallel.hpp"
#include "muonflow/model/gpt.hpp"

namespace muonflow::model {

template <class T>
typename Gpt<T>::OutputSlope Gpt<T>::output_slope() const {
  const auto all = logits();
  const Index N = all.rows();
  std::vector<double> of_token(static_cast<std::size_t>(N), 0.0);
  constexpr Index kRows = 64;
  parallel_for(N, kRows, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      const auto z = all.row(i).array();
      const T top = z.maxCoeff();
      const auto weights = (z - top).exp().eval();
      const double sum = static_cast<double>(weights.sum());
      const double mean = static_cast<double>((weights * (z - top)).sum()) / sum;
      const auto own = static_cast<double>(z[targets_[static_cast<std::size_t>(i)]] - top);
      of_token[static_cast<std::size_t>(i)] = mean - own;
    }
  });
  OutputSlope slope;
  for (const double x : of_token) {  // in one order, whatever the threads
    slope.mean += x / static_cast<double>(N);
    slope.size += std::abs(x) / static_cast<double>(N);
  }
  slope.tensors.emplace_back("transformer.ln_f.weight");
  if (ln_f_bias_.offset >= 0) slope.tensors.emplace_back("transformer.ln_f.bias");
  return slope;
}

template typename Gpt<float>::OutputSlope Gpt<float>::output_slope() const;
template typename Gpt<double>::OutputSlope Gpt<double>::output_slope() const;

}  // namespace muonflow::model

#include "muonflow/optim/audit/detail/composed.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "muonflow/core/error.hpp"
#include "muonflow/optim/audit/detail/products.hpp"

namespace muonflow::optim::detail {
namespace {

using linalg::Op;

// The rule alone, or blocks of it.
Expected whole_or_blocks(const ResolvedRule& resolved, const Scene& s) {
  const auto size = resolved.transforms.blocking.size;
  const bool entrywise = has(resolved.rule->info().traits, Trait::elementwise);
  const Index m = s.G.rows(), n = s.G.cols();
  if (!size || entrywise || (*size >= m && *size >= n)) return expect(s);
  Expected all;
  all.by = s.lr * s.scale;
  all.D.setZero(m, n);
  all.slack.setZero(m, n);
  all.Q.setZero(m, n);
  all.skip = true;
  std::size_t k = 0;
  for (Index row = 0; row < m; row += *size) {
    for (Index col = 0; col < n; col += *size, ++k) {
      const Index rows = std::min<Index>(*size, m - row), cols = std::min<Index>(*size, n - col);
      const std::string prefix = "block." + std::to_string(k) + ".";
      Scene part = s;
      part.W = s.W.block(row, col, rows, cols);
      part.G = s.G.block(row, col, rows, cols);
      part.G_size = s.G_size.block(row, col, rows, cols);
      part.before = within(s.before, prefix);
      part.after = within(s.after, prefix);
      Expected e = expect(part);
      for (auto& field : e.fields) {
        field.name = prefix + field.name;
        all.fields.push_back(std::move(field));
      }
      for (auto& invariant : e.invariants) {
        invariant.quantity = prefix + invariant.quantity;
        all.invariants.push_back(std::move(invariant));
      }
      if (!e.off.empty()) all.off = e.off;
      if (e.D.size() == 0) continue;
      all.skip = all.skip && e.skip;
      // Rules whose own factor depends on the shape (scion) have one of each block.
      const double part_of = all.by != 0 ? e.by / all.by : 1;
      all.shrink = e.shrink;
      all.D.block(row, col, rows, cols) = part_of * e.D;
      Real slack = e.slack;
      if (e.spectrum) {
        const auto& p = *e.spectrum;
        const double rms = e.D.norm() / std::sqrt(static_cast<double>(e.D.size()));
        double steep = 0;
        for (Index i = 0; i < p.s.size(); ++i) {
          steep =
              std::max({steep, std::abs(p.slope[i]), p.s[i] > 0 ? std::abs(p.f[i] / p.s[i]) : 0});
        }
        slack.array() += 8 * (p.kernel * rms + p.noise * steep);
      }
      all.slack.block(row, col, rows, cols) = part_of * slack;
      if (e.Q.size()) all.Q.block(row, col, rows, cols) = e.Q;
    }
  }
  return all;
}

// The step loses its spectrum where something is done to its entries.
void forget_spectrum(Expected& e) {
  if (!e.spectrum) return;
  const auto& p = *e.spectrum;
  const double rms = e.D.norm() / std::sqrt(static_cast<double>(std::max<Index>(1, e.D.size())));
  double steep = 0;
  for (Index i = 0; i < p.s.size(); ++i) {
    steep = std::max({steep, std::abs(p.slope[i]), p.s[i] > 0 ? std::abs(p.f[i] / p.s[i]) : 0});
  }
  e.slack.array() += 8 * (p.kernel * rms + p.noise * steep);
  if ((p.judged.array() == 0).any()) e.off = "singular values at the cutoff under a transform";
  e.spectrum.reset();
}

void rescale(Expected& e, double by) {
  e.D *= by;
  e.slack *= std::abs(by);
  if (e.spectrum) {
    e.spectrum->f *= by;
    e.spectrum->slope *= by;
  }
}

void normalize(const SpectralNormalization& o, const Scene& s, Expected& e) {
  if (e.D.size() == 0 || e.skip) return;
  double size = e.D.norm() / std::sqrt(static_cast<double>(e.D.size()));
  if (o.kind == NormKind::spectral) {
    Real v = s.state("right_vector", 1, s.G.cols());
    const auto rounds = s.t < 50 ? o.first_iterations : o.iterations;
    double sigma = 0;
    for (std::int64_t k = 0; k < rounds; ++k) {
      Real y = product(Op::none, v, Op::transpose, e.D);
      sigma = y.norm();
      if (sigma > 0) y /= sigma;
      const Real next = product(y, e.D);
      const double length = next.norm();
      if (!(length > 0)) break;
      v = next / length;
    }
    const double doubt = e.slack.norm() / std::max(e.D.norm(), 1e-300) + 4096 * s.unit;
    e.fields.push_back({"right_vector", v, Real::Constant(1, v.cols(), 64 * doubt)});
    size = sigma;
  }
  // The size is as well known as D.
  if (size > 0) rescale(e, 1 / (size + o.eps));
}

void graft(const ResolvedRule& resolved, const Scene& s, Expected& e) {
  Scene other = s;
  other.claims = resolved.graft->info().claims;
  other.options = OptionValues(*resolved.graft);
  other.before = within(s.before, "graft.");
  other.after = within(s.after, "graft.");
  Expected size = expect(other);
  for (auto& field : size.fields) {
    field.name = "graft." + field.name;
    e.fields.push_back(std::move(field));
  }
  if (!size.off.empty()) e.off = "the grafted rule: " + size.off;
  e.skip = e.skip || size.skip;
  if (!e.off.empty() || e.skip || e.D.size() == 0) return;
  const double length = e.D.norm();
  if (length > 0) rescale(e, size.D.norm() / length);
  const double doubt = size.slack.norm() / std::max(size.D.norm(), 1e-300) +
                       (size.spectrum ? 4 * size.spectrum->kernel : 0);
  e.slack.array() += doubt * e.D.norm() / std::sqrt(static_cast<double>(e.D.size()));
  // Where both are steps in weights already, their factor is the same.
  e.by = size.by / size.shrink * e.shrink;
}

void mask_updates(const Real& G, Expected& e) {
  if (e.D.size() == 0 || e.skip) return;
  forget_spectrum(e);
  Index agree = 0, doubtful = 0;
  for (Index i = 0; i < e.D.rows(); ++i) {
    for (Index j = 0; j < e.D.cols(); ++j) {
      agree += (e.D(i, j) > 0 && G(i, j) > 0) || (e.D(i, j) < 0 && G(i, j) < 0);
      doubtful += std::abs(e.D(i, j)) <= e.slack(i, j) && G(i, j) != 0;
    }
  }
  const double mean = static_cast<double>(agree) / static_cast<double>(e.D.size());
  const double factor = 1 / std::max(mean, 1e-3);
  const double loose =
      static_cast<double>(doubtful) / std::max<double>(1, static_cast<double>(agree));
  for (Index i = 0; i < e.D.rows(); ++i) {
    for (Index j = 0; j < e.D.cols(); ++j) {
      const bool same = (e.D(i, j) > 0 && G(i, j) > 0) || (e.D(i, j) < 0 && G(i, j) < 0);
      e.slack(i, j) = factor * (e.slack(i, j) + loose * std::abs(e.D(i, j)));
      e.D(i, j) = same ? factor * e.D(i, j) : 0;
    }
  }
  e.orthogonal = false;
}

// EF21: what the rule sees is an estimate that messages move towards G. The message is judged by
// what its compressor promises, not made again.
void feed_back(const ErrorFeedback& o, Scene& s, Expected& notes) {
  const Real& old = s.state("estimate");
  const auto it = s.after.find("estimate");
  if (it == s.after.end()) {
    notes.off = "the estimate of error feedback is not known without the state after the step";
    return;
  }
  const Real& now = it->second;
  const auto& c = o.compression;
  if (c.kind == Compressor::identity) {
    notes.fields.push_back({"estimate", s.G, rounding(s, s.G_size)});
  } else {
    const double gap = (s.G - old).norm(), left = (s.G - now).norm();
    double delta = 0;
    if (c.kind == Compressor::top_k) delta = c.fraction;
    if (c.kind == Compressor::int8) delta = 0.996;
    if (c.kind == Compressor::sign) {
      const Real difference = s.G - old;
      const double sum = difference.cwiseAbs().sum();
      const double squares = difference.squaredNorm() * static_cast<double>(difference.size());
      delta = squares > 0 ? sum * sum / squares : 0;
    }
    const double most = std::sqrt(1 - std::min(delta, 1.0));
    const double size = s.G_size.norm() + old.norm();
    const double rounded = gap > 0 ? 32 * s.unit * size / gap + 1e-6 : 1e300;
    auto& promise = notes.invariants.emplace_back();
    promise.quantity = "part of the gradient that the message leaves out";
    promise.expected = most / 2;
    promise.found = gap > 0 ? left / gap : 0;
    promise.bound = most / 2 + rounded;
  }
  s.G = now;
  s.G_size = now.cwiseAbs();
}

}  // namespace

std::vector<Cutout> cutouts(const Route& route) {
  const Shape& shape = route.shape;
  const auto count = static_cast<Index>(element_count(shape));
  if (shape.size() <= 1) return {{0, 1, count}};
  std::vector<Cutout> all;
  if (shape.size() == 2) {
    const Index cols = shape[1];
    std::vector<std::int64_t> sizes = route.split_sizes;
    if (sizes.empty()) sizes = {shape[0]};
    Index row = 0;
    for (const auto rows : sizes) {
      const auto each = route.num_heads ? sizes.front() / *route.num_heads : rows;
      for (const Index end = row + rows; row < end; row += each) {
        all.push_back({row * cols, each, cols});
      }
    }
    return all;
  }
  const Layout layout = route.resolved.layout;
  if (layout == Layout::conv || (layout == Layout::automatic && route.role == Role::convolution)) {
    return {{0, shape[0], count / shape[0]}};
  }
  const Index rows = shape[shape.size() - 2], cols = shape.back();
  for (Index begin = 0; begin < count; begin += rows * cols) all.push_back({begin, rows, cols});
  return all;
}

Index base_side(Index here, double over) {
  return std::max<Index>(1, std::llround(static_cast<double>(here) * over));
}

double scale_of(Scale scale, Index rows, Index cols) {
  const double m = static_cast<double>(rows), n = static_cast<double>(cols);
  switch (scale) {
    case Scale::original:  // K. Jordan 2024
      return m > n ? std::sqrt(m / n) : 1;
    case Scale::match_rms_adamw:  // arXiv:2502.16982
      return 0.2 * std::sqrt(m > n ? m : n);
    case Scale::spectral:
      return std::sqrt(m / n);
    case Scale::automatic:
    case Scale::none:
      break;
  }
  return 1;
}

bool decays_before(Decay form) { return form != Decay::after && form != Decay::coupled; }

double kept_of(Decay form, double lr, double schedule, double weight_decay) {
  if (weight_decay == 0 || form == Decay::coupled) return 1;
  if (form == Decay::independent) return 1 - schedule * weight_decay;
  if (form == Decay::corrected) return 1 - lr * schedule * weight_decay;
  return 1 - lr * weight_decay;
}

RealFields state_of_matrix(const TensorMap& state, const Shape& shape,
                           const std::vector<Cutout>& all, std::size_t k) {
  const Cutout& own = all[k];
  RealFields fields;
  for (const auto& [key, tensor] : state) {
    if (key == "step") continue;
    std::string name = key;
    // FIELD.k where the matrices' fields differ in shape.
    const auto dot = key.rfind('.');
    const bool numbered = all.size() > 1 && dot != key.npos && dot + 1 < key.size() &&
                          key.find_first_not_of("0123456789", dot + 1) == key.npos;
    if (numbered) {
      if (key.substr(dot + 1) != std::to_string(k)) continue;
      name = key.substr(0, dot);
    }
    const auto values = tensor.to<double>();
    Index begin = 0, rows = own.rows, cols = own.cols;
    if (numbered || tensor.shape != shape) {  // [rows, cols], or [matrices, rows, cols]
      const auto rank = tensor.shape.size();
      if (rank < 2) {
        throw ShapeError({.place = key, .what = "state", .found = to_string(tensor.shape)});
      }
      rows = tensor.shape[rank - 2];
      cols = tensor.shape[rank - 1];
      if (rank == 3) begin = static_cast<Index>(k) * rows * cols;
    } else {
      begin = own.begin;
    }
    if (begin + rows * cols > static_cast<Index>(values.size())) {
      throw ShapeError({.place = key, .what = "state", .found = to_string(tensor.shape)});
    }
    fields[name] =
        ConstMatrixMap<double>(values.data() + begin, rows, cols, Eigen::OuterStride<>(cols));
  }
  return fields;
}

Composed compose(const ResolvedRule& resolved, Scene scene) {
  const auto& t = resolved.transforms;
  Expected notes;
  if (t.error_feedback.on) feed_back(t.error_feedback, scene, notes);
  if (!notes.off.empty()) return {std::move(notes), std::move(scene)};
  Composed composed{whole_or_blocks(resolved, scene), scene};
  Expected& e = composed.expected;
  if (t.spectral_normalization.kind != NormKind::off && e.off.empty()) {
    normalize(t.spectral_normalization, scene, e);
    e.orthogonal = false;
  }
  if (resolved.graft) {
    graft(resolved, scene, e);
    e.orthogonal = false;
  }
  if (t.cautious.updates && e.off.empty()) mask_updates(scene.G, e);
  for (auto& field : notes.fields) e.fields.push_back(std::move(field));
  for (auto& invariant : notes.invariants) e.invariants.push_back(std::move(invariant));
  return composed;
}

}  // namespace muonflow::optim::detail

#include "muonflow/linalg/polar/newton_schulz.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include "muonflow/core/error.hpp"
#include "muonflow/core/parallel.hpp"
#include "muonflow/core/thread_team.hpp"
#include "muonflow/linalg/detail/panel_packing.hpp"
#include "muonflow/linalg/detail/panel_product.hpp"
#include "muonflow/linalg/detail/panel_vector.hpp"
#include "muonflow/linalg/gemm.hpp"
#include "muonflow/linalg/made_to_measure.hpp"
#include "muonflow/linalg/norms.hpp"
#include "muonflow/linalg/symmetric.hpp"

namespace muonflow::linalg {
namespace {

using detail::PanelProduct;
using detail::Panels;

// One run of the iteration: its matrices, and what they mean at each moment.
template <class T>
class Iteration {
 public:
  Iteration(Scratch::Frame& frame, Index m, Index n, const NewtonSchulz& options, const Plan& plan)
      : options_(options),
        depth_block_(plan.depth_block),
        m_(m),
        n_(n),
        y_rows_(detail::take_panels<T>(frame, m, n)),
        y_columns_(detail::take_panels<T>(frame, n, m)),
        gram_(symmetric(frame)),
        polynomial_(symmetric(frame)),
        chunk_(symmetric(frame)),
        spare_(symmetric(frame)),
        square_(symmetric(frame)),
        vectors_(frame.values<T>(2 * Panels<T>::padded(m))),
        scales_(frame.values<T>(Panels<T>::padded(m))) {
    report_.formulation = plan.formulation;
    const bool several = options.steps.size() != 1;
    if (several && options.shift > 0) total_ = symmetric(frame);
    const auto& steps = options.steps;
    if (steps.empty() || std::any_of(steps.begin(), steps.end(), is_long)) {
      centred_ = symmetric(frame);
    }
    if (several) {
      next_rows_ = detail::take_panels<T>(frame, m, n);
      next_columns_ = detail::take_panels<T>(frame, n, m);
    }
    constexpr double kRoundoff = std::numeric_limits<T>::epsilon() / 2;
    tolerance_ = options.tolerance > 0 ? options.tolerance : 512 * kRoundoff;
    roundoff_ = kRoundoff;
  }

  Outcome run(MatrixRef<T> x) {
    Outcome outcome;
    with_team([&] { outcome = iterate(x); });
    return outcome;
  }
  const IterationReport& report() const { return report_; }

 private:
  Outcome iterate(MatrixRef<T> x) {
    // Panels over the columns of x are panels over the rows of x^T: a tall matrix needs no
    // transposition.
    const bool tall = x.rows() > x.cols();
    detail::pack_rows<T>(x, options_.divisor, tall ? y_columns_ : y_rows_);
    detail::pack_columns<T>(x, options_.divisor, tall ? y_rows_ : y_columns_);
    form_gram();
    if (options_.almost_orthogonal) scale_rows();
    if (steps_.empty()) choose_steps();
    const std::size_t count = steps_.size();
    for (std::size_t t = 0; t < count; ++t) {
      evaluate(steps_[t]);
      const Panels<T>& s = join_chunk();
      amplification_ *= steps_[t][0] * steps_[t][0];
      if (t + 1 == count) break;
      if (continues(steps_[t + 1])) {
        advance_gram(s);
      } else {
        apply_chunk();
        form_gram();
      }
    }
    if (!detail::all_finite(chunk_)) {
      return {.status = Status::non_finite_result, .changed = false};
    }
    PanelProduct<T> last{.a = y_columns_, .b = chunk_};
    last.outputs[0] = {
        .alpha = y_scale_, .plain = x.data(), .stride = x.outerStride(), .turned = !tall};
    multiply(last);
    report_.flops += 2 * size(m_) * size(m_) * size(n_);
    report_.steps = static_cast<int>(count);
    if (options_.shift > 0) {
      const double sum =
          total_is_identity_ ? detail::trace(chunk_) : detail::inner_product(total_, chunk_);
      report_.inverse_root_trace = sum * (shift_ / options_.shift) / options_.divisor;
    }
    return {};
  }

  static double size(Index n) { return static_cast<double>(n); }
  Panels<T> symmetric(Scratch::Frame& frame) { return detail::take_panels<T>(frame, m_, m_); }

  void multiply(PanelProduct<T>& p) const {
    p.depth_block = depth_block_;
    detail::multiply(p);
  }

  // output <- the symmetric product a b of matrices that commute.
  void product(const Panels<T>& a, const Panels<T>& b, const detail::PanelOutput<T>& output,
               const T* addend = nullptr) {
    PanelProduct<T> p{.a = a, .b = b, .symmetric = true, .addend = addend};
    p.outputs[0] = output;
    multiply(p);
    report_.flops += size(m_) * size(m_) * size(m_);
  }

  // A from Y itself: Y Y^T + shift^2 Q^2 with Q all that was applied so far.
  void form_gram() {
    PanelProduct<T> p{.a = y_rows_, .b = y_rows_, .symmetric = true};
    p.outputs[0].columns = gram_.data;
    const T shift = static_cast<T>(shift_);
    if (shift > T(0) && total_is_identity_) p.outputs[0].gamma = shift * shift;
    if (shift > T(0) && !total_is_identity_) {
      product(total_, total_, {.alpha = shift * shift, .columns = square_.data});
      p.addend = square_.data;
      p.outputs[0].beta = T(1);
    }
    multiply(p);
    report_.flops += size(m_) * size(m_) * size(n_);
    chunk_is_identity_ = true;
    amplification_ = 1;
    largest_ = -1;
  }

  // AOL (Turbo-Muon, arXiv:2512.04632): row i divided by the root of the i-th absolute row sum of
  // A, after which |Y| <= 1 by Gershgorin's theorem for a matrix similar to A. A row whose squares
  // have lost digits to underflow, below 1e-15 of the whole in float, becomes zero: scaled by what
  // is left of them it could be longer than 1.
  void scale_rows() {
    const std::span<T> factors = scales_;
    constexpr T kLeast = std::numeric_limits<T>::min() / std::numeric_limits<T>::epsilon();
    detail::absolute_row_sums(gram_, factors);
    for (T& f : factors) f = f >= kLeast ? T(1) / std::sqrt(f) : T(0);
    detail::scale_lanes(gram_, factors);
    detail::scale_depth(gram_, factors);
    detail::scale_lanes(y_rows_, factors);
    detail::scale_depth(y_columns_, factors);
  }

  // Brings the upper end of A's spectrum near 1 by a bound of its norm, and fits the steps to what
  // is then known: eigenvalues in [shift^2, 1].
  void choose_steps() {
    const double bound = detail::norm_bound(gram_, scales_);
    if (bound > 0 && std::isfinite(bound)) {
      detail::affine(gram_, static_cast<T>(1 / bound), T(0), gram_);
      y_scale_ = static_cast<T>(1 / std::sqrt(bound));
      shift_ /= std::sqrt(bound);
    }
    // A tenth in hand: the largest eigenvalue of A, by which `continues` judges, is 1 and a little.
    steps_ = made_to_measure({.lower = shift_,
                              .error = options_.error,
                              .amplification = 0.9 * tolerance_ / roundoff_,
                              .aspect = size(n_) / size(m_)});
  }

  // polynomial_ <- s(A), by Horner's rule in the square for more than three terms. Coefficients of
  // long steps for wide intervals are those of Chebyshev's polynomials, up to 576 for degree 9, and
  // alternate: in Z = 2A - I, whose eigenvalues lie around 0, they are at most 16, and so is what
  // rounding costs.
  void evaluate(const OddPolynomial& p) {
    const std::size_t d = p.terms - 1;
    std::array<double, OddPolynomial::kMaxTerms> coefficients = p.coefficients;
    const Panels<T>* of = &gram_;
    if (is_long(p)) {
      coefficients = centred(p);
      detail::affine(gram_, T(2), T(-1), centred_);
      of = &centred_;
    }
    const Panels<T>& z = *of;
    const auto c = [&](std::size_t k) { return static_cast<T>(coefficients[k]); };
    if (d == 1) {
      detail::affine(z, c(1), c(0), polynomial_);
      return;
    }
    if (d == 2) {
      product(z, z, {.alpha = c(2), .beta = c(1), .gamma = c(0), .columns = polynomial_.data},
              z.data);
      return;
    }
    // s = e_0 + Z^2 (e_1 + Z^2 (e_2 + ...)), e_k = c_2k + c_2k+1 Z.
    PanelProduct<T> p2{.a = z, .b = z, .symmetric = true, .addend = z.data};
    p2.outputs[0].columns = square_.data;
    std::size_t k = d / 2;
    if (d % 2 == 0) {  // the innermost bracket ends with a number: another form of the same write
      k -= 1;
      p2.outputs[1] = {
          .alpha = c(d), .beta = c(2 * k + 1), .gamma = c(2 * k), .columns = polynomial_.data};
      p2.output_count = 2;
    } else {
      detail::affine(z, c(2 * k + 1), c(2 * k), polynomial_);
    }
    multiply(p2);
    report_.flops += size(m_) * size(m_) * size(m_);
    while (k-- > 0) {
      product(polynomial_, square_,
              {.beta = c(2 * k + 1), .gamma = c(2 * k), .columns = spare_.data}, z.data);
      std::swap(polynomial_, spare_);
    }
  }

  static bool is_long(const OddPolynomial& p) { return p.terms > 3; }

  // Coefficients in z = 2y - 1 of what has those of p in y.
  static std::array<double, OddPolynomial::kMaxTerms> centred(const OddPolynomial& p) {
    std::array<double, OddPolynomial::kMaxTerms> c{};
    for (std::size_t k = p.terms; k-- > 0;) {  // c <- c (z + 1) / 2 + p_k
      for (std::size_t i = p.terms; i-- > 0;) c[i] = (c[i] + (i > 0 ? c[i - 1] : 0)) / 2;
      c[0] += p[k];
    }
    return c;
  }

  // Q <- Q s(A); returns where s(A) is then.
  const Panels<T>& join_chunk() {
    if (chunk_is_identity_) {
      std::swap(chunk_, polynomial_);
      chunk_is_identity_ = false;
      return chunk_;
    }
    product(chunk_, polynomial_, {.columns = spare_.data});
    std::swap(chunk_, spare_);
    return polynomial_;
  }

  // A <- A s(A)^2.
  void advance_gram(const Panels<T>& s) {
    product(gram_, s, {.columns = spare_.data});
    product(spare_, s, {.columns = square_.data});
    std::swap(gram_, square_);
  }

  // Whether A may be advanced by itself through one more step. First by the known bound of |Q|,
  // the product of the slopes at 0; where that is too large, by the measured |Q|.
  bool continues(const OddPolynomial& next) {
    if (report_.formulation == Formulation::direct) return false;
    if (largest_ < 0) largest_ = detail::largest_eigenvalue(gram_, vectors_);
    const double noise = roundoff_ * largest_ * next[0] * next[0];
    if (noise * amplification_ <= tolerance_) return true;
    const double q = detail::largest_eigenvalue(chunk_, vectors_);
    if (noise * q * q <= tolerance_) return true;
    ++report_.restarts;
    return false;
  }

  // Y <- Q Y, and Q joins what was applied before. As Y^T Q: the columns of Y that a thread makes
  // are those that it reads in the next step.
  void apply_chunk() {
    PanelProduct<T> p{.a = y_columns_, .b = chunk_};
    p.outputs[0] = {.alpha = y_scale_, .columns = next_rows_.data, .rows = next_columns_.data};
    multiply(p);
    y_scale_ = T(1);
    report_.flops += 2 * size(m_) * size(m_) * size(n_);
    std::swap(y_rows_, next_rows_);
    std::swap(y_columns_, next_columns_);
    if (options_.shift > 0) {
      if (total_is_identity_) {
        std::swap(total_, chunk_);
        total_is_identity_ = false;
      } else {
        product(total_, chunk_, {.columns = spare_.data});
        std::swap(total_, spare_);
      }
    }
  }

  const NewtonSchulz& options_;
  Index depth_block_;
  std::span<const OddPolynomial> steps_ = options_.steps;
  double shift_ = options_.shift;
  T y_scale_ = 1;  // a factor that Y still owes
  Index m_, n_;
  Panels<T> y_rows_, y_columns_, next_rows_, next_columns_;  // Y, and Y after the chunk
  Panels<T> gram_;                                           // A
  Panels<T> polynomial_;                                     // s(A)
  Panels<T> centred_;                                        // 2A - I; only for long steps
  Panels<T> chunk_;                                          // Q since the last restart
  Panels<T> total_;  // Q before it; only for the regularized map
  Panels<T> spare_, square_;
  std::span<T> vectors_;  // two numbers a row
  std::span<T> scales_;   // one number a row
  bool chunk_is_identity_ = true;
  bool total_is_identity_ = true;
  double amplification_ = 1;  // upper bound of |Q|^2
  double largest_ = -1;       // |A| at the last restart; negative: not measured
  double tolerance_ = 0;
  double roundoff_ = 0;
  IterationReport report_;
};

// The same directly, by the library's general products and symmetric ones on tiles of them.
template <class T>
Outcome by_library(MatrixRef<T> x, const NewtonSchulz& iteration, Scratch& scratch) {
  const bool tall = x.rows() > x.cols();
  const Index m = std::min(x.rows(), x.cols());
  const Index n = std::max(x.rows(), x.cols());
  Scratch::Frame frame(scratch);
  MatrixMap<T> y = frame.matrix<T>(m, n);
  MatrixMap<T> next = frame.matrix<T>(m, n);
  MatrixMap<T> gram = frame.matrix<T>(m, m);
  MatrixMap<T> sum = frame.matrix<T>(m, m);
  MatrixMap<T> product = frame.matrix<T>(m, m);
  const auto divided = [&](T v) {
    return static_cast<T>(static_cast<double>(v) / iteration.divisor);
  };
  if (tall) {
    y = x.transpose().unaryExpr(divided);
  } else {
    y = x.unaryExpr(divided);
  }
  for (const OddPolynomial& p : iteration.steps) {
    symmetric_product<T>(T(1), y, T(0), gram, scratch);
    const auto c = [&](std::size_t k) { return static_cast<T>(p[k]); };
    // Horner's rule; the first bracket and a quintic's whole polynomial need no general product.
    std::size_t k = p.terms - 1;
    sum = gram;
    if (k >= 2) {
      symmetric_square<T>(c(k), gram, c(k - 1), sum);
      k -= 2;
    } else {
      sum *= c(1);
      k = 0;
    }
    sum.diagonal().array() += c(k);
    while (k-- > 0) {
      gemm<T>(Op::none, Op::none, T(1), sum, gram, T(0), product);
      sum = product;
      sum.diagonal().array() += c(k);
    }
    gemm<T>(Op::none, Op::none, T(1), sum, y, T(0), next);
    y = next;
  }
  if (!all_finite<T>(y)) return {.status = Status::non_finite_result, .changed = false};
  if (tall) {
    x = y.transpose();
  } else {
    x = y;
  }
  return {};
}

}  // namespace

template <class T>
Outcome newton_schulz(MatrixRef<T> x, const NewtonSchulz& iteration, Scratch& scratch,
                      IterationReport* report) {
  for (const auto& step : iteration.steps) {
    if (step.terms >= 2) continue;
    throw ConfigError({.what = "polynomial step of the polar iteration",
                       .expected = "degree 3 or more",
                       .found = "degree " + std::to_string(step.degree())});
  }
  if (x.size() == 0) return {};
  const Index m = std::min(x.rows(), x.cols());
  const Index n = std::max(x.rows(), x.cols());
  if (iteration.steps.empty() && iteration.error == 0) {
    x = (x.template cast<double>() / iteration.divisor).template cast<T>();
    return {};
  }
  Plan how = plan(m, n, 1, threads());
  if (iteration.formulation != Formulation::automatic) how.formulation = iteration.formulation;
  const bool plain = iteration.shift == 0 && !iteration.almost_orthogonal;
  if (how.engine == Engine::library && plain) {
    if (report != nullptr) {
      *report = {.engine = Engine::library, .steps = static_cast<int>(iteration.steps.size())};
    }
    return by_library<T>(x, iteration, scratch);
  }
  Scratch::Frame frame(scratch);
  Iteration<T> run(frame, m, n, iteration, how);
  const Outcome outcome = run.run(x);
  if (report != nullptr) *report = run.report();
  return outcome;
}

template Outcome newton_schulz<float>(MatrixRef<float>, const NewtonSchulz&, Scratch&,
                                      IterationReport*);
template Outcome newton_schulz<double>(MatrixRef<double>, const NewtonSchulz&, Scratch&,
                                       IterationReport*);

}  // namespace muonflow::linalg

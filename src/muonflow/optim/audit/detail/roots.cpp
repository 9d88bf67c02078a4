// Twins of the rules that precondition by Gram matrices, by eigendecompositions in double.
#include <algorithm>
#include <cmath>

#include "muonflow/core/error.hpp"
#include "muonflow/linalg/eigh.hpp"
#include "muonflow/optim/audit/detail/products.hpp"
#include "muonflow/optim/audit/detail/scene.hpp"

namespace muonflow::optim::detail {
namespace {

using linalg::Op;

// A symmetric function of a statistic, and how far rounding spreads what it multiplies.
struct Root {
  Real P;
  double top = 0;       // |P|_op
  Real vectors;         // of the statistic
  Vector<double> open;  // what a rounding of the statistic makes of the function, by eigenvalue

  // |.|_F of what P D may be off by, or D P for the right side.
  double spread(const Real& D, bool left) const {
    if (vectors.size() == 0) return 0;
    const Real parts =
        left ? product(Op::transpose, vectors, Op::none, D) : Real(product(D, vectors).transpose());
    return (open.asDiagonal() * parts).norm();
  }
};

// f of each eigenvalue, given the largest.
template <class F>
Root root_of(const Real& S, double unit, const F& f) {
  auto eigen = linalg::eigh<double>(S);
  if (!eigen.outcome.ok()) {
    throw DataError({.what = "the audit's eigendecomposition",
                     .found = std::string(to_string(eigen.outcome.status))});
  }
  const double largest = std::max(0.0, eigen.values[eigen.values.size() - 1]);
  const Vector<double> values = eigen.values.unaryExpr([&](double x) { return f(x, largest); });
  const double blur = 4 * unit * largest;  // of an entry of S
  const Vector<double> open = eigen.values.unaryExpr([&](double x) {
    const double at = f(x, largest);
    return std::max(std::abs(f(x - blur, largest) - at), std::abs(f(x + blur, largest) - at));
  });
  return {product(Real(eigen.vectors * values.asDiagonal()), Real(eigen.vectors.transpose())),
          values.maxCoeff(), eigen.vectors, open};
}

// beta S + (1 - beta) Gram; the products of float statistics are summed in float, n at a time.
FieldClaim average_gram(const Scene& s, const std::string& name, double beta, const Real& old,
                        const Real& gram, Index terms) {
  const double sum = 4 * s.unit * std::sqrt(static_cast<double>(terms)) + 8 * s.unit;
  const Vector<double> size = gram.diagonal().cwiseMax(0).cwiseSqrt();
  Real slack = 2 * (1 - beta) * sum * size * size.transpose();
  slack += rounding(s, beta * old.cwiseAbs());
  return {name, beta * old + (1 - beta) * gram, slack};
}

double debias(double beta, double steps) { return 1 / (1 - std::pow(beta, steps)); }

// Where the statistics of blocks stand in one tensor: left sides block column by block column, each
// [rows, height]; right sides block row by block row.
struct Cut {
  Index m, n, height, width;
  Index left_row(Index row, Index col) const { return col / width * m + row; }
  Index right_row(Index row, Index col) const { return row / height * n + col; }
};

}  // namespace

void expect_two_sided_roots(const Scene& s, Expected& e) {
  const auto& o = s.options;
  const double b1 = o.real("beta1"), b2 = o.real("beta2"), k = o.real("k");
  const double epsilon = o.real("epsilon"), steps = static_cast<double>(s.t + 1);
  const auto every = static_cast<std::int64_t>(o.real("precondition_frequency"));
  const Index m = s.G.rows(), n = s.G.cols();
  const auto block = o.maybe("block_size");
  const auto size = block ? static_cast<Index>(*block) : std::max(m, n);
  const Cut cut{m, n, std::min(size, m), std::min(size, n)};

  Real M = b1 * s.state("momentum_buffer") + (1 - b1) * s.G;
  const Real M_slack =
      rounding(s, b1 * s.state("momentum_buffer").cwiseAbs() + (1 - b1) * s.G_size);
  e.fields.push_back({"momentum_buffer", M, M_slack});
  M = s.kept_or("momentum_buffer", M, M_slack);
  e.Q = M;
  e.D = debias(b1, steps) * M;

  double doubt = 0;  // of D, relative: roundings that the roots spread
  for (const bool left : {true, false}) {
    if (o.text("one_sided") == (left ? "right" : "left")) continue;
    const std::string name = left ? "L" : "R", kept = name + "_root";
    const Index blocks = left ? (n + cut.width - 1) / cut.width : (m + cut.height - 1) / cut.height;
    const Index long_side = blocks * (left ? m : n), short_side = left ? cut.height : cut.width;
    const Real& old = s.state(name, long_side, short_side);
    FieldClaim all{name, old, Real::Zero(old.rows(), old.cols())};
    FieldClaim roots{kept, {}, {}};
    if (every > 1)
      roots = {kept, s.state(kept, long_side, short_side), Real::Zero(old.rows(), old.cols())};
    for (Index row = 0; row < m; row += cut.height) {
      for (Index col = 0; col < n; col += cut.width) {
        const Index rows = std::min(cut.height, m - row), cols = std::min(cut.width, n - col);
        const Real G = s.G.block(row, col, rows, cols);
        const Index at = left ? cut.left_row(row, col) : cut.right_row(row, col);
        const Index side = left ? rows : cols;
        const auto claim = average_gram(s, name, b2, old.block(at, 0, side, side),
                                        left ? left_gram(G) : right_gram(G), left ? cols : rows);
        all.expected.block(at, 0, side, side) = claim.expected;
        all.slack.block(at, 0, side, side) = claim.slack;
      }
    }
    const Real S = s.kept_or(name, all.expected, all.slack);
    for (Index row = 0; row < m; row += cut.height) {
      for (Index col = 0; col < n; col += cut.width) {
        const Index rows = std::min(cut.height, m - row), cols = std::min(cut.width, n - col);
        const Index at = left ? cut.left_row(row, col) : cut.right_row(row, col);
        const Index side = left ? rows : cols;
        Root root;
        if (s.t % every == 0) {
          root = root_of(debias(b2, steps) * S.block(at, 0, side, side), s.unit,
                         [&](double x, double top) {
                           const double ridged = std::max(x, 0.0) + epsilon * top;
                           return top > 0 && ridged > 0 ? std::pow(ridged, -k) : 0.0;
                         });
          if (every > 1) {
            roots.expected.block(at, 0, side, side) = root.P;
            roots.slack.block(at, 0, side, side)
                .setConstant(64 * s.unit * root.top + root.open.maxCoeff() + 1e-30);
          }
        } else {
          root.P = s.state(kept, long_side, short_side).block(at, 0, side, side);
          root.top = root.P.norm();
        }
        const Real D = e.D.block(row, col, rows, cols);
        const Real next = left ? product(root.P, D) : product(D, root.P);
        const double size_now = next.norm();
        if (size_now > 0) {
          const double open = 16 * s.unit * root.top * D.norm() + root.spread(D, left);
          doubt = std::max(doubt, open / size_now);
        }
        e.D.block(row, col, rows, cols) = next;
      }
    }
    e.fields.push_back(std::move(all));
    if (every > 1) e.fields.push_back(std::move(roots));
  }
  const auto grafting = o.text("grafting");
  if (grafting != "none") {
    double length = 0.2 * std::sqrt(static_cast<double>(e.D.size()));
    if (grafting == "adam") {
      const Real& v0 = s.state("exp_avg_sq");
      Real v = b2 * v0 + (1 - b2) * s.G.cwiseAbs2();
      const Real slack = rounding(s, b2 * v0 + (1 - b2) * s.G_size.cwiseAbs2());
      e.fields.push_back({"exp_avg_sq", v, slack});
      v = s.kept_or("exp_avg_sq", v, slack);
      const auto under = ((v.array() * debias(b2, steps)).sqrt() + 1e-8).eval();
      length = (debias(b1, steps) * M.array() / under).matrix().norm();
    }
    e.D *= length / (e.D.norm() + 1e-8);
  }
  const double rms = e.D.norm() / std::sqrt(static_cast<double>(std::max<Index>(1, e.D.size())));
  e.slack.setConstant(m, n, (2 * doubt + 64 * s.unit) * rms);
}

void expect_gram_root(const Scene& s, Expected& e) {
  const Average a = advance(s, e);
  const bool left = s.G.rows() < s.G.cols();
  const double b2 = s.options.real("beta2"), eps = s.options.real("eps");
  const Real gram = left ? left_gram(s.G) : right_gram(s.G);
  auto claim = average_gram(s, "C", b2, s.state("C", gram.rows(), gram.rows()), gram,
                            left ? s.G.cols() : s.G.rows());
  const Real C = s.kept_or("C", claim.expected, claim.slack);
  e.fields.push_back(std::move(claim));
  const double part =
      std::min(0.5, 2 * s.roundoff * static_cast<double>(std::max(s.G.rows(), s.G.cols())));
  const Root root = root_of(
      C, s.unit, [&](double x, double top) { return x > part * top ? 1 / std::sqrt(x) : 0.0; });
  e.Q = a.M;
  e.D = left ? product(root.P, a.M) : product(a.M, root.P);
  const double norm = e.D.norm();
  const double open = 16 * s.unit * root.top * a.M.norm() + root.spread(a.M, left);
  const double doubt = norm > 0 ? open / norm : 0;
  const double size = 0.2 * std::sqrt(static_cast<double>(e.D.size()));
  if (norm > 0) e.D *= size / std::max(norm, eps);
  e.slack.setConstant(e.D.rows(), e.D.cols(), (2 * doubt + 64 * s.unit) * 0.2);
}

namespace {

double off_identity(const Real& Q) {
  const Real gram = right_gram(Q);
  return (gram - Real::Identity(gram.rows(), gram.cols())).norm() /
         std::sqrt(static_cast<double>(Q.cols()));
}

Real into(const Real& L, const Real& x, const Real& R) {  // L' x R; an empty one is the identity
  const Real y = L.size() ? product(Op::transpose, L, Op::none, x) : x;
  return R.size() ? product(y, R) : y;
}
Real out_of(const Real& L, const Real& x, const Real& R) {
  const Real y = L.size() ? product(L, x) : x;
  return R.size() ? product(Op::none, y, Op::transpose, R) : y;
}

Real state_or_empty(const RealFields& fields, const std::string& name) {
  const auto it = fields.find(name);
  return it == fields.end() ? Real() : it->second;
}

// What two products with bases may leave in an entry: their sums run over its row and its column,
// whose largest entries may be elsewhere.
Real turning_slack(const Scene& s, const Real& x) {
  const auto spread = static_cast<double>(std::max(x.rows(), x.cols()));
  const double rms = x.norm() / std::sqrt(static_cast<double>(std::max<Index>(1, x.size())));
  const Vector<double> rows = x.rowwise().norm().cwiseSqrt();
  const Vector<double> cols = x.colwise().norm().transpose().cwiseSqrt();
  const double unit = 4 * s.unit * std::sqrt(spread);
  return (unit * rows * cols.transpose()).array() + (2 * unit * rms + 1e-37);
}

// Columns in the order of their quotients, and which of them rounding may have sorted otherwise:
// groups of neighbours, one after the other.
struct Sorted {
  std::vector<Index> order;
  std::vector<Index> sizes;  // of the groups
};

Sorted unsorted(Index count) {
  Sorted s;
  s.order.resize(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < s.order.size(); ++i) s.order[i] = static_cast<Index>(i);
  s.sizes.assign(s.order.size(), 1);
  return s;
}

// Of a group that one comes first that is orthogonal to all fresh columns which follow.
void order_of_ties(const Real& image, const Real& fresh, Sorted& s) {
  Index begin = 0;
  for (const Index size : s.sizes) {
    for (Index p = begin; p + 1 < begin + size; ++p) {
      Index best = p;
      double least = -1;
      for (Index k = p; k < begin + size; ++k) {
        const double below = (fresh.rightCols(fresh.cols() - p - 1).transpose() *
                              image.col(s.order[static_cast<std::size_t>(k)]))
                                 .squaredNorm();
        if (least >= 0 && below >= least) continue;
        least = below;
        best = k;
      }
      const auto at = s.order.begin();
      std::rotate(at + p, at + best, at + best + 1);
    }
    begin += size;
  }
}

// The basis after a refresh, judged without making it again: orthonormal, and such that
// new' C old P is upper triangular, which is what the factor of a power iteration is.
Sorted judge_refresh(const Scene& s, const std::string& name, const Real& C, const Real& old,
                     const Real& fresh, Expected& e) {
  const Real image = product(C, old);
  const Vector<double> quotients = old.cwiseProduct(image).colwise().sum().transpose();
  Sorted by = unsorted(old.cols());
  auto& order = by.order;
  std::stable_sort(order.begin(), order.end(),
                   [&](Index a, Index b) { return quotients[a] > quotients[b]; });
  const double blur = 16 * s.unit * std::sqrt(static_cast<double>(C.rows())) * C.norm();
  by.sizes.clear();
  for (std::size_t i = 0; i < order.size(); ++i) {
    if (i == 0 || quotients[order[i - 1]] - quotients[order[i]] > blur) by.sizes.push_back(0);
    ++by.sizes.back();
  }
  if (fresh.size() == 0) return by;
  order_of_ties(image, fresh, by);
  Real sorted(image.rows(), image.cols());
  for (Index j = 0; j < sorted.cols(); ++j) {
    sorted.col(j) = image.col(order[static_cast<std::size_t>(j)]);
  }
  const Real factor = product(Op::transpose, fresh, Op::none, sorted);
  double below = 0;
  for (Index j = 0; j < factor.cols(); ++j) {
    below += factor.col(j).tail(factor.rows() - j - 1).squaredNorm();
  }
  const double whole = std::max(factor.norm(), 1e-300);
  const auto n = static_cast<double>(C.rows());
  e.invariants.push_back(
      {name + " is the factor of a power iteration", 0, std::sqrt(below) / whole, 64 * n * s.unit});
  return by;
}

// Where rounding sorts, a block of what was sorted is known by its sum alone: that is judged, and
// its entries taken as they are found.
void judge_ties(const Sorted& rows, const Sorted& cols, const Real& found, Real& expected,
                const Real& slack, Expected& e) {
  if (found.rows() != expected.rows() || found.cols() != expected.cols()) return;
  Invariant worst{"state exp_avg_sq, sum over columns that rounding sorts", 0, 0, 0};
  double most = -1;
  Index i = 0;
  for (const Index height : rows.sizes) {
    Index j = 0;
    for (const Index width : cols.sizes) {
      if (height * width > 1) {
        const double sum = expected.block(i, j, height, width).sum();
        const double other = found.block(i, j, height, width).sum();
        const double bound = kMargin * slack.block(i, j, height, width).sum();
        if (std::abs(other - sum) / std::max(bound, 1e-300) > most) {
          most = std::abs(other - sum) / std::max(bound, 1e-300);
          worst.expected = sum;
          worst.found = other;
          worst.bound = bound;
        }
        expected.block(i, j, height, width) = found.block(i, j, height, width);
      }
      j += width;
    }
    i += height;
  }
  if (most >= 0) e.invariants.push_back(std::move(worst));
}

}  // namespace

void expect_adam_in_bases(const Scene& s, Expected& e) {
  const double b1 = s.options.real("betas", 0), b2 = s.options.real("betas", 1);
  const double beta = s.options.maybe("shampoo_beta").value_or(b2);
  const double eps = s.options.real("eps");
  const auto every = static_cast<std::int64_t>(s.options.real("precondition_frequency"));
  const Index m = s.G.rows(), n = s.G.cols();
  RealFields statistics;
  for (const bool left : {true, false}) {
    const std::string name = left ? "L" : "R";
    const Index side = left ? m : n;
    if (static_cast<double>(side) > s.options.real("max_precond_dim")) continue;
    s.state("Q" + name, side, side);
    auto claim = average_gram(s, name, beta, s.state(name, side, side),
                              left ? left_gram(s.G) : right_gram(s.G), left ? n : m);
    statistics[name] = s.kept_or(name, claim.expected, claim.slack);
    e.fields.push_back(std::move(claim));
  }
  const Real QL = state_or_empty(s.before, "QL"), QR = state_or_empty(s.before, "QR");
  const Real QL1 = state_or_empty(s.after, "QL"), QR1 = state_or_empty(s.after, "QR");
  for (const auto& [name, Q] : {std::pair{"QL", &QL1}, std::pair{"QR", &QR1}}) {
    if (Q->size() == 0) continue;
    e.invariants.push_back({std::string(name) + "'" + name + " - I", 0, off_identity(*Q),
                            64 * std::sqrt(static_cast<double>(Q->rows())) * s.unit});
  }
  // A state that was given, by a file say, may hold anything.
  for (const auto& [name, Q] : {std::pair{"QL", &QL}, std::pair{"QR", &QR}}) {
    if (Q->size() == 0 || s.t == 0) continue;
    const double bound = 64 * std::sqrt(static_cast<double>(Q->rows())) * s.unit;
    const double off_by = off_identity(*Q);
    if (off_by > bound) {
      e.invariants.push_back(
          {std::string(name) + "'" + name + " - I before the step", 0, off_by, bound});
    }
  }
  const Real& M0 = s.state("exp_avg");
  const Real& V0 = s.state("exp_avg_sq");
  const auto exact = [&](const std::string& name, const Real& same) {
    e.fields.push_back({name, same, Real::Zero(same.rows(), same.cols())});
  };
  if (s.t == 0) {  // only the bases are found, and only where none was given
    e.skip = true;
    e.D.setZero(m, n);
    e.slack.setZero(m, n);
    exact("exp_avg", M0);
    exact("exp_avg_sq", V0);
    for (const bool left : {true, false}) {
      const Real& given = left ? QL : QR;
      const Real& found = left ? QL1 : QR1;
      if (given.size() == 0 || found.size() == 0) continue;
      if (!given.isZero(0)) {
        exact(left ? "QL" : "QR", given);
        continue;
      }
      const Real gram = left ? left_gram(s.G) : right_gram(s.G);
      Real turned = product(Op::transpose, found, Op::none, product(gram, found));
      const double whole = std::max(turned.norm(), 1e-300);
      const Vector<double> values = turned.diagonal();
      turned.diagonal().setZero();
      const auto size = static_cast<double>(gram.rows());
      e.invariants.push_back(
          {std::string(left ? "QL" : "QR") + " diagonalizes the first gradient's", 0,
           turned.norm() / whole, 64 * std::sqrt(size) * s.unit});
      double rises = 0;
      for (Index i = 1; i < values.size(); ++i) rises = std::max(rises, values[i] - values[i - 1]);
      e.invariants.push_back({std::string(left ? "QL" : "QR") + " in descending order", 0,
                              rises / whole, 64 * std::sqrt(size) * s.unit});
    }
    return;
  }
  const Real turned = into(QL, s.G, QR);
  const auto spread = static_cast<double>(std::max(m, n));
  const Real doubt = turning_slack(s, turned);
  const Real M = b1 * M0 + (1 - b1) * turned;
  const Real V = b2 * V0 + (1 - b2) * turned.cwiseAbs2();
  const Real M_slack = rounding(s, b1 * M0.cwiseAbs() + turned.cwiseAbs()) + (1 - b1) * doubt;
  const Real V_slack = rounding(s, b2 * V0 + turned.cwiseAbs2()).array() +
                       (1 - b2) * doubt.array() * (2 * turned.cwiseAbs().array() + doubt.array());
  const bool refresh = s.t % every == 0;
  Real M_used = M, V_used = V;
  bool known = false;
  if (!refresh) {
    e.fields.push_back({"exp_avg", M, M_slack});
    e.fields.push_back({"exp_avg_sq", V, V_slack});
    M_used = s.kept_or("exp_avg", M, M_slack);
    V_used = s.kept_or("exp_avg_sq", V, V_slack);
    known = !s.after.empty();
    if (QL.size()) exact("QL", QL);
    if (QR.size()) exact("QR", QR);
  } else {
    Sorted rows = unsorted(m), cols = unsorted(n);
    if (QL.size()) rows = judge_refresh(s, "QL", statistics.at("L"), QL, QL1, e);
    if (QR.size()) cols = judge_refresh(s, "QR", statistics.at("R"), QR, QR1, e);
    Real sorted = V, sorted_slack = V_slack;
    for (Index i = 0; i < m; ++i) {
      for (Index j = 0; j < n; ++j) {
        const Index from_i = rows.order[static_cast<std::size_t>(i)];
        const Index from_j = cols.order[static_cast<std::size_t>(j)];
        sorted(i, j) = V(from_i, from_j);
        sorted_slack(i, j) = V_slack(from_i, from_j);
      }
    }
    judge_ties(rows, cols, state_or_empty(s.after, "exp_avg_sq"), sorted, sorted_slack, e);
    e.fields.push_back({"exp_avg_sq", sorted, sorted_slack});
    if (QL1.size() || QR1.size() || (QL.size() == 0 && QR.size() == 0)) {
      const Real kept = into(QL1, out_of(QL, M, QR), QR1);
      // Of what is turned, too: it carries the rounding of the gradient's own turn.
      const Real slack = turning_slack(s, kept) + turning_slack(s, M) + M_slack;
      e.fields.push_back({"exp_avg", kept, slack});
    }
  }
  const auto under = (V_used.array().sqrt() + eps).eval();
  const Real quotient = (under == 0).select(0.0, M_used.array() / under);
  double b = 1;
  if (s.options.flag("correct_bias", true)) {
    const auto steps = static_cast<double>(s.t);
    b = std::sqrt(1 - std::pow(b2, steps)) / (1 - std::pow(b1, steps));
  }
  e.Q = out_of(QL, M_used, QR);
  e.D = b * out_of(QL, quotient, QR);
  // Where the moments are known only by their claim, small entries of both say little.
  double loose = 8 * s.unit * std::sqrt(spread) * quotient.norm();
  if (!known) {
    const auto relative = (under == 0)
                              .select(0.0, M_slack.array() / under +
                                               quotient.array().abs() * V_slack.array() /
                                                   (2 * V_used.array().sqrt() * under + 1e-300));
    loose += relative.min(2 * quotient.array().abs() + 1).matrix().norm();
  }
  e.slack.setConstant(m, n, b * loose / std::sqrt(static_cast<double>(e.D.size())));
}

}  // namespace muonflow::optim::detail

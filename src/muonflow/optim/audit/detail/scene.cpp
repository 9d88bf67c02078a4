#include "muonflow/optim/audit/detail/scene.hpp"

#include <cmath>
#include <limits>

#include "muonflow/optim/rule_registry.hpp"

namespace muonflow::optim::detail {
namespace {

constexpr double kTiny = std::numeric_limits<float>::min();  // below it float has fewer digits

using Twin = void (*)(const Scene&, Expected&);

Twin twin_of(Direction direction) {
  switch (direction) {
    case Direction::unclaimed:
      return nullptr;
    case Direction::momentum:
      return expect_momentum;
    case Direction::unit:
      return expect_unit;
    case Direction::sign:
      return expect_sign;
    case Direction::lion:
      return expect_lion;
    case Direction::adam:
      return expect_adam;
    case Direction::polar:
      return expect_polar;
    case Direction::smoothed_polar:
      return expect_smoothed_polar;
    case Direction::spectral_power:
      return expect_spectral_power;
    case Direction::chaotic:
      return expect_chaotic;
    case Direction::nuclear_polar:
      return expect_nuclear_polar;
    case Direction::row_scaled_polar:
      return expect_row_scaled_polar;
    case Direction::entry_scaled_polar:
      return expect_entry_scaled_polar;
    case Direction::norm_ball:
      return expect_norm_ball;
    case Direction::low_rank_polar:
      return expect_low_rank_polar;
    case Direction::compensated_polar:
      return expect_compensated_polar;
    case Direction::two_sided_roots:
      return expect_two_sided_roots;
    case Direction::gram_root:
      return expect_gram_root;
    case Direction::column_root:
      return expect_column_root;
    case Direction::adam_in_bases:
      return expect_adam_in_bases;
    case Direction::turn:
      return expect_turn;
  }
  return nullptr;
}

}  // namespace

// The visitor only reads here, but a rule's `fields` is not const.
OptionValues::OptionValues(const AnyRule& rule)
    : values_(fields_to_json([&](FieldVisitor& v) { const_cast<AnyRule&>(rule).fields(v); })) {
}  // NOLINT

bool OptionValues::has(std::string_view name) const { return values_.contains(name); }

double OptionValues::real(std::string_view name) const {
  return values_.at(std::string(name)).get<double>();
}
double OptionValues::real(std::string_view name, std::size_t index) const {
  return values_.at(std::string(name)).at(index).get<double>();
}
std::optional<double> OptionValues::maybe(std::string_view name) const {
  const auto it = values_.find(std::string(name));
  if (it == values_.end() || !it->is_number()) return {};
  return it->get<double>();
}
bool OptionValues::flag(std::string_view name, bool otherwise) const {
  const auto it = values_.find(std::string(name));
  return it != values_.end() && it->is_boolean() ? it->get<bool>() : otherwise;
}
std::string OptionValues::text(std::string_view name) const {
  const auto it = values_.find(std::string(name));
  return it != values_.end() && it->is_string() ? it->get<std::string>() : std::string();
}

double Scene::mu(std::string_view name) const {
  const double own = options.real(name);
  return warmup && own != 0 ? warmup->start + (own - warmup->start) * warmup->part : own;
}

const Real& Scene::state(const std::string& name, Index rows, Index cols) const {
  const auto it = before.find(name);
  if (it == before.end()) throw MissingState{name, "", rows, cols};
  if (it->second.rows() != rows || it->second.cols() != cols) {
    throw MissingState{name, to_string(Shape{it->second.rows(), it->second.cols()}), rows, cols};
  }
  return it->second;
}

Real Scene::kept_or(const std::string& name, const Real& expected, const Real& slack) const {
  const auto it = after.find(name);
  if (it == after.end() || it->second.rows() != expected.rows() ||
      it->second.cols() != expected.cols()) {
    return expected;
  }
  const bool right = ((it->second - expected).array().abs() <= kMargin * slack.array()).all();
  return right ? it->second : expected;
}

Real rounding(const Scene& scene, const Real& sizes) {
  return (4 * scene.unit) * sizes.array() + kTiny;
}

Average advance(const Scene& s, Expected& e) {
  Average a;
  const Claims& claims = s.claims;
  if (claims.memory == Memory::none) {
    a.M = a.Q = s.G;
    return a;
  }
  const double mu = s.mu();
  const bool sum = claims.memory == Memory::by_form && s.options.text("momentum_form") == "sum";
  a.part = sum ? 1 : 1 - mu;
  bool first = false;
  if (claims.memory == Memory::dampened) {
    a.part = 1 - s.options.real("dampening");
    if (mu == 0) {
      a.M = a.Q = s.G;
      return a;
    }
    first = s.t == 0 && s.state("momentum_buffer").isZero(0);
  }
  const Real& old = s.state("momentum_buffer");
  const double of_new = first ? 1 : a.part;
  a.M = mu * old + of_new * s.G;
  const Real slack = rounding(s, mu * old.cwiseAbs() + of_new * s.G_size);
  e.fields.push_back({"momentum_buffer", a.M, slack});
  a.M = s.kept_or("momentum_buffer", a.M, slack);
  if (s.options.flag("nesterov", claims.nesterov)) {
    const double ahead = claims.memory == Memory::dampened ? 1 : a.part;
    a.Q = ahead * s.G + mu * a.M;
  } else {
    a.Q = a.M;
  }
  return a;
}

RealFields within(const RealFields& fields, const std::string& prefix) {
  RealFields found;
  for (const auto& [name, value] : fields) {
    if (name.starts_with(prefix)) found.emplace(name.substr(prefix.size()), value);
  }
  return found;
}

Expected expect(const Scene& scene) {
  Expected e;
  e.by = scene.lr * scene.scale;
  const Twin twin = twin_of(scene.claims.direction);
  if (!twin) {
    e.off = "the rule claims nothing";
    return e;
  }
  twin(scene, e);
  return e;
}

}  // namespace muonflow::optim::detail

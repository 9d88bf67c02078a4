#include "muonflow/cli/coefficient_list.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <vector>

#include "muonflow/core/error.hpp"
#include "muonflow/core/text.hpp"
#include "muonflow/linalg/coefficients.hpp"
#include "muonflow/linalg/minimax.hpp"

namespace muonflow::cli {
namespace {

using Steps = std::vector<linalg::OddPolynomial>;

// What a run of steps makes of the singular values in [lower, upper].
struct Measured {
  std::int64_t steps;
  double lower, upper;
  double smallest, largest, error;
};

struct Listing {
  std::string name, summary, cite, input, continuation;
  double norm_factor = 1;
  Steps steps;
  std::vector<Measured> measured;
  Json options;  // of a generated composition
};

Measured measure(const Steps& steps, double lower, double upper) {
  const auto [smallest, largest] = linalg::composition_range(steps, lower, upper);
  return {static_cast<std::int64_t>(steps.size()),       lower, upper, smallest, largest,
          linalg::composition_error(steps, lower, upper)};
}

Listing published(const linalg::TableInfo& info) {
  const auto run_of = [&](std::int64_t count) {
    Steps steps;
    for (std::int64_t t = 0; t < count; ++t) {
      steps.push_back(linalg::table_step(info.table, t, count));
    }
    return steps;
  };
  Listing listing{.name = std::string(enum_name(info.table)),
                  .summary = std::string(info.summary),
                  .cite = std::string(info.cite),
                  .input = std::string(info.input),
                  .continuation = std::string(info.continuation),
                  .norm_factor = info.norm_factor,
                  .steps = run_of(info.entries),
                  .measured = {},
                  .options = {}};
  for (const double lower : {1e-3, 5e-3, 1e-2}) {
    listing.measured.push_back(measure(run_of(info.steps), lower, 1));
  }
  for (std::int64_t more = 1; more <= 3; ++more) {
    listing.measured.push_back(measure(run_of(info.steps + more), 1e-3, 1));
  }
  return listing;
}

Listing generated(const std::string& text) {
  linalg::Generate options;
  const Json tree = Json::parse(text, nullptr, false);
  if (!tree.is_object()) {
    throw ConfigError(
        {.place = "--generate", .expected = "a JSON object", .found = text.substr(0, 60)});
  }
  read(tree, options, [](const std::string& path) {
    return path.empty() ? std::string("--generate") : "--generate " + path;
  });
  Listing listing{.name = "generated",
                  .summary = fmt::format("greedy minimax of degree {} on [{}, {}]", options.degree,
                                         shortest(options.lower), shortest(options.upper)),
                  .cite = "Amsel, Persson, Musco, Gower, arXiv:2505.16932",
                  .input = "Q / (||Q||_F + eps)",
                  .continuation = "",
                  .norm_factor = 1,
                  .steps = linalg::generate(options),
                  .measured = {},
                  .options = muonflow::to_json(options)};
  for (std::size_t count = 1; count <= listing.steps.size(); ++count) {
    const Steps first(listing.steps.begin(),
                      listing.steps.begin() + static_cast<std::ptrdiff_t>(count));
    listing.measured.push_back(measure(first, options.lower, options.upper));
  }
  return listing;
}

Json listing_json(const Listing& listing) {
  Json object{{"name", listing.name},
              {"summary", listing.summary},
              {"reference", listing.cite},
              {"input", listing.input},
              {"norm_factor", listing.norm_factor}};
  if (!listing.options.is_null()) object["options"] = listing.options;
  object["steps"] = Json::array();
  for (const auto& p : listing.steps) {
    Json row = Json::array();
    for (std::size_t k = 0; k < p.terms; ++k) row.push_back(p[k]);
    object["steps"].push_back(row);
  }
  if (!listing.continuation.empty()) object["continuation"] = listing.continuation;
  object["values"] = Json::array();
  for (const auto& m : listing.measured) {
    object["values"].push_back({{"steps", m.steps},
                                {"lower", m.lower},
                                {"upper", m.upper},
                                {"smallest", m.smallest},
                                {"largest", m.largest},
                                {"error", m.error}});
  }
  return object;
}

void print(const Listing& listing) {
  fmt::print("{}: {}\n  {:<9}  {}\n  {:<9}  {}\n", listing.name, listing.summary, "reference",
             listing.cite, "input", listing.input);
  // Columns a, b, c, ... aligned.
  std::vector<std::vector<std::string>> rows;
  std::array<std::size_t, linalg::OddPolynomial::kMaxTerms> width{};
  for (const auto& p : listing.steps) {
    std::vector<std::string> row;
    for (std::size_t k = 0; k < p.terms; ++k) {
      row.push_back(shortest(p[k]));
      width[k] = std::max(width[k], row.back().size());
    }
    rows.push_back(std::move(row));
  }
  for (std::size_t i = 0; i < rows.size(); ++i) {
    fmt::print("  {:<9}", i == 0 ? "steps" : "");
    for (std::size_t k = 0; k < rows[i].size(); ++k) fmt::print("  {:>{}}", rows[i][k], width[k]);
    fmt::print("\n");
  }
  if (!listing.continuation.empty()) fmt::print("  {:<9}  then {}\n", "", listing.continuation);
  for (std::size_t i = 0; i < listing.measured.size(); ++i) {
    const Measured& m = listing.measured[i];
    fmt::print("  {:<9}  [{}, {}] after {} step{} in [{:.4g}, {:.4g}], error {:.2g}\n",
               i == 0 ? "values" : "", shortest(m.lower), shortest(m.upper), m.steps,
               m.steps == 1 ? "" : "s", m.smallest, m.largest, m.error);
  }
}

}  // namespace

void list_coefficients(const std::string& name, const std::string& generate, bool json) {
  std::vector<Listing> listings;
  if (!generate.empty()) {
    listings.push_back(generated(generate));
  } else {
    constexpr auto& kNames = EnumNames<linalg::Table>::names;
    const std::vector<std::string> known(kNames.begin(), kNames.end());
    if (!name.empty() && std::find(known.begin(), known.end(), name) == known.end()) {
      const auto near = nearest_name(name, known);
      throw ConfigError({.place = "muonflow list --coefficients",
                         .what = "no table is called '" + name + "'",
                         .expected = "one of " + join(known),
                         .advice = near.empty() ? "" : "did you mean '" + near + "'?"});
    }
    for (const auto& info : linalg::kTables) {
      if (name.empty() || name == enum_name(info.table)) listings.push_back(published(info));
    }
  }
  if (json) {
    Json all = Json::array();
    for (const auto& listing : listings) all.push_back(listing_json(listing));
    fmt::print("{}\n", all.dump(2));
    return;
  }
  fmt::print("A step maps every singular value x to a x + b x^3 + c x^5 + ...\n");
  for (const auto& listing : listings) {
    fmt::print("\n");
    print(listing);
  }
}

}  // namespace muonflow::cli

// Energies, ledger and momentum of the flow runs.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "muonflow/report/line_figure.hpp"
#include "muonflow/report/markup.hpp"
#include "muonflow/report/sections.hpp"

namespace muonflow::report {
namespace {

constexpr std::size_t kColumnsOfAMap = 600;
// Tones of quantities in the chart of one run; page.css has their colours.
constexpr std::size_t kObjectiveTone = 0, kKineticTone = 1, kDissipatedTone = 2;
const std::vector<std::pair<std::string, std::string>> kTime{{"time", "time t"}};

Figure flow_figure(const std::string& id, const std::string& y) {
  Figure figure;
  figure.id = id;
  figure.section = "flow";
  figure.x = kTime;
  figure.y = y;
  return figure;
}

std::vector<double> absolute(std::vector<double> values) {
  for (double& value : values) value = std::abs(value);
  return values;
}

// J, then K on top of it, then what was dissipated on top of that: the exact flow's top edge is
// flat.
std::string ledger_figure(const FlowRun& run, std::size_t index, PageData& data) {
  if (run.time.empty()) return {};
  const auto id = fmt::format("flow-{}-ledger", index);
  auto figure = flow_figure(id, "energy");
  const auto kept = thinned(run.objective, kPointsOfALine);
  const auto points = data.add_points({{"time", pick(run.time, kept)}});
  std::vector<double> total(run.energy.size());
  for (std::size_t i = 0; i < total.size(); ++i) total[i] = run.energy[i] + run.dissipated[i];
  const auto add = [&](const char* label, const char* role, const std::vector<double>& y,
                       std::size_t tone, std::optional<Series::Fill> fill) {
    figure.series.push_back({.label = label,
                             .role = role,
                             .points = points,
                             .y = pick(y, kept),
                             .run = {},
                             .tone = tone,
                             .fill = fill});
  };
  add("objective J", "line", run.objective, kObjectiveTone, {});
  add("energy E = J + K", "line", run.energy, kKineticTone,
      Series::Fill{.to = 0, .tone = kKineticTone});
  add("E + dissipated", "total", total, kDissipatedTone,
      Series::Fill{.to = 1, .tone = kDissipatedTone});
  // Marks at the kept points only; a rise between two of them shows in the table's count.
  Figure::Marks marks{.points = points, .at = {}};
  for (std::size_t i = 0; i < kept.size(); ++i) {
    if (std::binary_search(run.increases.begin(), run.increases.end(), kept[i])) {
      marks.at.push_back(i);
    }
  }
  const bool rises = !marks.at.empty();
  if (rises) figure.marks = std::move(marks);
  data.add(std::move(figure));
  std::string keys = "<ul class=\"keys\"><li><span class=\"line of-0\"></span>objective J</li>";
  if (!run.momentum_free) {
    keys +=
        "<li><span class=\"band of-1\"></span>kinetic K</li>"
        "<li><span class=\"line of-1\"></span>energy E = J + K</li>";
  }
  keys +=
      "<li><span class=\"band of-2\"></span>dissipated</li>"
      "<li><span class=\"line dashed\"></span>E + dissipated</li>";
  if (rises) keys += "<li><span class=\"tick\"></span>J rose</li>";
  keys += "</ul>\n";
  return figure_html(
      id,
      fmt::format("<b>Where the energy goes.</b> Objective{} and what was dissipated, stacked: the "
                  "dashed top stays level as far as the ledger closes.",
                  run.momentum_free ? "" : ", kinetic energy"),
      "tall", keys);
}

std::string spectra_figures(const FlowRun& run, std::size_t index, PageData& data) {
  std::string out;
  for (std::size_t b = 0; b < run.spectra.size(); ++b) {
    const auto& spectra = run.spectra[b];
    const auto any = [](const std::vector<double>& row) {
      return std::any_of(row.begin(), row.end(), [](double s) { return s > 0; });
    };
    if (std::none_of(spectra.rows.begin(), spectra.rows.end(), any)) continue;  // no momentum
    const auto id = fmt::format("flow-{}-spectra-{}", index, b);
    // Every so many columns, so that each stays a pixel wide.
    const auto stride =
        std::max<std::size_t>(1, (spectra.time.size() + kColumnsOfAMap - 1) / kColumnsOfAMap);
    std::vector<std::size_t> kept;
    for (std::size_t i = 0; i < spectra.time.size(); i += stride) kept.push_back(i);
    Heatmap map;
    map.id = id;
    map.x_label = "time t";
    map.y_label = "singular value, largest first";
    map.value_label = "mean over particles";
    map.x = pick(spectra.time, kept);
    for (const auto& row : spectra.rows) map.rows.push_back(pick(row, kept));
    data.add(std::move(map));
    out += figure_html(
        id,
        fmt::format(
            "<b>Spectrum of the momentum{}.</b> Each row is one singular value, averaged over "
            "the particles; colour is its size on a log scale.",
            spectra.block.empty() ? "" : ", " + escape(spectra.block)),
        "tall", "<div class=\"readout\">Point at a cell to read its value.</div>\n");
  }
  return out;
}

// Kinetic energy and dissipation of every block, in the colour of the block.
std::string blocks_figure(const FlowRun& run, std::size_t index, PageData& data) {
  if (run.blocks.empty() || run.momentum_free) return {};
  auto figure = flow_figure(fmt::format("flow-{}-blocks", index), "energy");
  figure.log = true;
  std::string keys = "<ul class=\"keys\">";
  for (std::size_t b = 0; b < run.blocks.size(); ++b) {
    const auto& [name, kinetic, dissipated] = run.blocks[b];
    const bool any = add_line(
        figure, data,
        {.label = "kinetic, " + name, .axes = {{"time", run.time}}, .y = kinetic, .tone = b});
    add_line(figure, data,
             {.label = "dissipated, " + name,
              .axes = {{"time", run.time}},
              .y = dissipated,
              .role = "theory",
              .tone = b});
    if (any) {
      keys += fmt::format("<li><span class=\"line of-{}\"></span>{}</li>", b % 8, escape(name));
    }
  }
  keys += "<li><span class=\"line dashed\"></span>dissipated</li></ul>\n";
  return finish_figure(std::move(figure), data,
                       "<b>Block by block.</b> The kinetic energy of each block of the particles, "
                       "and what has been dissipated through it.",
                       "tall", keys);
}

// exp(-rate t) over a stretch of time, from where `values` stand at its start.
Line decay(const char* label, const std::vector<double>& time, const std::vector<double>& values,
           double rate, double from, double to, std::size_t tone) {
  Line line{
      .label = label, .axes = {{"time", {from, to}}}, .y = {}, .role = "theory", .tone = tone};
  const auto at = std::lower_bound(time.begin(), time.end(), from) - time.begin();
  const double start = values[std::min(static_cast<std::size_t>(at), values.size() - 1)];
  line.y = {start, start * std::exp(-rate * (to - from))};
  return line;
}

// The energy above its limit beside the rate that was fitted, and the certificate's function beside
// the rate at which it was proven to fall.
std::string rate_figure(const FlowRun& run, std::size_t index, PageData& data) {
  const bool fitted = std::isfinite(run.rate + run.rate_from + run.rate_to);
  const bool certified = !run.lyapunov.empty() &&
                         std::isfinite(run.certified_rate + run.certified_from + run.certified_to);
  if (run.time.empty() || !std::isfinite(run.infimum) || !(fitted || certified)) return {};
  auto figure = flow_figure(fmt::format("flow-{}-rate", index),
                            certified ? "E − inf J, Lyapunov function" : "E − inf J");
  figure.log = true;
  auto above = run.energy;
  for (double& energy : above) energy -= run.infimum;
  std::string keys = "<ul class=\"keys\"><li><span class=\"line of-0\"></span>E − inf J</li>";
  add_line(figure, data,
           {.label = "E − inf J", .axes = {{"time", run.time}}, .y = above, .tone = 0});
  if (fitted) {
    add_line(figure, data,
             decay("fitted", run.time, above, run.rate, run.rate_from, run.rate_to, 1));
    keys += fmt::format("<li><span class=\"line theory of-1\"></span>fitted rate {}</li>",
                        number_html(run.rate, 3));
  }
  if (certified) {
    auto held = run.lyapunov;
    for (std::size_t i = 0; i < held.size(); ++i) {
      if (!run.lyapunov_holds[i]) held[i] = std::nan("");
    }
    const bool always = std::find(run.lyapunov_holds.begin(), run.lyapunov_holds.end(), false) ==
                        run.lyapunov_holds.end();
    if (!always) {
      add_line(figure, data,
               {.label = "Lyapunov function, assumptions fail",
                .axes = {{"time", run.lyapunov_time}},
                .y = run.lyapunov,
                .role = "faint",
                .tone = 2});
    }
    add_line(figure, data,
             {.label = "Lyapunov function",
              .axes = {{"time", run.lyapunov_time}},
              .y = std::move(held),
              .tone = 2});
    add_line(figure, data,
             decay("certified", run.lyapunov_time, run.lyapunov, run.certified_rate,
                   run.certified_from, run.certified_to, 2));
    keys += fmt::format(
        "<li><span class=\"line of-2\"></span>Lyapunov function</li>{}"
        "<li><span class=\"line theory of-2\"></span>certified rate {}</li>",
        always ? "" : "<li><span class=\"line faint of-2\"></span>where its assumptions fail</li>",
        number_html(run.certified_rate, 3));
  }
  keys += "</ul>\n";
  return finish_figure(std::move(figure), data,
                       certified
                           ? "<b>Rate against certificate.</b> The energy above its limit, and "
                             "the certificate's function, which must fall at least as fast as "
                             "its dashed line."
                           : "<b>Rate of the energy</b> above its limit.",
                       "tall", keys);
}

// Nothing where all is 0, as the momentum of a flow without momentum.
std::vector<double> without_zeros(std::vector<double> values) {
  const bool zeros = std::all_of(values.begin(), values.end(), [](double v) { return v == 0; });
  return zeros ? std::vector<double>(values.size(), std::nan("")) : values;
}

// One line a run over all runs.
std::string shared_figure(std::span<const FlowRun> runs, PageData& data, Figure figure,
                          const std::string& caption,
                          const std::function<std::vector<double>(const FlowRun&)>& column) {
  for (std::size_t r = 0; r < runs.size(); ++r) {
    add_line(
        figure, data,
        {.label = runs[r].name, .axes = {{"time", runs[r].time}}, .y = column(runs[r]), .run = r});
  }
  return finish_figure(std::move(figure), data, caption);
}

std::string shared_figures(std::span<const FlowRun> runs, PageData& data) {
  auto energy = flow_figure("flow-energy", "energy E");
  energy.log = std::all_of(runs.begin(), runs.end(), [](const FlowRun& run) {
    return std::all_of(run.energy.begin(), run.energy.end(), [](double e) { return !(e <= 0); });
  });
  auto objective = flow_figure("flow-objective", "objective J");
  objective.log = std::all_of(runs.begin(), runs.end(), [](const FlowRun& run) {
    return std::all_of(run.objective.begin(), run.objective.end(),
                       [](double j) { return !(j <= 0); });
  });
  auto kinetic = flow_figure("flow-kinetic", "kinetic energy K");
  kinetic.log = true;
  auto error = flow_figure("flow-error", "|E(0) − E(t) − dissipated|");
  error.log = true;
  auto norm = flow_figure("flow-norm", "largest singular value");
  norm.from_zero = true;
  std::string out;
  out += shared_figure(runs, data, energy,
                       energy.log ? "<b>Energy E.</b> On a log axis a straight line is an "
                                    "exponential rate."
                                  : "<b>Energy E.</b>",
                       [](const FlowRun& run) { return run.energy; });
  out += shared_figure(runs, data, objective,
                       "<b>Objective J.</b> It may rise while the energy falls.",
                       [](const FlowRun& run) { return run.objective; });
  out += shared_figure(runs, data, kinetic,
                       "<b>Kinetic energy K</b> = mean Φ(M)/γ: what the momentum holds.",
                       [](const FlowRun& run) { return run.kinetic; });
  out += shared_figure(runs, data, error,
                       "<b>Ledger error:</b> what the integrator loses or invents; the exact flow "
                       "has none.",
                       [](const FlowRun& run) { return absolute(run.ledger_error); });
  out += shared_figure(runs, data, norm,
                       "<b>Largest momentum:</b> operator norm, maximum over particles.",
                       [](const FlowRun& run) { return without_zeros(run.momentum_op_norm); });
  auto distance = flow_figure("flow-distance", "distance");
  distance.from_zero = true;
  out += shared_figure(runs, data, distance,
                       "<b>Distance of two particles:</b> root mean square over all pairs. Whether "
                       "the law spreads or concentrates.",
                       [](const FlowRun& run) { return run.particle_distance; });
  out += shared_figure(
      runs, data, flow_figure("flow-alignment", "⟨G, ∇Φ(M)⟩ / ‖G‖²"),
      "<b>Alignment</b> of the motion with the force, means over the particles. Where it is "
      "negative the objective rises.",
      [](const FlowRun& run) { return run.alignment; });
  return out;
}

}  // namespace

std::string flow_figures(std::span<const FlowRun> runs, PageData& data) {
  std::string out;
  for (std::size_t r = 0; r < runs.size(); ++r) {
    const auto pair = ledger_figure(runs[r], r, data) + rate_figure(runs[r], r, data) +
                      blocks_figure(runs[r], r, data) + spectra_figures(runs[r], r, data);
    if (pair.empty()) continue;
    if (runs.size() > 1) {
      out += fmt::format("<h3>{} {}</h3>\n", swatch_html(r), escape(runs[r].name));
    }
    out += "<div class=\"figures pair\">\n" + pair + "</div>\n";
  }
  const auto shared = shared_figures(runs, data);
  if (shared.empty()) return out;
  if (runs.size() > 1) {
    std::vector<std::string> names;
    for (const auto& run : runs) names.push_back(run.name);
    out += "<h3>All flows together</h3>\n<div class=\"controls\">\n" + chips_html("flow", names) +
           "</div>\n";
  }
  return out + "<div class=\"figures pair\">\n" + shared + "</div>\n";
}

}  // namespace muonflow::report

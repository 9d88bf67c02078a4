#include "muonflow/report/training_run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "muonflow/report/events.hpp"
#include "muonflow/report/run_state.hpp"

namespace muonflow::report {
namespace {

void append_position(Positions& at, const Json& event) {
  at.step.push_back(number_of(event, {"step"}));
  at.tokens.push_back(number_of(event, {"tokens"}));
  at.seconds.push_back(number_of(event, {"seconds"}));
}

double element_count(const Json& shape) {
  if (!shape.is_array() || shape.empty()) return kNaN;
  double count = 1;
  for (const auto& extent : shape) count *= extent.is_number() ? extent.get<double>() : kNaN;
  return count;
}

std::string shape_text(const Json& shape) {
  if (!shape.is_array()) return plain_text(shape);
  std::string out;
  for (const auto& extent : shape) out += (out.empty() ? "" : " × ") + plain_text(extent);
  return out;
}

std::vector<RoutingRow> routing_rows(const record::RunReader& reader) {
  std::vector<RoutingRow> rows;
  const auto* event = reader.last("routing");
  if (event == nullptr) return rows;
  for (const auto& row : member(*event, "rows")) {
    const auto& shape = member(row, "shape");
    rows.push_back({.tensor = text_of(row, {"tensor"}),
                    .shape = shape_text(shape),
                    .role = text_of(row, {"role"}),
                    .rule = text_of(row, {"rule"}),
                    .reason = text_of(row, {"reason"}),
                    .lr = number_of(row, {"lr"}),
                    .parameters = element_count(shape)});
  }
  return rows;
}

std::vector<RuleShare> rule_shares(const std::vector<RoutingRow>& rows) {
  std::vector<RuleShare> shares;
  for (const auto& row : rows) {
    auto at = std::find_if(shares.begin(), shares.end(), [&](const RuleShare& share) {
      return share.rule == row.rule && share.lr == row.lr;
    });
    if (at == shares.end()) {
      at = shares.insert(at, {.rule = row.rule, .lr = row.lr, .parameters = 0, .tensors = 0});
    }
    at->parameters += row.parameters;
    ++at->tensors;
  }
  std::stable_sort(shares.begin(), shares.end(), [](const RuleShare& a, const RuleShare& b) {
    return a.parameters > b.parameters;
  });
  return shares;
}

void read_steps(const record::RunReader& reader, TrainingRun& run) {
  const double base = run.rules.empty() ? 1 : run.rules.front().lr;
  for (const auto* event : reader.events("step")) {
    append_position(run.at_step, *event);
    run.loss.push_back(number_of(*event, {"loss"}));
    run.lr.push_back(base * number_of(*event, {"lr"}));
    run.optimizer_share.push_back(number_of(*event, {"optimizer_share"}));
  }
  // About a fiftieth of what was recorded, and never more than 100 values: enough to see two runs
  // apart, too little to hide a spike.
  run.smoothing = std::clamp(std::floor(static_cast<double>(run.loss.size()) / 50), 1.0, 100.0);
  run.smoothed = running_mean(run.loss, run.smoothing);
}

// What QK-clip and error feedback did, where they were on.
void remark_transforms(const record::RunReader& reader, TrainingRun& run) {
  double steps = 0, clipped = 0, most = 0, heads = 0, largest = kNaN, bytes = 0;
  for (const auto* event : reader.events("step")) {
    bytes = std::fmax(bytes, number_of(*event, {"message_bytes"}));
    const double logit = number_of(*event, {"max_logit"});
    if (!std::isfinite(logit)) continue;
    const double here = number_of(*event, {"clipped_heads"});
    ++steps;
    if (here > 0) ++clipped;
    heads += here;
    most = std::max(most, here);
    largest = std::fmax(largest, logit);
  }
  if (steps > 0) {
    run.remarks.push_back(
        fmt::format("QK-clip: {:.0f} heads scaled down in {:.0f} of {:.0f} recorded steps, at most "
                    "{:.0f} in one; largest attention logit {:.4g}",
                    heads, clipped, steps, most, largest));
  }
  if (bytes > 0) {
    run.remarks.push_back(
        fmt::format("error feedback: {:.0f} bytes of compressed gradients a step", bytes));
  }
}

void read_remarks(const record::RunReader& reader, TrainingRun& run) {
  run.remarks = reader.remarks();
  remark_transforms(reader, run);
  for (const auto& event : reader.events()) {
    const auto kind = text_of(event, {"kind"});
    const auto tensor = text_of(event, {"tensor"});
    const auto step = number_of(event, {"step"});
    if (kind == "trouble") {
      const auto how = text_of(event, {"how"});
      const auto& stops = member(event, "stops");
      const bool stopped = stops.is_boolean() && stops.get<bool>();
      if (const auto text = text_of(event, {"text"}); !text.empty()) {  // of an audit
        run.remarks.push_back(
            fmt::format("step {:.0f}: {}: {}", step, text_of(event, {"what"}), text));
        continue;
      }
      run.remarks.push_back(fmt::format("step {:.0f}: {}{} {}; {}", step, text_of(event, {"what"}),
                                        tensor.empty() ? "" : " in " + tensor,
                                        how.empty() ? "not finite" : how,
                                        stopped ? "the run stopped" : "step skipped"));
    } else if (kind == "warning") {
      run.remarks.push_back(fmt::format("step {:.0f}: {}{}", step,
                                        tensor.empty() ? "" : tensor + ": ",
                                        text_of(event, {"text"})));
    }
  }
  // What the audit of the steps came to, where there was one.
  const auto* summary = reader.summary();
  if (summary == nullptr || !member(*summary, "audit").is_object()) return;
  const auto number = [&](const char* key) {
    return number_of(*summary, {std::string("audit.") + key});
  };
  run.remarks.push_back(fmt::format(
      "{:.0f} steps audited: {:.0f} checks, {:.0f} failed, {:.0f} not judged, {:.2f}% of the time",
      number("audits"), number("checks"), number("failed"), number("not_judged"),
      100 * number("share")));
}

std::size_t trend_window(std::size_t records) {
  return std::clamp<std::size_t>(records / 20, 5, 500);
}

struct Spending {
  std::vector<double> optimizer, all;  // seconds a record
};

Spending spending(const TrainingRun& run) {
  Spending out{.optimizer = {}, .all = increments(run.at_step.seconds)};
  for (std::size_t i = 0; i < out.all.size(); ++i) {
    out.optimizer.push_back(run.optimizer_share[i] * out.all[i]);
  }
  return out;
}

double last_finite(const std::vector<double>& values) {
  const auto at = std::find_if(values.rbegin(), values.rend(),
                               [](double value) { return std::isfinite(value); });
  return at == values.rend() ? kNaN : *at;
}

}  // namespace

std::vector<double> increments(const std::vector<double>& totals) {
  std::vector<double> out;
  for (std::size_t i = 0; i < totals.size(); ++i) {
    out.push_back(totals[i] - (i == 0 ? 0 : totals[i - 1]));
  }
  return out;
}

std::vector<double> windowed_ratio(const std::vector<double>& numerators,
                                   const std::vector<double>& denominators, std::size_t window) {
  std::vector<double> out;
  for (std::size_t i = 0; i < numerators.size(); ++i) {
    double above = 0, below = 0;
    for (std::size_t k = i + 1 > window ? i + 1 - window : 0; k <= i; ++k) {
      if (!std::isfinite(numerators[k]) || !std::isfinite(denominators[k])) continue;
      above += numerators[k];
      below += denominators[k];
    }
    out.push_back(below > 0 ? above / below : kNaN);
  }
  return out;
}

std::vector<double> running_mean(const std::vector<double>& values, double window) {
  const double keep = 1 - 1 / window;
  double sum = 0, weight = 0;
  std::vector<double> out;
  out.reserve(values.size());
  for (const double value : values) {
    if (std::isfinite(value)) {
      sum = keep * sum + (1 - keep) * value;
      weight = keep * weight + (1 - keep);
    }
    out.push_back(weight > 0 ? sum / weight : kNaN);
  }
  return out;
}

TrainingRun training_run(const record::RunReader& reader, const std::string& name) {
  TrainingRun run;
  run.name = name;
  const auto& config = member(reader.manifest(), "config");
  run.data = text_of(config, {"data.name"});
  if (run.data.empty()) run.data = text_of(config, {"data.path"});
  run.routing = routing_rows(reader);
  run.rules = rule_shares(run.routing);
  read_steps(reader, run);
  for (const auto* event : reader.events("validation")) {
    append_position(run.at_validation, *event);
    run.validation.push_back(number_of(*event, {"loss"}));
  }
  if (const auto* summary = reader.summary()) {
    run.sample = text_of(*summary, {"sample", "sample.text"});
  }
  if (const auto* sample = reader.last("sample")) run.sample = text_of(*sample, {"text"});
  read_remarks(reader, run);
  const double done = run.at_step.step.empty() ? 0 : run.at_step.step.back();
  run.state = run_state(reader, done, number_of(config, {"train.steps"}), "step");
  return run;
}

double TrainingRun::final_loss() const { return last_finite(smoothed); }

double TrainingRun::final_validation() const { return last_finite(validation); }

double TrainingRun::best_validation() const {
  double best = kNaN;
  for (const double value : validation) {
    if (std::isfinite(value) && !(best <= value)) best = value;
  }
  return best;
}

std::vector<double> TrainingRun::throughput_curve() const {
  return windowed_ratio(increments(at_step.tokens), increments(at_step.seconds),
                        trend_window(at_step.step.size()));
}

std::vector<double> TrainingRun::optimizer_share_curve() const {
  const auto seconds = spending(*this);
  return windowed_ratio(seconds.optimizer, seconds.all, trend_window(seconds.all.size()));
}

double TrainingRun::mean_throughput() const {
  if (at_step.step.empty()) return kNaN;
  const double seconds = at_step.seconds.back();
  return seconds > 0 ? at_step.tokens.back() / seconds : kNaN;
}

double TrainingRun::mean_optimizer_share() const {
  if (at_step.step.empty()) return kNaN;
  const auto seconds = spending(*this);
  return windowed_ratio(seconds.optimizer, seconds.all, seconds.all.size()).back();
}

std::string TrainingRun::data_label() const {
  return std::filesystem::path(data).filename().string();
}

}  // namespace muonflow::report

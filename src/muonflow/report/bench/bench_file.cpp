#include "muonflow/report/bench/bench_file.hpp"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "muonflow/report/events.hpp"

namespace muonflow::report {
namespace {

bool flag_of(const Json& object, std::string_view key, bool otherwise) {
  const auto& value = member(object, key);
  return value.is_boolean() ? value.get<bool>() : otherwise;
}

// A list's elements; nothing where it is no list, since an object would give its values.
std::vector<const Json*> elements(const Json& object, std::string_view key) {
  std::vector<const Json*> out;
  const auto& list = member(object, key);
  if (!list.is_array()) return out;
  for (const auto& element : list) out.push_back(&element);
  return out;
}

KernelContender contender(const Json& object) {
  KernelContender out;
  out.name = text_of(object, {"name"});
  if (const auto note = text_of(object, {"note"}); !note.empty()) out.name += ", " + note;
  out.ours = flag_of(object, "ours", false);
  out.same_precision = flag_of(object, "same_precision", true);
  out.median = number_of(object, {"median"});
  out.spread = number_of(object, {"spread"});
  out.gflops = number_of(object, {"gflops"});
  out.fraction_of_peak = number_of(object, {"fraction_of_peak"});
  out.error = number_of(object, {"error"});
  out.parameters_per_second = number_of(object, {"parameters_per_second"});
  out.state_bytes = number_of(object, {"state_bytes"});
  out.ratio = number_of(object, {"ratio"});
  return out;
}

void add_once(std::vector<std::string>& list, const std::string& text) {
  if (std::find(list.begin(), list.end(), text) == list.end()) list.push_back(text);
}

}  // namespace

BenchFile::BenchFile(std::string name, const Json& document)
    : name_(std::move(name)), document_(std::make_shared<const Json>(document)) {}

bool is_kernel_bench(const BenchFile& file) {
  const auto kind = text_of(file.document(), {"kind"});
  return kind == "bench kernels" || kind == "bench flow" || is_step_bench(file);
}
bool is_step_bench(const BenchFile& file) {
  return text_of(file.document(), {"kind"}) == "bench steps";
}
bool is_accuracy_bench(const BenchFile& file) {
  return text_of(file.document(), {"kind"}) == "bench accuracy";
}

KernelBench kernel_bench(const BenchFile& file) {
  KernelBench bench;
  bench.name = file.name();
  bench.steps = is_step_bench(file);
  bench.peak_gflops = number_of(file.document(), {"peak_gflops.float"});
  bench.rounds = number_of(file.document(), {"rounds"});
  for (const auto* object : elements(file.document(), "rows")) {
    KernelRow row;
    row.title = text_of(*object, {"title", "work"});
    row.size = text_of(*object, {"size"});
    row.count = number_of(*object, {"count"});
    row.best_rival = text_of(*object, {"best_rival"});
    row.best_ratio = number_of(*object, {"best_ratio"});
    for (const auto* each : elements(*object, "contenders")) {
      row.contenders.push_back(contender(*each));
    }
    bench.rows.push_back(std::move(row));
  }
  return bench;
}

AccuracyBench accuracy_bench(const BenchFile& file) {
  AccuracyBench bench;
  bench.name = file.name();
  bench.size = number_of(file.document(), {"size"});
  bench.steps = number_of(file.document(), {"steps"});
  bench.epsilon = number_of(file.document(), {"epsilon"});
  bench.conditions = numbers_of(file.document(), "conditions");
  for (const auto* object : elements(file.document(), "series")) {
    AccuracySeries series{text_of(*object, {"name"}), text_of(*object, {"dtype"}),
                          numbers_of(*object, "errors")};
    series.errors.resize(bench.conditions.size(), std::nan(""));
    bench.series.push_back(std::move(series));
  }
  return bench;
}

std::vector<std::string> AccuracyBench::methods() const {
  std::vector<std::string> out;
  for (const auto& each : series) add_once(out, each.name);
  return out;
}

std::vector<std::string> AccuracyBench::dtypes() const {
  std::vector<std::string> out;
  for (const auto& each : series) add_once(out, each.dtype);
  return out;
}

}  // namespace muonflow::report

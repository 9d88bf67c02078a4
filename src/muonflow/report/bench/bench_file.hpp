// The JSON documents of `muonflow bench`, read back: what the page and the pictures show of them.
// Whatever a document lacks, or holds in another type than expected, reads as NaN or as empty text.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "muonflow/core/fields.hpp"

namespace muonflow::report {

// Cheap to copy: copies share the document.
class BenchFile {
 public:
  // `name` is the one by which the page knows it.
  BenchFile(std::string name, const Json& document);

  const std::string& name() const { return name_; }
  const Json& document() const { return *document_; }

 private:
  std::string name_;
  std::shared_ptr<const Json> document_;
};

struct KernelContender {
  std::string name;  // with its note
  bool ours = false;
  bool same_precision = true;
  double median = 0;  // seconds of one call
  double spread = 0;  // distance of the quartiles over the median
  double gflops = 0;
  double fraction_of_peak = 0;
  double error = 0;
  double parameters_per_second = 0;  // of an optimizer's step
  double state_bytes = 0;            // likewise
  double ratio = 0;                  // its time over ours
};

struct KernelRow {
  std::string title;
  std::string size;
  double count = 1;  // matrices of one call
  std::vector<KernelContender> contenders;
  std::string best_rival;
  double best_ratio = 0;
};

struct KernelBench {
  std::string name;
  bool steps = false;      // of optimizers, in place of kernels: other numbers in each contender
  double peak_gflops = 0;  // float
  double rounds = 0;
  std::vector<KernelRow> rows;
};

struct AccuracySeries {
  std::string name;
  std::string dtype;
  std::vector<double> errors;  // by condition
};

struct AccuracyBench {
  std::string name;
  double size = 0;
  double steps = 0;
  double epsilon = 0;
  std::vector<double> conditions;
  std::vector<AccuracySeries> series;

  std::vector<std::string> methods() const;  // in their order, each once
  std::vector<std::string> dtypes() const;   // likewise
};

bool is_kernel_bench(const BenchFile& file);  // or about steps: the same form
bool is_step_bench(const BenchFile& file);
bool is_accuracy_bench(const BenchFile& file);
KernelBench kernel_bench(const BenchFile& file);
AccuracyBench accuracy_bench(const BenchFile& file);

}  // namespace muonflow::report

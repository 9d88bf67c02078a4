#include "muonflow/data/samples.hpp"

#include "muonflow/core/error.hpp"
#include "muonflow/data/samples/fashion_mnist.hpp"
#include "muonflow/data/samples/next_letter.hpp"

namespace muonflow::data {

const Registry<SampleEntry>& sample_sets() {
  static const auto registry = [] {
    Registry<SampleEntry> all("labelled data set");
    all.add(next_letter());
    all.add(fashion_mnist());
    return all;
  }();
  return registry;
}

TensorMap load_samples(const std::string& name, const SampleRequest& request,
                       const std::filesystem::path& from) {
  const auto& entry = sample_sets().at(name);
  if (request.samples < 1 || request.samples > entry.most) {
    throw ConfigError({.place = request.place,
                       .what = "samples of data set " + name,
                       .expected = "between 1 and " + std::to_string(entry.most),
                       .found = std::to_string(request.samples)});
  }
  return entry.read(request, from);
}

}  // namespace muonflow::data

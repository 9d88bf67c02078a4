// The models of the library, and their loss and gradients as a pure function of tensors.
#pragma once

#include <string>
#include <vector>

#include "muonflow/core/fields.hpp"
#include "muonflow/core/registry.hpp"
#include "muonflow/core/tensor.hpp"

namespace muonflow::model {

// What messages call the three inputs of `gradients`.
struct GradientPlaces {
  PlaceOf option = {};  // default: the option's name
  std::string weights = "weights";
  std::string batch = "batch";
};

struct ModelEntry {
  std::string name;
  std::string summary;
  std::string cite;
  std::vector<FieldInfo> (*options)();
  // {loss [1], logits, g/NAME for every parameter} from weights under the model's public names and
  // a batch; computed in float64 for float64 weights, else in float32. Throws ConfigError,
  // ShapeError or DataError, one line each.
  TensorMap (*gradients)(const Json& options, const TensorMap& weights, const TensorMap& batch,
                         const GradientPlaces& places);
};

const Registry<ModelEntry>& models();

}  // namespace muonflow::model

// Loss, logits and gradients against PyTorch's autograd (golden/make_golden.py).
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <string>

#include "muonflow/core/safetensors.hpp"
#include "muonflow/model/gpt_gradients.hpp"

namespace muonflow::model {
namespace {

struct Golden {
  Json options;
  TensorMap weights, batch, results;
};

Golden read_golden(const std::string& name) {
  const auto file =
      read_safetensors(std::string(MUONFLOW_TEST_DATA) + "/model/golden/" + name + ".safetensors");
  Golden golden;
  golden.options = Json::parse(file.metadata.at("options"));
  for (const auto& [key, tensor] : file.tensors) {
    if (key.starts_with("w/")) {
      golden.weights.emplace(key.substr(2), tensor);
    } else if (key.starts_with("b/")) {
      golden.batch.emplace(key.substr(2), tensor);
    } else {
      golden.results.emplace(key, tensor);
    }
  }
  return golden;
}

TensorMap to_float(const TensorMap& tensors) {
  TensorMap narrow;
  for (const auto& [name, tensor] : tensors) {
    narrow.emplace(name,
                   make_tensor<float>(tensor.shape, std::span<const float>(tensor.to<float>())));
  }
  return narrow;
}

// Frobenius distance relative to the expected tensor.
double relative_error(const Tensor& found, const Tensor& expected) {
  const auto a = found.to<double>();
  const auto b = expected.to<double>();
  double distance = 0;
  double norm = 0;
  for (std::size_t i = 0; i < b.size(); ++i) {
    distance += (a[i] - b[i]) * (a[i] - b[i]);
    norm += b[i] * b[i];
  }
  return std::sqrt(distance / norm);
}

void expect_agreement(const TensorMap& found, const TensorMap& expected, Dtype dtype,
                      double loss_bound, double gradient_bound) {
  ASSERT_EQ(found.size(), expected.size());
  for (const auto& [name, tensor] : expected) {
    ASSERT_TRUE(found.contains(name)) << name;
    EXPECT_EQ(found.at(name).shape, tensor.shape) << name;
    EXPECT_EQ(found.at(name).dtype, dtype) << name;
    EXPECT_LE(relative_error(found.at(name), tensor), name == "loss" ? loss_bound : gradient_bound)
        << name;
  }
}

class GptGolden : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Torch, GptGolden,
                         testing::Values("tied_tanh_bias", "untied_erf_plain", "tied_erf_bias"),
                         [](const auto& tested) { return std::string(tested.param); });

// Two float64 programs that sum in different orders: some 1e-13; the bounds are those that
// users are promised.
TEST_P(GptGolden, Float64) {
  const auto golden = read_golden(GetParam());
  expect_agreement(gpt_gradients(golden.options, golden.weights, golden.batch), golden.results,
                   Dtype::f64, 1e-10, 1e-9);
}

TEST_P(GptGolden, Float32) {
  const auto golden = read_golden(GetParam());
  expect_agreement(gpt_gradients(golden.options, to_float(golden.weights), golden.batch),
                   golden.results, Dtype::f32, 1e-5, 2e-4);
}

}  // namespace
}  // namespace muonflow::model

// muonflow polar, from the command line: its files, its numbers, its messages, its exit codes.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "muonflow/core/fields.hpp"
#include "muonflow/core/safetensors.hpp"
#include "tests/cli/run_program.hpp"
#include "tests/reference/matrices.hpp"
#include "tests/reference/spectral.hpp"

namespace muonflow::cli {
namespace {

class PolarCommandTest : public ProgramTest {
 protected:
  // Values of a Gaussian matrix in a tensor of any floating type and shape.
  static Tensor gaussian(Dtype dtype, const Shape& shape, std::uint64_t seed) {
    const Matrix<double> a = reference::gaussian(1, element_count(shape), seed);
    return make_tensor<double>(
        dtype, shape, std::span<const double>(a.data(), static_cast<std::size_t>(a.size())));
  }
  // Matrix `b` of [m, n] in a tensor, in double.
  static Matrix<double> matrix(const Tensor& tensor, Index m, Index n, Index b = 0) {
    const auto values = tensor.to<double>();
    return ConstMatrixMap<double>(values.data() + b * m * n, m, n, Eigen::OuterStride<>(n));
  }
  ProgramResult polar(const std::vector<std::string>& more) const {
    std::vector<std::string> arguments{"polar", "--input", "in.safetensors", "--output",
                                       "out.safetensors"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run(arguments);
  }
  void give(const TensorMap& tensors) const {
    write_safetensors(folder / "in.safetensors", tensors);
  }
  TensorMap result() const { return read_safetensors(folder / "out.safetensors").tensors; }
  bool wrote_nothing() const { return !std::filesystem::exists(folder / "out.safetensors"); }
};

TEST_F(PolarCommandTest, KeepsNamesTypesAndShapesAndSplitsStacks) {
  const TensorMap input{{"double", gaussian(Dtype::f64, {9, 5}, 1)},
                        {"half", gaussian(Dtype::f16, {4, 6}, 2)},
                        {"kernel", gaussian(Dtype::f32, {4, 3, 2, 2}, 3)},
                        {"short", gaussian(Dtype::bf16, {5, 4}, 4)},
                        {"stack", gaussian(Dtype::f32, {3, 4, 7}, 5)}};
  give(input);
  const auto run = polar({"--method", "svd"});
  ASSERT_EQ(run.code, 0) << run.err;
  const TensorMap output = result();
  ASSERT_EQ(output.size(), input.size());
  for (const auto& [name, tensor] : input) {
    EXPECT_EQ(output.at(name).dtype, tensor.dtype) << name;
    EXPECT_EQ(output.at(name).shape, tensor.shape) << name;
  }
  const auto expect_factor = [&](const std::string& name, Index m, Index n, Index b, double u) {
    const Matrix<double> q = matrix(input.at(name), m, n, b);
    // One rounding to the tensor's own type, in each of at most sqrt(r) units of norm.
    EXPECT_LE((matrix(output.at(name), m, n, b) - reference::polar(q, 0)).norm(), 4 * u) << name;
  };
  expect_factor("double", 9, 5, 0, 1e-14);
  expect_factor("half", 4, 6, 0, 0x1p-11);
  expect_factor("kernel", 4, 12, 0, 0x1p-24);
  expect_factor("short", 5, 4, 0, 0x1p-8);
  for (Index b = 0; b < 3; ++b) expect_factor("stack", 4, 7, b, 0x1p-24);

  const Json numbers = Json::parse(run.out);
  ASSERT_EQ(numbers.size(), input.size());
  for (const auto& [name, tensor] : input) {
    const Json& of = numbers.at(name);
    for (const char* key : {"orthogonality_error", "residual", "kernel_error", "dual_gap",
                            "milliseconds", "gflops"}) {
      EXPECT_TRUE(of.at(key).is_number()) << name << " " << key;
    }
    EXPECT_LT(of.at("residual").get<double>(), 0.01) << name;
    EXPECT_LT(std::abs(of.at("dual_gap").get<double>()), 0.01) << name;
    EXPECT_GT(of.at("milliseconds").get<double>(), 0) << name;
  }
}

TEST_F(PolarCommandTest, OptionsReachTheMethod) {
  const TensorMap input{{"w", gaussian(Dtype::f64, {6, 10}, 6)}};
  give(input);
  const auto run = polar({"--method", "svd", "--options", R"({"epsilon": 0.5})"});
  ASSERT_EQ(run.code, 0) << run.err;
  const Matrix<double> q = matrix(input.at("w"), 6, 10);
  EXPECT_LE((matrix(result().at("w"), 6, 10) - reference::regularized_polar(q, 0.5)).norm(), 1e-14);

  ASSERT_EQ(
      polar({"--method", "svd", "--options", R"({"epsilon": 0.5, "epsilon_mode": "relative"})"})
          .code,
      0);
  const double relative = 0.5 * q.norm() / std::sqrt(6.0);
  EXPECT_LE((matrix(result().at("w"), 6, 10) - reference::regularized_polar(q, relative)).norm(),
            1e-14);

  ASSERT_EQ(polar({"--method", "jordan", "--options", R"({"ns_steps": 0, "eps": 0})"}).code, 0);
  EXPECT_LE((matrix(result().at("w"), 6, 10) - q / q.norm()).norm(), 1e-15);
}

TEST_F(PolarCommandTest, JordanIsApproximateByDesign) {
  give({{"w", gaussian(Dtype::f32, {40, 60}, 7)}});
  const auto run = polar({"--method", "jordan"});
  ASSERT_EQ(run.code, 0) << run.err;
  const Json numbers = Json::parse(run.out).at("w");
  EXPECT_GT(numbers.at("residual").get<double>(), 0.05);
  EXPECT_LT(numbers.at("residual").get<double>(), 0.35);
  EXPECT_LT(numbers.at("kernel_error").get<double>(), 1e-4);
}

// Every method by its name; the exact ones are exact, the others as near to their double twin as
// float allows.
TEST_F(PolarCommandTest, EveryMethodRunsByName) {
  give({{"w", gaussian(Dtype::f32, {24, 40}, 7)}});
  for (const char* method :
       {"jordan", "you", "polar_express", "polar_express.paper", "polar_express.dion", "turbo",
        "cans", "classic", "qdwh", "zolotarev", "svd"}) {
    const auto run = polar({"--method", method});
    ASSERT_EQ(run.code, 0) << run.err;
    const Json numbers = Json::parse(run.out).at("w");
    EXPECT_LT(numbers.at("kernel_error").get<double>(), 1e-4) << method;
    const std::string name = method;
    if (name == "qdwh" || name == "zolotarev" || name == "svd") {
      EXPECT_LT(numbers.at("orthogonality_error").get<double>(), 1e-5) << method;
      EXPECT_LT(numbers.at("residual").get<double>(), 1e-5) << method;
    }
  }
}

// Steps made to measure reach what they promise: all of [1e-3, 1] within 1e-6.
TEST_F(PolarCommandTest, GeneratedStepsReplaceTheTable) {
  give({{"w", gaussian(Dtype::f64, {24, 40}, 7)}});
  const auto run = polar({"--method", "polar_express", "--options",
                          R"({"generate": {"lower": 1e-3, "degree": 7, "steps": 6}})"});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_LT(Json::parse(run.out).at("w").at("residual").get<double>(), 1e-6);
  expect_refusal(polar({"--method", "svd", "--options", R"({"generate": {"steps": 6}})"}), 2,
                 "polynomial");
  expect_refusal(
      polar({"--method", "you", "--options", R"({"ns_steps": 5, "generate": {"steps": 6}})"}), 2,
      "generate.steps");
  expect_refusal(polar({"--method", "you", "--options", R"({"generate": {"degree": 4}})"}), 2,
                 "degree");
}

TEST_F(PolarCommandTest, WrongRequestsAreRefusedWithTwo) {
  give({{"w", gaussian(Dtype::f32, {4, 5}, 8)}});
  expect_refusal(polar({"--method", "jordann"}), 2, "did you mean 'jordan'?");
  expect_refusal(polar({"--method", "svd", "--options", R"({"epsilom": 1})"}), 2,
                 "did you mean 'epsilon'?");
  expect_refusal(polar({"--method", "svd", "--options", R"({"epsilon": -1})"}), 2, "epsilon");
  expect_refusal(polar({"--method", "svd", "--options", "{"}), 2, "--options");
  give({{"bias", gaussian(Dtype::f32, {5}, 9)}, {"w", gaussian(Dtype::f32, {4, 5}, 8)}});
  expect_refusal(polar({"--method", "svd"}), 2, "bias");
  EXPECT_TRUE(wrote_nothing());
}

TEST_F(PolarCommandTest, BadDataIsRefusedWithOneAndNothingIsWritten) {
  expect_refusal(polar({"--method", "svd"}), 1, "in.safetensors");
  const std::vector<float> values{1, 2, std::numeric_limits<float>::quiet_NaN(), 4};
  give({{"good", gaussian(Dtype::f32, {4, 5}, 10)},
        {"rotten", make_tensor<float>({2, 2}, std::span<const float>(values))}});
  expect_refusal(polar({"--method", "jordan"}), 1, "rotten");
  const std::vector<std::int32_t> counts{1, 2, 3, 4};
  give({{"counts", make_tensor<std::int32_t>({2, 2}, std::span<const std::int32_t>(counts))}});
  expect_refusal(polar({"--method", "jordan"}), 1, "counts");
  EXPECT_TRUE(wrote_nothing());
}

}  // namespace
}  // namespace muonflow::cli

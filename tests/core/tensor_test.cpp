#include "muonflow/core/tensor.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "tests/support/message_of.hpp"

namespace muonflow {
namespace {

using test::message_of;

template <class T>
std::span<const T> view(const std::vector<T>& values) {
  return values;
}

TEST(Dtype, NamesAndSizesAreThoseOfTheFormat) {
  EXPECT_EQ(name_of(Dtype::bf16), "BF16");
  for (const auto dtype :
       {Dtype::f64, Dtype::f32, Dtype::f16, Dtype::bf16, Dtype::i64, Dtype::i32}) {
    EXPECT_EQ(dtype_of(name_of(dtype)), dtype);
    const auto bits = std::stoul(std::string(name_of(dtype).substr(dtype == Dtype::bf16 ? 2 : 1)));
    EXPECT_EQ(size_of(dtype) * 8, bits);
  }
  EXPECT_EQ(dtype_of("U8"), std::nullopt);
  EXPECT_EQ(dtype_of("f32"), std::nullopt);
}

// Every pattern widens exactly, and narrowing a representable number gives its pattern back.
TEST(SixteenBits, EveryPatternGoesRound) {
  for (std::uint32_t pattern = 0; pattern <= 0xffffu; ++pattern) {
    const auto bits = static_cast<std::uint16_t>(pattern);
    const float half = from_f16(bits);
    const float brain = from_bf16(bits);
    if (std::isnan(half)) {
      EXPECT_TRUE(std::isnan(from_f16(to_f16(half))));
    } else {
      ASSERT_EQ(to_f16(half), bits);
    }
    // A bfloat16 is the upper half of a float.
    if (std::isnan(brain)) {
      EXPECT_TRUE(std::isnan(from_bf16(to_bf16(brain))));
    } else {
      ASSERT_EQ(std::bit_cast<std::uint32_t>(brain), pattern << 16);
      ASSERT_EQ(to_bf16(brain), bits);
    }
  }
}

TEST(SixteenBits, KnownValues) {
  EXPECT_EQ(from_f16(0x3c00), 1.0f);
  EXPECT_EQ(from_f16(0xc000), -2.0f);
  EXPECT_EQ(from_f16(0x7bff), 65504.0f);  // the largest
  EXPECT_EQ(from_f16(0x0400), 0x1p-14f);  // the smallest normal one
  EXPECT_EQ(from_f16(0x0001), 0x1p-24f);  // the smallest of all
  EXPECT_EQ(from_f16(0x3555), 0.333251953125f);
  EXPECT_TRUE(std::isinf(from_f16(0x7c00)));
  EXPECT_TRUE(std::isnan(from_f16(0x7e00)));
  EXPECT_TRUE(std::signbit(from_f16(0x8000)));
  EXPECT_EQ(from_bf16(0x3f80), 1.0f);
  EXPECT_EQ(from_bf16(0x0001), 0x1p-133f);
}

// Halfway between neighbours goes to the even one; the least bit more goes up. Walks all finite
// patterns, so denormals, powers of two and the step to infinity are among them.
template <class From, class To>
void expect_nearest_even(From from, To to, std::uint16_t infinity) {
  for (std::uint16_t low = 0; low + 1 < infinity; ++low) {
    const auto high = static_cast<std::uint16_t>(low + 1);
    const double a = from(low);
    const double b = from(high);
    const double middle = a + (b - a) / 2;
    const std::uint16_t even = low % 2 == 0 ? low : high;
    ASSERT_EQ(to(middle), even);
    ASSERT_EQ(to(std::nextafter(middle, b)), high);
    ASSERT_EQ(to(std::nextafter(middle, a)), low);
    ASSERT_EQ(to(-middle), even | 0x8000);
  }
}

TEST(SixteenBits, HalfRoundsToNearestEven) { expect_nearest_even(from_f16, to_f16, 0x7c00); }
TEST(SixteenBits, BrainRoundsToNearestEven) { expect_nearest_even(from_bf16, to_bf16, 0x7f80); }

TEST(SixteenBits, OverflowIsInfinityFromTheMiddleOn) {
  EXPECT_EQ(to_f16(65519.999), 0x7bff);
  EXPECT_EQ(to_f16(65520.0), 0x7c00);
  EXPECT_EQ(to_f16(1e300), 0x7c00);
  EXPECT_EQ(to_bf16(-1e300), 0xff80);
  EXPECT_EQ(to_bf16(std::numeric_limits<float>::max()), 0x7f80);
  EXPECT_EQ(to_f16(std::numeric_limits<double>::infinity()), 0x7c00);
  EXPECT_EQ(to_f16(5e-324), 0x0000);
  EXPECT_EQ(to_f16(-5e-324), 0x8000);
}

// Through float the value below would first round up to a tie, then to even: one rounding is right.
TEST(SixteenBits, DoublesAreRoundedOnce) {
  const double just_below_the_tie = 1 + 0x3p-11 - 0x1p-40;
  EXPECT_EQ(to_f16(just_below_the_tie), 0x3c01);
  EXPECT_EQ(to_f16(static_cast<float>(just_below_the_tie)), 0x3c02);
}

TEST(SixteenBits, NansKeepTheirSign) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(to_f16(nan), 0x7e00);
  EXPECT_EQ(to_f16(-nan), 0xfe00);
  EXPECT_EQ(to_bf16(nan), 0x7fc0);
}

TEST(Tensor, MakesAndReadsItsOwnType) {
  const std::vector<float> values{1, -2, 3.5f, 0, 5, 6};
  const auto tensor = make_tensor<float>({2, 3}, values);
  EXPECT_EQ(tensor.dtype, Dtype::f32);
  EXPECT_EQ(tensor.shape, (Shape{2, 3}));
  EXPECT_EQ(tensor.count(), 6);
  const auto read = tensor.as<float>();
  EXPECT_TRUE(std::equal(read.begin(), read.end(), values.begin(), values.end()));
  EXPECT_EQ(tensor.to<double>(), (std::vector<double>{1, -2, 3.5, 0, 5, 6}));
}

TEST(Tensor, ConvertsBetweenFloatingTypes) {
  const std::vector<double> values{1, -0.1, 1e-5, 1e30, 0};
  for (const auto dtype : {Dtype::f64, Dtype::f32, Dtype::f16, Dtype::bf16}) {
    const auto tensor = make_tensor(dtype, {5}, view(values));
    EXPECT_EQ(tensor.bytes.size(), 5 * size_of(dtype));
    const auto doubles = tensor.to<double>();
    const auto floats = tensor.to<float>();
    for (std::size_t i = 0; i < values.size(); ++i) {
      double expected = values[i];
      if (dtype == Dtype::f32) expected = static_cast<float>(expected);
      if (dtype == Dtype::f16) expected = from_f16(to_f16(expected));
      if (dtype == Dtype::bf16) expected = from_bf16(to_bf16(expected));
      EXPECT_EQ(doubles[i], expected);
      EXPECT_EQ(floats[i], static_cast<float>(expected));
    }
  }
}

TEST(Tensor, ConvertsBetweenWholeTypesWhenTheyFit) {
  const std::vector<std::int64_t> fits{0, -5, 2'147'483'647};
  EXPECT_EQ(make_tensor<std::int64_t>({3}, fits).to<std::int32_t>(),
            (std::vector<std::int32_t>{0, -5, 2'147'483'647}));
  const std::vector<std::int32_t> narrow{7, -8};
  EXPECT_EQ(make_tensor<std::int32_t>({2}, narrow).to<std::int64_t>(),
            (std::vector<std::int64_t>{7, -8}));
  const std::vector<std::int64_t> large{0, 2'147'483'648};
  EXPECT_EQ(message_of<DataError>(
                [&] { (void)make_tensor<std::int64_t>({2}, large).to<std::int32_t>(); }),
            "element 1: expected a value that fits in 32 bits, found 2147483648");
}

TEST(Tensor, RefusesAnotherKind) {
  const std::vector<float> floats{1};
  const std::vector<std::int32_t> wholes{1};
  const auto real = make_tensor<float>({1}, floats);
  const auto whole = make_tensor<std::int32_t>({1}, wholes);
  EXPECT_EQ(message_of<DataError>([&] { (void)real.as<double>(); }),
            "tensor: expected F64, found F32");
  EXPECT_EQ(message_of<DataError>([&] { (void)real.to<std::int32_t>(); }),
            "tensor: expected I64 or I32, found F32");
  EXPECT_EQ(message_of<DataError>([&] { (void)whole.to<float>(); }),
            "tensor: expected F64, F32, F16 or BF16, found I32");
  EXPECT_EQ(message_of<DataError>([&] { (void)make_tensor(Dtype::f32, {1}, view(wholes)); }),
            "tensor: expected I32, found F32");
  EXPECT_EQ(message_of<DataError>([&] { (void)make_tensor(Dtype::i32, {1}, view(floats)); }),
            "tensor: expected F64, F32, F16 or BF16, found I32");
}

TEST(Tensor, RefusesTheWrongNumberOfValues) {
  const std::vector<float> values{1, 2, 3};
  EXPECT_EQ(message_of<ShapeError>([&] {
              (void)make_tensor<float>({2, 2}, values);
            }),
            "tensor of shape [2, 2]: expected 4 values, found 3");
}

TEST(Tensor, TakesAMatrixWhoseRowsLieApart) {
  Matrix<double> a(3, 4);
  for (Index i = 0; i < a.size(); ++i) a.data()[i] = static_cast<double>(i);
  const auto tensor = make_tensor<double>(a.block(1, 1, 2, 2));
  EXPECT_EQ(tensor.shape, (Shape{2, 2}));
  EXPECT_EQ(tensor.to<double>(), (std::vector<double>{5, 6, 9, 10}));
}

TEST(Tensor, MayBeEmpty) {
  const auto tensor = make_tensor<float>({0, 3}, {});
  EXPECT_EQ(tensor.count(), 0);
  EXPECT_TRUE(tensor.as<float>().empty());
  EXPECT_TRUE(tensor.to<double>().empty());
}

}  // namespace
}  // namespace muonflow

#include "muonflow/core/error.hpp"

#include <gtest/gtest.h>

namespace muonflow {
namespace {

TEST(Error, JoinsItsPartsInOneLine) {
  const IoError error({.place = "a.safetensors",
                       .what = "header",
                       .expected = "8 bytes",
                       .found = "3",
                       .advice = "is it whole?"});
  EXPECT_STREQ(error.what(), "a.safetensors: header: expected 8 bytes, found 3 (is it whole?)");
}

TEST(Error, LeavesEmptyPartsOut) {
  EXPECT_STREQ(ConfigError({.what = "no rule"}).what(), "no rule");
  EXPECT_STREQ(ConfigError({.place = "lr", .expected = "a number"}).what(),
               "lr: expected a number");
  EXPECT_STREQ(DataError({.what = "token", .found = "300"}).what(), "token: found 300");
  EXPECT_STREQ(ShapeError({.place = "w", .advice = "transpose it"}).what(), "w (transpose it)");
}

TEST(Error, KeepsOneLineAndNoControlCharactersWhateverANameHolds) {
  const IoError error({.place = "two\nlines\r\x1b[2J\t\x7f", .what = "is gone"});
  EXPECT_STREQ(error.what(), "two lines  [2J  : is gone");
}

TEST(Error, KeepsLettersOutsideAscii) { EXPECT_STREQ(IoError({.place = "Größe"}).what(), "Größe"); }

TEST(Error, KeepsItsPartsForPrograms) {
  const ShapeError error({.place = "w", .expected = "[2, 3]", .found = "[3, 2]"});
  EXPECT_EQ(error.parts().place, "w");
  EXPECT_EQ(error.parts().expected, "[2, 3]");
  EXPECT_EQ(error.parts().found, "[3, 2]");
}

TEST(Error, KindsAreToldApartAndCaughtTogether) {
  EXPECT_THROW(throw IoError({.what = "x"}), Error);
  EXPECT_THROW(throw DataError({.what = "x"}), Error);
  EXPECT_THROW(throw ShapeError({.what = "x"}), Error);
  EXPECT_THROW(throw ConfigError({.what = "x"}), std::runtime_error);
  try {
    throw DataError({.what = "x"});
  } catch (const IoError&) {
    FAIL() << "a DataError is not an IoError";
  } catch (const DataError& error) {
    EXPECT_STREQ(error.what(), "x");
  }
}

}  // namespace
}  // namespace muonflow

#include "muonflow/dist/communicator.hpp"

#include <gtest/gtest.h>

#include <array>

#include "muonflow/core/error.hpp"

namespace muonflow::dist {
namespace {

TEST(Serial, IsOneRankWhoseSumsAreItsOwn) {
  const auto one = serial();
  EXPECT_EQ(one->rank(), 0);
  EXPECT_EQ(one->size(), 1);
  std::array values{1.5, -2.0};
  one->sum(values);
  one->max(values);
  EXPECT_EQ(values, (std::array{1.5, -2.0}));
}

TEST(Serial, GathersWhatItHas) {
  const std::array bytes{std::byte{7}, std::byte{9}};
  EXPECT_EQ(serial()->gather(bytes), (std::vector{std::byte{7}, std::byte{9}}));
}

TEST(Mpi, ABuildWithoutItRefusesAndOneWithItHasAName) {
  if (mpi_version().empty()) {
    EXPECT_THROW((void)mpi_world(), ConfigError);
  } else {
    EXPECT_NE(mpi_version().find("MPI"), std::string::npos) << mpi_version();
  }
}

}  // namespace
}  // namespace muonflow::dist

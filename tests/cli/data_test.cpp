// muonflow data, from the command line: what it says of data that is absent or damaged.
#include <gtest/gtest.h>

#include "tests/cli/run_program.hpp"

namespace muonflow::cli {
namespace {

using DataCommandTest = ProgramTest;

TEST_F(DataCommandTest, ListNamesLicenceAndSize) {
  const auto result = run({"data", "list", "--cache", "cache"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_NE(result.out.find("austen"), std::string::npos);
  EXPECT_NE(result.out.find("public domain"), std::string::npos);
}

TEST_F(DataCommandTest, GetSaysHowToObtainWhatIsAbsent) {
  expect_refusal(run({"data", "get", "austen", "--from", "absent", "--cache", "cache"}), 1,
                 "absent");
  std::filesystem::create_directory(folder / "empty");
  expect_refusal(run({"data", "get", "austen", "--from", "empty", "--cache", "cache"}), 1,
                 "apt-get download r-cran-janeaustenr");
  EXPECT_FALSE(std::filesystem::exists(folder / "cache" / "austen" / "Rdata.rdb"));
}

TEST_F(DataCommandTest, GetRefusesDamagedFiles) {
  write("Rdata.rdb", "this is not an R data file");
  expect_refusal(run({"data", "get", "austen", "--from", "Rdata.rdb", "--cache", "cache"}), 1,
                 "Rdata.rdb");
  write("novels.deb", "this is not a package");
  expect_refusal(run({"data", "get", "austen", "--from", "novels.deb", "--cache", "cache"}), 1,
                 "novels.deb");
  EXPECT_FALSE(std::filesystem::exists(folder / "cache" / "austen" / "Rdata.rdb"));
}

TEST_F(DataCommandTest, UnknownNames) {
  expect_refusal(run({"data", "get", "austin", "--cache", "cache"}), 2, "did you mean 'austen'");
  EXPECT_EQ(run({"data", "fetch"}).code, 2);
}

}  // namespace
}  // namespace muonflow::cli

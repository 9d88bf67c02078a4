#include "muonflow/data/sha256.hpp"

#include <gtest/gtest.h>

#include <set>

namespace muonflow::data {
namespace {

std::string digest(const std::string& text) {
  return sha256({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

// Answers published with the standard (FIPS 180-4 examples, NIST CAVP).
TEST(Sha256, GivesThePublishedAnswers) {
  EXPECT_EQ(digest(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(digest("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(digest("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(digest(std::string(1'000'000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

// The padding differs around the 56th and 64th byte of a block.
TEST(Sha256, EveryLengthAndByteCounts) {
  std::set<std::string> digests;
  for (std::size_t size = 0; size < 200; ++size) digests.insert(digest(std::string(size, 'x')));
  EXPECT_EQ(digests.size(), 200u);
  std::string text(130, 'x');
  const auto before = digest(text);
  for (std::size_t i = 0; i < text.size(); ++i) {
    text[i] = 'y';
    EXPECT_NE(digest(text), before);
    text[i] = 'x';
  }
}

}  // namespace
}  // namespace muonflow::data

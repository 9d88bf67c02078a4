// The one-line message of an expected error: message_of<IoError>([&] { read_file(path); }).
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "muonflow/core/error.hpp"

namespace muonflow::test {

// Fails the test when nothing, or another kind of error, is thrown, or the message is not one line.
template <class Kind, class Body>
std::string message_of(Body&& body) {
  try {
    body();
  } catch (const Kind& error) {
    const std::string message = error.what();
    EXPECT_FALSE(message.empty());
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    return message;
  } catch (const std::exception& error) {
    ADD_FAILURE() << "another kind of error: " << error.what();
    return "";
  }
  ADD_FAILURE() << "nothing was thrown";
  return "";
}

}  // namespace muonflow::test

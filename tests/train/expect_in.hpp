// A part that a message must have.
#pragma once

#include <gtest/gtest.h>

#include <string>

namespace muonflow::train {

inline void expect_in(const std::string& part, const std::string& message) {
  EXPECT_NE(message.find(part), std::string::npos) << message;
}

}  // namespace muonflow::train

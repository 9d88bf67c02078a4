// What the tests of this room share: owned buffers, and the message of an error.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "muonflow/core/error.hpp"
#include "muonflow/core/parameter.hpp"
#include "muonflow/optim/optimizer.hpp"

namespace muonflow::optim {

// One parameter with its buffers.
template <class T = double>
struct Owned {
  Owned(std::string name, Shape shape, Role role = Role::hidden, T weight = 1, T slope = 1)
      : weights(static_cast<std::size_t>(element_count(shape)), weight),
        gradient(weights.size(), slope),
        parameter{.name = std::move(name), .shape = std::move(shape), .role = role} {
    parameter.weights = weights.data();
    parameter.gradient = gradient.data();
  }
  Owned(const Owned&) = delete;

  std::vector<T> weights;
  std::vector<T> gradient;
  Parameter<T> parameter;
};

// Entries that differ, so that an element out of place is seen.
inline void vary(std::vector<double>& values, double from) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = std::sin(from + 0.37 * static_cast<double>(i));
  }
}

template <class E, class F>
std::string message_of(F&& f) {
  try {
    f();
  } catch (const E& error) {
    return error.what();
  } catch (const std::exception& error) {
    return std::string("another kind of error: ") + error.what();
  }
  return "no error";
}

#define EXPECT_MENTIONS(text, part)                                                      \
  EXPECT_NE(std::string(text).find(part), std::string::npos) << "in: " << (text) << "\n" \
                                                             << "expected: " << (part)

inline RoutingOptions only(const std::string& rule, double lr, const std::string& options = "{}") {
  RoutingOptions routing;
  routing.preset = rule;
  routing.hidden.lr = lr;
  routing.hidden.options = OptionsTree(options);
  return routing;
}

}  // namespace muonflow::optim

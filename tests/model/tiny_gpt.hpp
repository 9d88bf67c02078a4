// What the tests of the model share: a small one, and the message of an error.
#pragma once

#include <functional>
#include <string>

#include "muonflow/core/error.hpp"
#include "muonflow/model/gpt_options.hpp"

namespace muonflow::model {

// Its block is longer than a block of attention, and no multiple of its padding.
inline GptOptions tiny() {
  return {.n_layer = 2, .n_head = 2, .n_embd = 8, .block_size = 70, .vocab_size = 11};
}

inline std::string message_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace muonflow::model

// A tree of options that travels beside a name: a rule's options before the rule is known.
//
// It exists so that option structs can hold one without every file that includes them paying for
// the JSON library.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "muonflow/core/fields.hpp"

namespace muonflow::optim {

class OptionsTree {
 public:
  OptionsTree();  // empty
  // Throws ConfigError where it is not an object.
  explicit OptionsTree(const Json& tree);
  // From JSON text: OptionsTree(R"({"momentum": 0.9})"). Throws ConfigError where it is not an
  // object. Each kind of text has its own overload, for all of them turn into Json by themselves.
  explicit OptionsTree(std::string_view text);
  explicit OptionsTree(const std::string& text) : OptionsTree(std::string_view(text)) {}
  explicit OptionsTree(const char* text) : OptionsTree(std::string_view(text)) {}
  ~OptionsTree();
  OptionsTree(const OptionsTree&);
  OptionsTree(OptionsTree&&) noexcept;
  OptionsTree& operator=(const OptionsTree&);
  OptionsTree& operator=(OptionsTree&&) noexcept;

  Json& json() { return *tree_; }
  const Json& json() const { return *tree_; }

 private:
  std::unique_ptr<Json> tree_;  // never null but after a move
};

}  // namespace muonflow::optim

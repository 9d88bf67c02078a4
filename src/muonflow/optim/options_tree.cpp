#include "muonflow/optim/options_tree.hpp"

#include <nlohmann/json.hpp>

#include "muonflow/core/error.hpp"

namespace muonflow::optim {
namespace {

[[noreturn]] void refuse(const std::string& found) {
  throw ConfigError({.place = "options",
                     .expected = "a JSON object, such as {\"lr\": 0.02}",
                     .found = found.size() > 60 ? found.substr(0, 57) + "..." : found});
}

}  // namespace

OptionsTree::OptionsTree() : tree_(std::make_unique<Json>(Json::object())) {}
OptionsTree::OptionsTree(const Json& tree) : tree_(std::make_unique<Json>(tree)) {
  if (!tree_->is_object()) refuse(tree_->dump(-1, ' ', false, Json::error_handler_t::replace));
}
OptionsTree::OptionsTree(std::string_view text)
    : tree_(std::make_unique<Json>(Json::parse(text, nullptr, false))) {
  if (!tree_->is_object()) refuse(std::string(text));
}
OptionsTree::~OptionsTree() = default;
OptionsTree::OptionsTree(const OptionsTree& other) : tree_(std::make_unique<Json>(*other.tree_)) {}
OptionsTree::OptionsTree(OptionsTree&&) noexcept = default;
OptionsTree& OptionsTree::operator=(const OptionsTree& other) {
  tree_ = std::make_unique<Json>(*other.tree_);
  return *this;
}
OptionsTree& OptionsTree::operator=(OptionsTree&&) noexcept = default;

}  // namespace muonflow::optim

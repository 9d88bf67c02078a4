// The transforms of a group, and the list of all transforms.
//
//   [optimizer.hidden.transforms]
//   blocking = { size = 512 }
//   grafting = { rule = "adamw" }
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "muonflow/optim/transforms/blocking.hpp"
#include "muonflow/optim/transforms/cautious.hpp"
#include "muonflow/optim/transforms/error_feedback.hpp"
#include "muonflow/optim/transforms/grafting.hpp"
#include "muonflow/optim/transforms/spectral_normalization.hpp"

namespace muonflow::optim {

struct ResolvedRule;  // resolve.hpp

// What a group puts around its rule. Defaults are identities.
struct Transforms {
  ErrorFeedback error_feedback{};
  Blocking blocking{};
  SpectralNormalization spectral_normalization{};
  Grafting grafting{};
  Cautious cautious{};

  void fields(FieldVisitor& v);
  // Whether a transform needs the whole matrix, so that not even an elementwise rule may be handed
  // parts of it.
  bool need_whole() const;
  // Throws ConfigError: transforms that contradict each other, or a rule that gives no steps.
  void check(const RuleInfo& rule, const std::string& place) const;
  // "blocking, grafting"; empty where nothing is on.
  std::string to_text() const;
};

// The kernel of a rule with the transforms of its group around it.
template <class T>
std::unique_ptr<RuleKernel<T>> make_kernel(const ResolvedRule& resolved);

// Every transform there is, described for `list`, in the order in which a step meets them.
struct TransformEntry {
  TransformInfo info;
  std::vector<FieldInfo> options;
};
const std::vector<TransformEntry>& transforms();

}  // namespace muonflow::optim

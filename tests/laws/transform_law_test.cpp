// Laws of the transforms, around every rule: an identity changes no bit, and what is on is
// deterministic, resumes, bears zeros and counts its state.
#include <functional>
#include <map>

#include "muonflow/core/parallel.hpp"
#include "muonflow/optim/transforms/accumulation.hpp"
#include "tests/laws/law_support.hpp"

namespace muonflow::optim::laws {
namespace {

class TransformLaw : public RuleLaw {
 protected:
  bool gives_steps() const { return entry().info.result != Result::weights; }
};

template <class T>
struct Run {
  std::vector<std::vector<T>> weights;
  TensorMap state;
};

template <class T>
Run<T> run(const RuleEntry& entry, const RoutingOptions& options) {
  auto tensors = some_tensors<T>(entry);
  Optimizer<T> optimizer(tensors.parameters(), options, kSeed);
  advance(optimizer, tensors, 0, 4);
  return {tensors.all_weights(), optimizer.state()};
}

// Every transform that is not the identity and that the rule takes.
RoutingOptions everything(const RuleEntry& entry) {
  auto options = only(entry, kDecay);
  auto& around = options.hidden.transforms;
  around.error_feedback = {.on = true, .compression = {.kind = Compressor::low_rank, .rank = 2}};
  around.blocking.size = 7;
  if (entry.info.result == Result::direction) around.grafting.rule = "sgd";
  if (entry.info.result != Result::weights) around.cautious = {.updates = true, .decay = true};
  options.momentum_warmup = {.start = 0.5, .steps = 3};
  options.clip = {.max_norm = 1, .kind = ClipKind::tensor};
  return options;
}

template <class T>
void identities(const RuleEntry& entry) {
  const auto plain = run<T>(entry, only(entry, kDecay));
  const auto expect_same = [&](const char* name, const std::function<void(RoutingOptions&)>& set) {
    auto options = only(entry, kDecay);
    set(options);
    EXPECT_TRUE(same_bits(run<T>(entry, options).weights, plain.weights)) << name;
  };
  expect_same("clip", [](auto& o) { o.clip.max_norm = 1e30; });
  expect_same("clip of each tensor",
              [](auto& o) { o.clip = {.max_norm = 1e30, .kind = ClipKind::tensor}; });
  expect_same("momentum warmup", [](auto& o) { o.momentum_warmup.start = 0.1; });
  expect_same("error feedback", [](auto& o) { o.hidden.transforms.error_feedback.on = true; });
  expect_same("one block", [](auto& o) { o.hidden.transforms.blocking.size = 100000; });
  if (entry.info.result == Result::weights) return;
  expect_same("grafting on itself",
              [&](auto& o) { o.hidden.transforms.grafting.rule = entry.name; });
  const auto no_decay = run<T>(entry, only(entry, 0));
  auto cautious = only(entry, 0);
  cautious.hidden.transforms.cautious.decay = true;
  EXPECT_TRUE(same_bits(run<T>(entry, cautious).weights, no_decay.weights)) << "cautious, no decay";
}
TEST_P(TransformLaw, IdentitiesChangeNoBit) {
  identities<float>(entry());
  identities<double>(entry());
}

// At the peak of the schedule, corrected decay is decoupled decay.
TEST_P(TransformLaw, CorrectedDecayAtThePeakIsDecoupled) {
  const auto at_peak = [&](Decay form) {
    auto tensors = some_tensors<double>(entry());
    auto options = only(entry(), kDecay);
    options.hidden.decay = form;
    Optimizer<double> optimizer(tensors.parameters(), options, kSeed);
    for (std::int64_t t = 0; t < 3; ++t) {
      tensors.set_gradients(t);
      EXPECT_TRUE(optimizer.step().outcome.ok());
    }
    return tensors.all_weights();
  };
  EXPECT_TRUE(same_bits(at_peak(Decay::corrected), at_peak(Decay::before)));
}

// k micro-batches are one step on the mean: with k a power of two the same bits, if the sum is.
template <class T>
void accumulation(const RuleEntry& entry) {
  auto parts = some_tensors<T>(entry);
  auto whole = some_tensors<T>(entry);
  Optimizer<T> a(parts.parameters(), only(entry, kDecay), kSeed);
  Optimizer<T> b(whole.parameters(), only(entry, kDecay), kSeed);
  Accumulator<T> accumulate(a, 2);
  for (std::int64_t t = 0; t < 3; ++t) {
    std::vector<std::vector<T>> mean;
    for (std::int64_t k = 0; k < 2; ++k) {
      parts.set_gradients(2 * t + k);
      for (std::size_t i = 0; i < parts.count(); ++i) {
        const auto& g = parts.gradient(i);
        if (k == 0) mean.emplace_back(g.size(), T(0));
        for (std::size_t j = 0; j < g.size(); ++j) mean[i][j] += T(0.5) * g[j];
      }
      EXPECT_EQ(accumulate.add().has_value(), k == 1);
    }
    for (std::size_t i = 0; i < whole.count(); ++i) whole.gradient(i) = mean[i];
    EXPECT_TRUE(b.step().outcome.ok());
  }
  EXPECT_TRUE(same_bits(parts.all_weights(), whole.all_weights()));
  EXPECT_TRUE(same_bits(a.state(), b.state()));
}
TEST_P(TransformLaw, AccumulationIsOneStepOnTheMean) {
  accumulation<float>(entry());
  accumulation<double>(entry());
}

template <class T>
void threads_agree_on_everything(const RuleEntry& entry) {
  const int before = threads();
  std::vector<Run<T>> runs;
  for (const int count : {1, 2, 4}) {
    set_threads(count);
    runs.push_back(run<T>(entry, everything(entry)));
  }
  set_threads(before);
  for (std::size_t i = 1; i < runs.size(); ++i) {
    EXPECT_TRUE(same_bits(runs[0].weights, runs[i].weights));
    EXPECT_TRUE(same_bits(runs[0].state, runs[i].state));
  }
}
TEST_P(TransformLaw, ThreadsDoNotChangeABit) {
  threads_agree_on_everything<float>(entry());
  threads_agree_on_everything<double>(entry());
}

template <class T>
void resume_everything(const RuleEntry& entry) {
  const auto options = everything(entry);
  const auto straight = run<T>(entry, options);
  auto halted = some_tensors<T>(entry);
  TensorMap saved;
  {
    Optimizer<T> first(halted.parameters(), options, kSeed);
    advance(first, halted, 0, 2);
    saved = first.state();
  }
  Optimizer<T> second(halted.parameters(), options, kSeed);
  second.load_state(saved, "saved");
  EXPECT_TRUE(same_bits(second.state(), saved));
  advance(second, halted, 2, 4);
  EXPECT_TRUE(same_bits(halted.all_weights(), straight.weights));
  EXPECT_TRUE(same_bits(second.state(), straight.state));
}
TEST_P(TransformLaw, ResumeIsBitExact) {
  resume_everything<float>(entry());
  resume_everything<double>(entry());
}

TEST_P(TransformLaw, ZeroGradientsAreHarmless) {
  auto options = everything(entry());
  auto tensors = some_tensors<float>(entry());
  Optimizer<float> optimizer(tensors.parameters(), options, kSeed);
  for (std::size_t i = 0; i < tensors.count(); ++i) {
    std::fill(tensors.gradient(i).begin(), tensors.gradient(i).end(), 0.0f);
  }
  EXPECT_TRUE(optimizer.step().outcome.ok());
  advance(optimizer, tensors, 0, 2);
}

// What a state file holds, what the driver says it holds, and what the kernels declare are one sum.
class Sum final : public StateVisitor<float> {
 public:
  using StateVisitor<float>::StateVisitor;
  std::size_t bytes = 0;

 private:
  void visit(std::string_view, Matrix<float>&, Index rows, Index cols, bool) override {
    bytes += static_cast<std::size_t>(rows * cols) * sizeof(float);
  }
};
std::size_t file_bytes(const TensorMap& state) {
  std::size_t bytes = 0;
  for (const auto& [name, tensor] : state) {
    if (name.starts_with("s/") && !name.ends_with("/step")) bytes += tensor.bytes.size();
  }
  return bytes;
}
TEST_P(TransformLaw, StateBytesAreWhatIsDeclared) {
  for (const auto& options : {only(entry()), everything(entry())}) {
    auto tensors = some_tensors<float>(entry());
    Optimizer<float> optimizer(tensors.parameters(), options, kSeed);
    std::size_t declared = 0;
    for (const auto& row : optimizer.routing().rows) {
      const auto kernel = make_kernel<float>(row.resolved);
      for (const auto& [m, n] : matrices_of(row.shape, row.role, row.resolved.layout)) {
        Rng rng(1, 2);
        const auto state = kernel->start(m, n, rng);
        Sum sum(m, n);
        kernel->visit(*state, sum);
        declared += sum.bytes;
      }
    }
    EXPECT_EQ(optimizer.state_bytes(), declared);
    EXPECT_EQ(optimizer.state_bytes(), file_bytes(optimizer.state()));
  }
}

// Entries of state that the catalogue gives a matrix [m, n], for the rules whose line fixes them.
TEST(StateOfTheCatalogue, IsWhatItsLineSays) {
  const std::map<std::string, std::function<Index(Index, Index)>> lines{
      {"sgd", [](Index, Index) { return 0; }},  // momentum 0
      {"normalized_sgd", [](Index m, Index n) { return m * n; }},
      {"signum", [](Index m, Index n) { return m * n; }},
      {"lion", [](Index m, Index n) { return m * n; }},
      {"adamw", [](Index m, Index n) { return 2 * m * n; }},
      {"muon", [](Index m, Index n) { return m * n; }},
      {"regularized_muon", [](Index m, Index n) { return m * n; }},
      {"normuon", [](Index m, Index n) { return m * n + m; }},
      {"adamuon", [](Index m, Index n) { return 2 * m * n; }},
      {"scion", [](Index m, Index n) { return m * n; }},
      {"polargrad", [](Index m, Index n) { return m * n; }},
      {"soap", [](Index m, Index n) { return 2 * m * n + 2 * m * m + 2 * n * n; }},
      {"freon", [](Index m, Index n) { return m * n; }},
      {"kaon", [](Index m, Index n) { return m * n; }},
      {"ef_muon", [](Index m, Index n) { return 2 * m * n; }}};
  int seen = 0;
  for (const auto& entry : rules().all()) {
    const auto line = lines.find(entry.name);
    if (line == lines.end()) continue;
    ++seen;
    Tensors<double> tensors;
    tensors.add("w", {12, 20});
    Optimizer<double> optimizer(tensors.parameters(), only(entry), kSeed);
    EXPECT_EQ(optimizer.state_bytes(),
              static_cast<std::size_t>(line->second(12, 20)) * sizeof(double))
        << entry.name;
  }
  EXPECT_GE(seen, 4);
}

MUONFLOW_EVERY_RULE(TransformLaw);

}  // namespace
}  // namespace muonflow::optim::laws

// A steady step takes no memory: every allocation of the process is counted.
//
// malloc and its relatives are replaced for this program by counters in front of glibc's own; so
// operator new and Eigen are all seen. What OpenBLAS and oneDNN take within one of their calls is
// told apart by the caller's address: their small-matrix kernels pack operands into memory of their
// own, for some shapes and on some processors, and no caller can help it.
#include <link.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdlib>

#include "muonflow/core/parallel.hpp"
#include "tests/laws/law_support.hpp"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__GLIBC__)
#define MUONFLOW_COUNTS_ALLOCATIONS 0
#else
#define MUONFLOW_COUNTS_ALLOCATIONS 1
#endif

namespace {
std::atomic<bool> counting{false};
std::atomic<long> allocations{0};

struct Range {
  std::uintptr_t begin, end;
};
std::array<Range, 16> libraries{};  // code of OpenBLAS and oneDNN
std::size_t library_count = 0;

// Before counting, since it must not allocate under malloc's feet.
[[maybe_unused]] void find_libraries() {
  library_count = 0;
  dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void*) {
        const std::string_view name = info->dlpi_name;
        if (name.find("openblas") == name.npos && name.find("dnnl") == name.npos) return 0;
        for (int i = 0; i < info->dlpi_phnum && library_count < libraries.size(); ++i) {
          const auto& part = info->dlpi_phdr[i];
          if (part.p_type != PT_LOAD || (part.p_flags & PF_X) == 0) continue;
          const auto begin = static_cast<std::uintptr_t>(info->dlpi_addr + part.p_vaddr);
          libraries[library_count++] = {begin, begin + part.p_memsz};
        }
        return 0;
      },
      nullptr);
}

[[maybe_unused]] void count(const void* caller) {
  if (!counting.load(std::memory_order_relaxed)) return;
  const auto at = reinterpret_cast<std::uintptr_t>(caller);
  const bool theirs =
      std::any_of(libraries.begin(), libraries.begin() + library_count,
                  [&](const Range& range) { return at >= range.begin && at < range.end; });
  if (!theirs) ++allocations;
}
}  // namespace

#if MUONFLOW_COUNTS_ALLOCATIONS
extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);

__attribute__((visibility("default"))) void* malloc(std::size_t size) {
  count(__builtin_return_address(0));
  return __libc_malloc(size);
}
__attribute__((visibility("default"))) void* calloc(std::size_t n, std::size_t size) {
  count(__builtin_return_address(0));
  return __libc_calloc(n, size);
}
__attribute__((visibility("default"))) void* realloc(void* p, std::size_t size) {
  count(__builtin_return_address(0));
  return __libc_realloc(p, size);
}
__attribute__((visibility("default"))) void* aligned_alloc(std::size_t align, std::size_t size) {
  count(__builtin_return_address(0));
  return __libc_memalign(align, size);
}
__attribute__((visibility("default"))) int posix_memalign(void** p, std::size_t align,
                                                          std::size_t size) {
  count(__builtin_return_address(0));
  *p = __libc_memalign(align, size);
  return *p ? 0 : ENOMEM;
}
}
#endif

namespace muonflow::optim::laws {
namespace {

class AllocationLaw : public RuleLaw {};

template <class T>
long steady_allocations(const RuleEntry& entry, const RoutingOptions& routing) {
  auto tensors = some_tensors<T>(entry);
  Optimizer<T> optimizer(tensors.parameters(), routing, kSeed);
  for (std::int64_t t = 0; t < 3; ++t) {
    tensors.set_gradients(t);
    EXPECT_TRUE(optimizer.step().outcome.ok());
  }
  find_libraries();
  allocations = 0;
  counting = true;
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(optimizer.step().outcome.ok());
  counting = false;
  return allocations;
}

// On one thread: with more, which worker's scratch grows when depends on who comes first.
TEST_P(AllocationLaw, ASteadyStepTakesNoMemory) {
  if (!MUONFLOW_COUNTS_ALLOCATIONS) GTEST_SKIP() << "the C library's own allocator is not there";
  const int before = threads();
  set_threads(1);
  const long in_float = steady_allocations<float>(entry(), only(entry(), 0.1));
  const long in_double = steady_allocations<double>(entry(), only(entry(), 0.1));
  set_threads(before);
  EXPECT_EQ(in_float, 0);
  EXPECT_EQ(in_double, 0);
}

TEST(AllocationCounter, KnowsTheLibraries) {
  if (!MUONFLOW_COUNTS_ALLOCATIONS) GTEST_SKIP() << "the C library's own allocator is not there";
  find_libraries();
  EXPECT_GE(library_count, 2u);  // at least one part of code each
}

// The choices of a rule that the defaults do not reach.
TEST(AllocationCounter, OptionsTakeNoMemoryEither) {
  if (!MUONFLOW_COUNTS_ALLOCATIONS) GTEST_SKIP() << "the C library's own allocator is not there";
  const std::array<std::pair<const char*, const char*>, 13> kChoices{
      {{"scion", R"({"norm": "sign", "constrained": true})"},
       {"scion", R"({"norm": "row"})"},
       {"scion", R"({"norm": "column"})"},
       {"adamuon", R"({"sign_input": false})"},
       {"dion", R"({"rank_fraction": 1})"},
       {"muon", R"({"polar": "svd", "momentum_form": "sum"})"},
       {"soap", R"({"precondition_frequency": 1})"},
       {"soap", R"({"precondition_frequency": 2, "max_precond_dim": 12})"},
       {"shampoo", R"({"precondition_frequency": 2, "block_size": 5, "grafting": "rms"})"},
       {"shampoo", R"({"k": 0.5, "one_sided": "left", "grafting": "none"})"},
       {"pion", R"({"sides": "both", "retraction": "exp"})"},
       {"pion", R"({"sides": "both", "retraction": "cayley"})"},
       {"freon", R"({"c": 1, "nesterov": false})"}}};
  const int before = threads();
  set_threads(1);
  for (const auto& [rule, options] : kChoices) {
    auto routing = only(rules().at(rule), 0.1);
    routing.hidden.options = OptionsTree(options);
    EXPECT_EQ(steady_allocations<float>(rules().at(rule), routing), 0) << rule << " " << options;
    EXPECT_EQ(steady_allocations<double>(rules().at(rule), routing), 0) << rule << " " << options;
  }
  set_threads(before);
}

// Nor with every transform around it.
TEST_P(AllocationLaw, NorDoTransforms) {
  if (!MUONFLOW_COUNTS_ALLOCATIONS) GTEST_SKIP() << "the C library's own allocator is not there";
  auto options = only(entry(), 0.1);
  auto& around = options.hidden.transforms;
  around.blocking.size = 7;
  options.clip.max_norm = 1;
  if (entry().info.result == Result::direction) {
    around.grafting.rule = "sgd";
    around.cautious = {.updates = true, .decay = true};
  }
  const int before = threads();
  set_threads(1);
  for (const auto kind : {Compressor::identity, Compressor::top_k, Compressor::low_rank,
                          Compressor::sign, Compressor::int8}) {
    around.error_feedback = {.on = true, .compression = {.kind = kind}};
    EXPECT_EQ(steady_allocations<float>(entry(), options), 0) << enum_name(kind);
  }
  if (entry().info.result == Result::direction) {
    around = {};
    around.spectral_normalization.kind = NormKind::spectral;
    EXPECT_EQ(steady_allocations<float>(entry(), options), 0) << "spectral normalization";
    EXPECT_EQ(steady_allocations<double>(entry(), options), 0) << "spectral normalization";
  }
  set_threads(before);
}

TEST(AllocationCounter, CountsEigenAndNew) {
  if (!MUONFLOW_COUNTS_ALLOCATIONS) GTEST_SKIP() << "the C library's own allocator is not there";
  allocations = 0;
  counting = true;
  const Matrix<double> a = Matrix<double>::Zero(30, 30);
  const auto b = std::make_unique<double>(a(0, 0));
  counting = false;
  EXPECT_EQ(allocations, 2) << *b;
}

MUONFLOW_EVERY_RULE(AllocationLaw);

}  // namespace
}  // namespace muonflow::optim::laws

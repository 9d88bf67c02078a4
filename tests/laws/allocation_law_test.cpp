// A steady step takes no memory: every allocation of the process is counted.
//
// malloc and its relatives are replaced for this program by counters in front of glibc's own; so
// operator new, Eigen and the BLAS are all seen.
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
[[maybe_unused]] void count() {
  if (counting.load(std::memory_order_relaxed)) ++allocations;
}
}  // namespace

#if MUONFLOW_COUNTS_ALLOCATIONS
extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);

__attribute__((visibility("default"))) void* malloc(std::size_t size) {
  count();
  return __libc_malloc(size);
}
__attribute__((visibility("default"))) void* calloc(std::size_t n, std::size_t size) {
  count();
  return __libc_calloc(n, size);
}
__attribute__((visibility("default"))) void* realloc(void* p, std::size_t size) {
  count();
  return __libc_realloc(p, size);
}
__attribute__((visibility("default"))) void* aligned_alloc(std::size_t align, std::size_t size) {
  count();
  return __libc_memalign(align, size);
}
__attribute__((visibility("default"))) int posix_memalign(void** p, std::size_t align,
                                                          std::size_t size) {
  count();
  *p = __libc_memalign(align, size);
  return *p ? 0 : ENOMEM;
}
}
#endif

namespace muonflow::optim::laws {
namespace {

class AllocationLaw : public RuleLaw {};

template <class T>
long steady_allocations(const RuleEntry& entry) {
  auto tensors = some_tensors<T>(entry);
  Optimizer<T> optimizer(tensors.parameters(), only(entry, 0.1), kSeed);
  for (std::int64_t t = 0; t < 3; ++t) {
    tensors.set_gradients(t);
    EXPECT_TRUE(optimizer.step().outcome.ok());
  }
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
  const long in_float = steady_allocations<float>(entry());
  const long in_double = steady_allocations<double>(entry());
  set_threads(before);
  EXPECT_EQ(in_float, 0);
  EXPECT_EQ(in_double, 0);
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

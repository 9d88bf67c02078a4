#include "muonflow/linalg/peak.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <vector>

#include "muonflow/core/parallel.hpp"
#include "muonflow/linalg/simd_targets.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "muonflow/linalg/peak.cpp"
#include <hwy/foreach_target.h>
// After foreach_target:
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace muonflow::linalg::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Twelve chains: more than two units with a latency of four cycles can have under way, and with
// both factors no more than the 16 registers that AVX2 has.
constexpr int kChains = 12;

// Every chain tends to 1, so that no value overflows or becomes denormal. The sum keeps the
// compiler from leaving the work out.
template <class T>
HWY_INLINE T multiply_adds(std::int64_t rounds) {
  const hn::ScalableTag<T> d;
  const auto half = hn::Set(d, static_cast<T>(0.5));
  auto c0 = hn::Set(d, static_cast<T>(0));
  auto c1 = hn::Set(d, static_cast<T>(1));
  auto c2 = hn::Set(d, static_cast<T>(2));
  auto c3 = hn::Set(d, static_cast<T>(3));
  auto c4 = hn::Set(d, static_cast<T>(4));
  auto c5 = hn::Set(d, static_cast<T>(5));
  auto c6 = hn::Set(d, static_cast<T>(6));
  auto c7 = hn::Set(d, static_cast<T>(7));
  auto c8 = hn::Set(d, static_cast<T>(8));
  auto c9 = hn::Set(d, static_cast<T>(9));
  auto c10 = hn::Set(d, static_cast<T>(10));
  auto c11 = hn::Set(d, static_cast<T>(11));
  for (std::int64_t round = 0; round < rounds; ++round) {
    c0 = hn::MulAdd(c0, half, half);
    c1 = hn::MulAdd(c1, half, half);
    c2 = hn::MulAdd(c2, half, half);
    c3 = hn::MulAdd(c3, half, half);
    c4 = hn::MulAdd(c4, half, half);
    c5 = hn::MulAdd(c5, half, half);
    c6 = hn::MulAdd(c6, half, half);
    c7 = hn::MulAdd(c7, half, half);
    c8 = hn::MulAdd(c8, half, half);
    c9 = hn::MulAdd(c9, half, half);
    c10 = hn::MulAdd(c10, half, half);
    c11 = hn::MulAdd(c11, half, half);
  }
  const auto sum = hn::Add(hn::Add(hn::Add(c0, c1), hn::Add(c2, c3)),
                           hn::Add(hn::Add(hn::Add(c4, c5), hn::Add(c6, c7)),
                                   hn::Add(hn::Add(c8, c9), hn::Add(c10, c11))));
  return hn::GetLane(hn::SumOfLanes(d, sum));
}

float multiply_adds_float(std::int64_t rounds) { return multiply_adds<float>(rounds); }
double multiply_adds_double(std::int64_t rounds) { return multiply_adds<double>(rounds); }

std::int64_t vector_bytes() {
  return static_cast<std::int64_t>(hn::Lanes(hn::ScalableTag<std::uint8_t>()));
}
const char* target_name() { return hwy::TargetName(HWY_TARGET); }

}  // namespace muonflow::linalg::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace muonflow::linalg {

HWY_EXPORT(multiply_adds_float);
HWY_EXPORT(multiply_adds_double);
HWY_EXPORT(vector_bytes);
HWY_EXPORT(target_name);

namespace {

// Each thread leaves its sum here; the values do not matter.
template <class T>
double seconds_of(std::int64_t rounds, int team, std::vector<T>& sums) {
  const auto start = std::chrono::steady_clock::now();
  parallel_tasks(team, [&](std::int64_t task) {
    const auto at = static_cast<std::size_t>(task);
    if constexpr (sizeof(T) == sizeof(float)) {
      sums[at] = HWY_DYNAMIC_DISPATCH(multiply_adds_float)(rounds);
    } else {
      sums[at] = HWY_DYNAMIC_DISPATCH(multiply_adds_double)(rounds);
    }
  });
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

template <class T>
double peak_gflops() {
  constexpr std::int64_t kTrial = 200'000;
  constexpr double kStretch = 5e-3;
  constexpr int kStretches = 8;
  const int team = std::min(threads(), available_processors());
  std::vector<T> sums(static_cast<std::size_t>(team));
  (void)seconds_of(kTrial, 1, sums);  // wakes the processor and the dispatch
  const double trial = seconds_of(kTrial, 1, sums);
  const auto rounds =
      std::max(kTrial, static_cast<std::int64_t>(static_cast<double>(kTrial) * kStretch / trial));
  double best = 0;
  for (int stretch = 0; stretch < kStretches; ++stretch) {
    const double seconds = seconds_of(rounds, team, sums);
    const auto lanes = static_cast<double>(HWY_DYNAMIC_DISPATCH(vector_bytes)()) / sizeof(T);
    const double flops = 2 * lanes * HWY_NAMESPACE::kChains * static_cast<double>(rounds) * team;
    best = std::max(best, 1e-9 * flops / seconds);
  }
  return best;
}

template double peak_gflops<float>();
template double peak_gflops<double>();

std::string vector_instructions() { return HWY_DYNAMIC_DISPATCH(target_name)(); }

}  // namespace muonflow::linalg
#endif  // HWY_ONCE

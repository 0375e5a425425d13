#include "ops/peak.h"

#include <algorithm>
#include <chrono>
#include <vector>

#include "base/aligned.h"
#include "base/error.h"
#include "ops/matmul.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/peak.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace fulgur {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

template <class D>
HWY_INLINE hn::Vec<D> Start(D d, float seed, int chain) {
  return hn::Set(d, seed + static_cast<float>(chain));
}

// `rounds` times 12 independent chains of one multiply-add each: enough to hide a latency of 4-6 cycles on two pipes.
// Returns the number of floating-point operations; *sink takes the result so that the loop is not removed.
double FmaLoop(int64_t rounds, float seed, float* sink) {
  using D = hn::CappedTag<float, 16>;
  const D d;
  const auto a = hn::Set(d, 0.999f), b = hn::Set(d, seed);
  // Chains that start apart: the compiler computes equal ones once.
  auto x0 = Start(d, seed, 0), x1 = Start(d, seed, 1), x2 = Start(d, seed, 2), x3 = Start(d, seed, 3);
  auto x4 = Start(d, seed, 4), x5 = Start(d, seed, 5), x6 = Start(d, seed, 6), x7 = Start(d, seed, 7);
  auto x8 = Start(d, seed, 8), x9 = Start(d, seed, 9), x10 = Start(d, seed, 10), x11 = Start(d, seed, 11);
  for (int64_t i = 0; i < rounds; ++i) {
    x0 = hn::MulAdd(x0, a, b);
    x1 = hn::MulAdd(x1, a, b);
    x2 = hn::MulAdd(x2, a, b);
    x3 = hn::MulAdd(x3, a, b);
    x4 = hn::MulAdd(x4, a, b);
    x5 = hn::MulAdd(x5, a, b);
    x6 = hn::MulAdd(x6, a, b);
    x7 = hn::MulAdd(x7, a, b);
    x8 = hn::MulAdd(x8, a, b);
    x9 = hn::MulAdd(x9, a, b);
    x10 = hn::MulAdd(x10, a, b);
    x11 = hn::MulAdd(x11, a, b);
  }
  const auto sum =
      hn::Add(hn::Add(hn::Add(hn::Add(x0, x1), hn::Add(x2, x3)), hn::Add(hn::Add(x4, x5), hn::Add(x6, x7))),
              hn::Add(hn::Add(x8, x9), hn::Add(x10, x11)));
  *sink = hn::GetLane(sum);
  return 2.0 * 12 * static_cast<double>(hn::Lanes(d)) * static_cast<double>(rounds);
}

// The sum of n floats (a multiple of 128), with eight loads under way.
float ReadAll(const float* x, int64_t n) {
  const hn::CappedTag<float, 16> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  auto s0 = hn::Zero(d), s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0, s6 = s0, s7 = s0;
  for (int64_t i = 0; i < n; i += 8 * lanes) {
    s0 = hn::Add(s0, hn::Load(d, x + i));
    s1 = hn::Add(s1, hn::Load(d, x + i + lanes));
    s2 = hn::Add(s2, hn::Load(d, x + i + 2 * lanes));
    s3 = hn::Add(s3, hn::Load(d, x + i + 3 * lanes));
    s4 = hn::Add(s4, hn::Load(d, x + i + 4 * lanes));
    s5 = hn::Add(s5, hn::Load(d, x + i + 5 * lanes));
    s6 = hn::Add(s6, hn::Load(d, x + i + 6 * lanes));
    s7 = hn::Add(s7, hn::Load(d, x + i + 7 * lanes));
  }
  return hn::GetLane(hn::Add(hn::Add(hn::Add(s0, s1), hn::Add(s2, s3)), hn::Add(hn::Add(s4, s5), hn::Add(s6, s7))));
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace fulgur
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fulgur {
HWY_EXPORT(FmaLoop);
HWY_EXPORT(ReadAll);

namespace {

// loop(rounds, task, sink) -> operations, on all threads: the best rate of a few runs, in 10^9 a second.
template <typename Loop>
double BestRate(ExecContext& exec, const Loop& loop) {
  using Clock = std::chrono::steady_clock;
  const int64_t tasks = int64_t{2} * exec.pool().threads();
  std::vector<float> sinks(static_cast<size_t>(tasks) * 16, 0.0f);  // a cache line each
  std::vector<double> operations(static_cast<size_t>(tasks));
  int64_t rounds = 100000;
  double best = 0, measured = 0;
  for (int run = 0; run < 50 && measured < 0.2; ++run) {
    const auto start = Clock::now();
    exec.pool().ParallelFor(tasks, [&](int64_t i, int) {
      operations[static_cast<size_t>(i)] = loop(rounds, i, &sinks[static_cast<size_t>(i) * 16]);
    });
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    double total = 0;
    for (const double o : operations) total += o;
    if (seconds < 0.005) {  // too short to time: a longer run
      rounds *= 4;
      continue;
    }
    measured += seconds;
    best = std::max(best, total / seconds / 1e9);
  }
  return best;
}

// Rate of a dot product's loop, or of float32 if there is none.
double DotRate(ExecContext& exec, double (*loop)(int64_t, int, float*)) {
  if (loop == nullptr) return MeasurePeakGflops(exec);
  return BestRate(exec,
                  [&](int64_t rounds, int64_t task, float* out) { return loop(rounds, static_cast<int>(task), out); });
}

}  // namespace

double MeasurePeakGflops(ExecContext& exec) {
  return BestRate(exec, [](int64_t rounds, int64_t task, float* sink) {
    return HWY_DYNAMIC_DISPATCH(FmaLoop)(rounds, 1e-3f * static_cast<float>(task + 1), sink);
  });
}

double MeasurePeakBf16Gflops(ExecContext& exec) { return DotRate(exec, ChosenDotKernels().bf16_peak); }

double MeasurePeakInt8Gops(ExecContext& exec) { return DotRate(exec, ChosenDotKernels().int8_peak); }

double MeasurePeakOf(WeightFormat format, ExecContext& exec) {
  switch (format) {
    case WeightFormat::kF32:
    case WeightFormat::kBf16:
      return MeasurePeakGflops(exec);
    case WeightFormat::kBf16Dot:
      return MeasurePeakBf16Gflops(exec);
    case WeightFormat::kQ8:
    case WeightFormat::kQ4:
    case WeightFormat::kQ8F16:
    case WeightFormat::kQ4F16:
    case WeightFormat::kQ4k:
    case WeightFormat::kQ3:
    case WeightFormat::kQ2:
      return MeasurePeakInt8Gops(exec);
  }
  return 0;
}

double MeasureReadBandwidth(ExecContext& exec) {
  using Clock = std::chrono::steady_clock;
  constexpr int64_t kFloats = int64_t{1} << 28, kTask = int64_t{1} << 20;
  AlignedVector<float> memory(static_cast<size_t>(kFloats), 1.0f);
  std::vector<float> sums(static_cast<size_t>(kFloats / kTask));
  double best = 0;
  for (int run = 0; run < 5; ++run) {
    const auto start = Clock::now();
    exec.pool().ParallelFor(kFloats / kTask, [&](int64_t i, int) {
      sums[static_cast<size_t>(i)] = HWY_DYNAMIC_DISPATCH(ReadAll)(memory.data() + i * kTask, kTask);
    });
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    FULGUR_CHECK(sums[0] > 0);  // the sums are used, so they are computed
    best = std::max(best, static_cast<double>(kFloats) * sizeof(float) / seconds / 1e9);
  }
  return best;
}

}  // namespace fulgur
#endif  // HWY_ONCE

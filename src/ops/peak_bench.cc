// The marks themselves: what this machine reaches.
#include <benchmark/benchmark.h>

#include "ops/peak.h"

namespace fulgur {
namespace {

void BM_Peak(benchmark::State& state) {
  ExecContext exec(static_cast<int>(state.range(0)));
  for (auto _ : state) {
    state.counters["f32_GFLOP/s"] = MeasurePeakGflops(exec);
    state.counters["bf16_GFLOP/s"] = MeasurePeakBf16Gflops(exec);
    state.counters["int8_GOP/s"] = MeasurePeakInt8Gops(exec);
    state.counters["read_GB/s"] = MeasureReadBandwidth(exec);
  }
}
BENCHMARK(BM_Peak)->ArgName("threads")->Arg(1)->Arg(2)->Iterations(1)->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace fulgur

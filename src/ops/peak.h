// What this machine's arithmetic can do, measured: the mark that throughput is compared with.
#pragma once

#include "base/thread_pool.h"

namespace fulgur {

// float32 multiply-add throughput of all the pool's threads together, in GFLOP/s (a multiply-add counts as 2): the best
// of a few runs of a loop that keeps everything in registers. Takes about a fifth of a second.
double MeasurePeakGflops(ThreadPool& pool);

}  // namespace fulgur

// What this machine can do, measured: the marks that throughput is compared with.
#pragma once

#include "base/thread_pool.h"
#include "ops/packed_matrix.h"

namespace fulgur {

// float32 multiply-add throughput of all the pool's threads together, in GFLOP/s (a multiply-add counts as 2): the best
// of a few runs of a loop that keeps everything in registers. Takes about a fifth of a second.
double MeasurePeakGflops(ThreadPool& pool);

// The same for dot products of bfloat16 added up in float32 (AMX tiles or vdpbf16ps), and in Gop/s for those of bytes
// added up in int32 (vpdpbusd, or what AVX2 has instead). Where the instruction set has none, kernels widen to float32,
// and this is MeasurePeakGflops.
double MeasurePeakBf16Gflops(ThreadPool& pool);
double MeasurePeakInt8Gops(ThreadPool& pool);
// That of the three which products with weights of this format run on.
double MeasurePeakOf(WeightFormat format, ThreadPool& pool);

// What all threads together read from memory, in GB/s (10^9 bytes): the best of a few passes over an array of 1 GiB,
// which no cache holds. Takes about half a second.
double MeasureReadBandwidth(ThreadPool& pool);

}  // namespace fulgur

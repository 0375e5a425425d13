// What this machine can do, measured: the marks that throughput is compared with.
#pragma once

#include "ops/exec_context.h"
#include "ops/packed_matrix.h"

namespace fulgur {

// float32 multiply-add throughput of all threads together, in GFLOP/s (a multiply-add counts as 2): the best
// of a few runs of a loop that keeps everything in registers. Takes about a fifth of a second.
double MeasurePeakGflops(ExecContext& exec);

// The same for dot products of bfloat16 added up in float32 (AMX tiles or vdpbf16ps), and in Gop/s for those of bytes
// added up in int32 (vpdpbusd, or what AVX2 has instead). Where the instruction set has none, kernels widen to float32,
// and this is MeasurePeakGflops.
double MeasurePeakBf16Gflops(ExecContext& exec);
double MeasurePeakInt8Gops(ExecContext& exec);
// That of the three which products with weights of this format run on.
double MeasurePeakOf(WeightFormat format, ExecContext& exec);

// What all threads together read from memory, in GB/s (10^9 bytes): the best of a few passes over an array of 1 GiB,
// which no cache holds. Takes about half a second.
double MeasureReadBandwidth(ExecContext& exec);

}  // namespace fulgur

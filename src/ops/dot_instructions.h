// Dot products of narrow numbers, which have instructions of their own: AVX512_BF16 (pairs of bfloat16 to float32) and
// AVX512_VNNI (four products of unsigned and signed bytes to int32). Highway 1.0.3 has neither, so kernels that use
// them are intrinsics in files of their own, each function compiled for its instruction set by FULGUR_TARGET.
#pragma once

namespace fulgur {

#if defined(__x86_64__)
#define FULGUR_TARGET(features) __attribute__((target(features)))
#define FULGUR_AVX512_DOT FULGUR_TARGET("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx512vnni")
#define FULGUR_AVX2 FULGUR_TARGET("avx2,fma")
#endif

enum class DotInstructions {
  kPortable,   // plain C++
  kAvx2,       // bfloat16 widened, bytes multiplied to int16 and those added
  kAvx512Dot,  // AVX-512 with both extensions (Zen 4, Sapphire Rapids and later)
};

// The widest that this processor has and the instruction set chosen in ops/gemm.h (UseInstructionSet) allows.
DotInstructions ChosenDotInstructions();

}  // namespace fulgur

#include "ops/dot_instructions.h"

#include <hwy/targets.h>

#include <cstdint>

namespace fulgur {

DotInstructions ChosenDotInstructions() {
#if defined(__x86_64__)
  const int64_t targets = hwy::SupportedTargets();
  static const bool avx512_dot = __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512vnni");
  if ((targets & HWY_AVX3) != 0 && avx512_dot) return DotInstructions::kAvx512Dot;
  if ((targets & (HWY_AVX3 | HWY_AVX2)) != 0) return DotInstructions::kAvx2;
#endif
  return DotInstructions::kPortable;
}

}  // namespace fulgur

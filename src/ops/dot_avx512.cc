#if defined(__x86_64__)
#include "ops/dot_avx512-inl.h"

namespace fulgur {
const DotKernels kDotAvx512 = kKernels;
}  // namespace fulgur
#endif  // __x86_64__

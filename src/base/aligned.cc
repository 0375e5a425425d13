#include "base/aligned.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <new>

namespace fulgur {

void* AllocateAligned(size_t bytes) {
  constexpr size_t kCacheLine = 64, kHugePage = size_t{2} << 20;
  const size_t alignment = bytes >= 4 * kHugePage ? kHugePage : kCacheLine;
  if (bytes > SIZE_MAX - alignment) throw std::bad_alloc();
  const size_t size = (std::max<size_t>(bytes, 1) + alignment - 1) / alignment * alignment;  // never 0, never null
  void* memory = std::aligned_alloc(alignment, size);
  if (memory == nullptr) throw std::bad_alloc();
#if defined(MADV_HUGEPAGE)
  if (alignment == kHugePage) ::madvise(memory, size, MADV_HUGEPAGE);  // a wish: it may be refused
#endif
  return memory;
}

}  // namespace fulgur

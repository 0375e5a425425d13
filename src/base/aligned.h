// Memory for numbers: starts at a cache line, so that no vector load or store of a row crosses two; if it is large, it
// asks for huge pages, which spares page faults and address translations.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <vector>

namespace fulgur {

// At least `bytes` bytes, released with std::free. Throws std::bad_alloc.
void* AllocateAligned(size_t bytes);

template <typename T>
struct AlignedAllocator {
  using value_type = T;

  AlignedAllocator() = default;
  template <typename U>
  AlignedAllocator(const AlignedAllocator<U>&) {}  // NOLINT(google-explicit-constructor): allocators convert

  T* allocate(size_t n) { return static_cast<T*>(AllocateAligned(n * sizeof(T))); }
  void deallocate(T* p, size_t) { std::free(p); }
  bool operator==(const AlignedAllocator&) const { return true; }
};

template <typename T>
using AlignedVector = std::vector<T, AlignedAllocator<T>>;

}  // namespace fulgur

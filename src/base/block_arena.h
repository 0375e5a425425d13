// Blocks of one size, cut from large allocations: no allocation of its own for each, neighbours next to each other,
// and huge pages where there are many (base/aligned.h).
#pragma once

#include <cstddef>
#include <memory>

namespace fulgur {

class BlockArena {
 public:
  // block_bytes > 0, rounded up to whole cache lines.
  explicit BlockArena(size_t block_bytes);

  // A block of zeros at a cache line. It is free again when the last copy of the pointer is gone, which may be after
  // the arena. May be called from several threads. Throws std::bad_alloc.
  std::shared_ptr<std::byte> Allocate();

  size_t block_bytes() const;
  size_t reserved_bytes() const;  // memory held, free blocks included; what has no block in use is given back

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace fulgur

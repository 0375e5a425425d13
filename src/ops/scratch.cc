#include "ops/scratch.h"

#include <algorithm>

namespace fulgur {

void* ScratchStack::Take(size_t bytes) {
  bytes = (bytes + 63) / 64 * 64;
  for (; mark_.block < blocks_.size(); ++mark_.block, mark_.used = 0) {
    AlignedVector<std::byte>& block = blocks_[mark_.block];
    if (block.size() - mark_.used < bytes) continue;
    return block.data() + std::exchange(mark_.used, mark_.used + bytes);
  }
  constexpr size_t kSmallest = size_t{64} << 10;
  const size_t last = blocks_.empty() ? kSmallest : 2 * blocks_.back().size();
  blocks_.emplace_back(std::max(bytes, last));
  mark_.used = bytes;
  return blocks_.back().data();
}

void ScratchStack::GiveBack(Mark mark) {
  mark_ = mark;
  if (mark.block > 0 || mark.used > 0 || blocks_.size() <= 1) return;
  // All is free: one block of the size of all, which the next time will do.
  size_t total = 0;
  for (const auto& block : blocks_) total += block.size();
  blocks_.clear();
  blocks_.emplace_back(total);
}

}  // namespace fulgur

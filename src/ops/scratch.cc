#include "ops/scratch.h"

#include <algorithm>

namespace fulgur {

void ScratchStack::Use(size_t block, std::byte* top) {
  mark_ = {block, top};
  end_ = blocks_[block].data() + blocks_[block].size();
}

void* ScratchStack::TakeFromNextBlock(size_t bytes) {
  size_t block = blocks_.empty() ? 0 : mark_.block + 1;
  while (block < blocks_.size() && blocks_[block].size() < bytes) ++block;
  if (block == blocks_.size()) {
    constexpr size_t kSmallest = size_t{64} << 10;
    blocks_.emplace_back(std::max(bytes, blocks_.empty() ? kSmallest : 2 * blocks_.back().size()));
  }
  Use(block, blocks_[block].data() + bytes);
  return blocks_[block].data();
}

void ScratchStack::GiveBackBlocks(Mark mark) {
  if (blocks_.empty()) return;
  if (mark.block > 0 || (mark.top != nullptr && mark.top != blocks_[0].data())) return Use(mark.block, mark.top);
  if (blocks_.size() > 1) {  // all is free: one block of the size of all, which the next time will do
    size_t total = 0;
    for (const auto& block : blocks_) total += block.size();
    blocks_.clear();
    blocks_.emplace_back(total);
  }
  Use(0, blocks_[0].data());
}

}  // namespace fulgur

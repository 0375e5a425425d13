#include "base/block_arena.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <vector>

#include "base/aligned.h"
#include "base/error.h"

namespace fulgur {
namespace {

constexpr size_t kCacheLine = 64;
constexpr size_t kFirstSlab = size_t{1} << 18, kLargestSlab = size_t{1} << 25;  // each as large as all before it

}  // namespace

struct BlockArena::Impl {
  struct Slab {
    std::byte* memory;
    size_t blocks, begun = 0, used = 0;  // begun: blocks that have been handed out at least once
    std::vector<std::byte*> free;        // of those
    bool full() const { return begun == blocks && free.empty(); }
  };

  explicit Impl(size_t bytes) : block_bytes(bytes) {}
  ~Impl() {
    for (const auto& slab : slabs) std::free(slab->memory);
  }

  Slab* SlabWithRoom() {
    // The newest is the likely one.
    for (auto it = slabs.rbegin(); it != slabs.rend(); ++it) {
      if (!(*it)->full()) return it->get();
    }
    const size_t wish = std::clamp(reserved, kFirstSlab, kLargestSlab);
    auto slab = std::make_unique<Slab>();
    slab->blocks = std::max<size_t>(1, wish / block_bytes);
    slab->free.reserve(slab->blocks);  // so that giving a block back cannot fail
    slabs.reserve(slabs.size() + 1);
    slab->memory = static_cast<std::byte*>(AllocateAligned(slab->blocks * block_bytes));
    reserved += slab->blocks * block_bytes;
    slabs.push_back(std::move(slab));
    return slabs.back().get();
  }

  void Release(Slab* slab, std::byte* block) {
    const std::lock_guard lock(mutex);
    slab->free.push_back(block);
    if (--slab->used > 0) return;
    reserved -= slab->blocks * block_bytes;
    std::free(slab->memory);
    slabs.erase(std::find_if(slabs.begin(), slabs.end(), [&](const auto& s) { return s.get() == slab; }));
  }

  const size_t block_bytes;
  std::mutex mutex;
  std::vector<std::unique_ptr<Slab>> slabs;
  size_t reserved = 0;
};

BlockArena::BlockArena(size_t block_bytes)
    : impl_(std::make_shared<Impl>((block_bytes + kCacheLine - 1) / kCacheLine * kCacheLine)) {
  FULGUR_CHECK(block_bytes > 0);
}

std::shared_ptr<std::byte> BlockArena::Allocate() {
  std::byte* block = nullptr;
  Impl::Slab* slab = nullptr;
  {
    const std::lock_guard lock(impl_->mutex);
    slab = impl_->SlabWithRoom();
    if (slab->free.empty()) {
      block = slab->memory + slab->begun++ * impl_->block_bytes;
    } else {
      block = slab->free.back();
      slab->free.pop_back();
    }
    ++slab->used;
  }
  // If there is no memory for the pointer, this gives the block back.
  std::shared_ptr<std::byte> pointer(block, [impl = impl_, slab](std::byte* b) { impl->Release(slab, b); });
  std::memset(block, 0, impl_->block_bytes);
  return pointer;
}

size_t BlockArena::block_bytes() const { return impl_->block_bytes; }

size_t BlockArena::reserved_bytes() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->reserved;
}

}  // namespace fulgur

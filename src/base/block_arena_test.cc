#include "base/block_arena.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>
#include <set>
#include <thread>
#include <vector>

namespace fulgur {
namespace {

TEST(BlockArena, BlocksAreApartAndZeroAlsoWhenUsedAgain) {
  BlockArena arena(1000);
  EXPECT_EQ(arena.block_bytes(), 1024u);
  std::vector<std::shared_ptr<std::byte>> blocks;
  std::set<std::byte*> addresses;
  for (int i = 0; i < 2000; ++i) {
    blocks.push_back(arena.Allocate());
    std::byte* const b = blocks.back().get();
    EXPECT_EQ(reinterpret_cast<uintptr_t>(b) % 64, 0u);
    for (size_t n = 0; n < 1024; ++n) ASSERT_EQ(b[n], std::byte{0}) << i;
    std::memset(b, 7, 1024);
    addresses.insert(b);
    if (i % 3 == 0) blocks.erase(blocks.begin());
  }
  EXPECT_LT(addresses.size(), 2000u);  // some were used again
  std::vector<std::byte*> held;
  for (const auto& b : blocks) held.push_back(b.get());
  std::sort(held.begin(), held.end());
  for (size_t i = 1; i < held.size(); ++i) EXPECT_GE(held[i] - held[i - 1], 1024);
  for (const std::byte* b : held) {
    for (size_t n = 0; n < 1024; ++n) ASSERT_EQ(b[n], std::byte{7});
  }
}

TEST(BlockArena, TakesLittleMoreThanItHandsOutAndGivesItBack) {
  BlockArena arena(4096);
  EXPECT_EQ(arena.reserved_bytes(), 0u);
  std::vector<std::shared_ptr<std::byte>> blocks;
  for (int i = 0; i < 10000; ++i) {
    blocks.push_back(arena.Allocate());
    ASSERT_LE(arena.reserved_bytes(), std::max<size_t>(1u << 18, 2 * blocks.size() * 4096));
    ASSERT_LE(arena.reserved_bytes(), blocks.size() * 4096 + (1u << 25));
    ASSERT_GE(arena.reserved_bytes(), blocks.size() * 4096);
  }
  blocks.clear();
  EXPECT_EQ(arena.reserved_bytes(), 0u);
  EXPECT_GE(arena.Allocate().use_count(), 1);
}

TEST(BlockArena, BlocksOutliveIt) {
  std::optional<BlockArena> arena(64);
  const std::shared_ptr<std::byte> a = arena->Allocate(), b = a;
  arena.reset();
  std::memset(a.get(), 1, 64);
  EXPECT_EQ(*b, std::byte{1});
}

TEST(BlockArena, ManyThreads) {
  BlockArena arena(128);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&arena, t] {
      std::vector<std::shared_ptr<std::byte>> own;
      for (int i = 0; i < 3000; ++i) {
        own.push_back(arena.Allocate());
        std::memset(own.back().get(), t + 1, 128);
        if (i % 2 == 1) own.erase(own.begin());
      }
      for (const auto& block : own) {
        for (int n = 0; n < 128; ++n) ASSERT_EQ(block.get()[n], static_cast<std::byte>(t + 1));
      }
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(arena.reserved_bytes(), 0u);
}

}  // namespace
}  // namespace fulgur

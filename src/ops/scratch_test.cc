#include "ops/scratch.h"

#include <gtest/gtest.h>

#include <cstring>
#include <numeric>

#include "ops/exec_context.h"

namespace fulgur {
namespace {

TEST(Scratch, WhatIsTakenIsAlignedAndDoesNotOverlap) {
  ScratchStack stack;
  for (int round = 0; round < 3; ++round) {
    Scratch scratch(stack);
    std::vector<std::span<char>> taken;
    for (int64_t n : {1, 100, 70000, 0, 63, 300000, 64}) {
      char* const p = scratch.Take<char>(n);
      EXPECT_EQ(reinterpret_cast<uintptr_t>(p) % 64, 0u);
      std::memset(p, static_cast<int>(taken.size()), static_cast<size_t>(n));
      taken.emplace_back(p, static_cast<size_t>(n));
    }
    for (size_t i = 0; i < taken.size(); ++i) {
      for (const char c : taken[i]) ASSERT_EQ(c, static_cast<char>(i));
    }
  }
}

TEST(Scratch, ACallGivesBackWhatItTookAndNoMore) {
  ScratchStack stack;
  Scratch outer(stack);
  int* const kept = outer.Take<int>(10);
  std::iota(kept, kept + 10, 0);
  const void* first = nullptr;
  for (const int64_t n : {10, 1000000, 10}) {
    Scratch inner(stack);
    int* const p = inner.Take<int>(n);
    std::fill_n(p, n, -1);
    if (first == nullptr) first = p;
    EXPECT_TRUE(n != 10 || p == first);
  }
  for (int i = 0; i < 10; ++i) EXPECT_EQ(kept[i], i);
}

TEST(Scratch, MemoryIsKept) {
  ScratchStack stack;
  const auto take = [&] {
    Scratch scratch(stack);
    scratch.Take<float>(100000);
    return scratch.Take<float>(500000);
  };
  take();
  EXPECT_EQ(take(), take());
}

TEST(Scratch, AListGrows) {
  ScratchStack stack;
  Scratch scratch(stack);
  ScratchList<int64_t> list(scratch), other(scratch);
  for (int64_t i = 0; i < 1000; ++i) {
    list.push_back(i);
    other.push_back(-i);
  }
  ASSERT_EQ(list.size(), 1000);
  for (int64_t i = 0; i < 1000; ++i) EXPECT_EQ(list[i] - other[i], 2 * i);
}

TEST(ExecContext, WorkersAndCopiesHaveScratchOfTheirOwn) {
  ExecContext exec(3), copy(exec);
  EXPECT_EQ(&exec.pool(), &copy.pool());
  EXPECT_NE(&exec.scratch(), &copy.scratch());
  std::vector<ScratchStack*> stacks(3);
  exec.pool().ParallelFor(1000, [&](int64_t, int worker) {
    ScratchStack*& seen = stacks[static_cast<size_t>(worker)];
    EXPECT_TRUE(seen == nullptr || seen == &exec.scratch());
    seen = &exec.scratch();
    exec.pool().ParallelFor(2, [&](int64_t, int) { EXPECT_EQ(seen, &exec.scratch()); });
  });
  for (size_t i = 0; i < stacks.size(); ++i) {
    for (size_t j = 0; j < i; ++j) EXPECT_TRUE(stacks[i] == nullptr || stacks[i] != stacks[j]);
  }
}

}  // namespace
}  // namespace fulgur

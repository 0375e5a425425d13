#include "base/aligned.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <new>

namespace fulgur {
namespace {

TEST(Aligned, StartsAtACacheLineWhateverTheSize) {
  for (const size_t bytes : {size_t{0}, size_t{1}, size_t{64}, size_t{1000}, size_t{4} << 20, (size_t{5} << 20) + 3}) {
    void* memory = AllocateAligned(bytes);
    ASSERT_NE(memory, nullptr);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(memory) % 64, 0u);
    std::memset(memory, 1, bytes);
    std::free(memory);
  }
}

TEST(Aligned, TooMuchIsBadAlloc) {
  EXPECT_THROW(AllocateAligned(SIZE_MAX), std::bad_alloc);
  EXPECT_THROW(AllocateAligned(SIZE_MAX / 2), std::bad_alloc);
}

TEST(Aligned, VectorGrows) {
  AlignedVector<float> v;
  for (int i = 0; i < 10000; ++i) v.push_back(static_cast<float>(i));
  for (int i = 0; i < 10000; ++i) ASSERT_EQ(v[static_cast<size_t>(i)], static_cast<float>(i));
  EXPECT_EQ(reinterpret_cast<uintptr_t>(v.data()) % 64, 0u);
}

}  // namespace
}  // namespace fulgur

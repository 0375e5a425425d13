#include "eval/python_random.h"

#include <algorithm>
#include <bit>
#include <numeric>

#include "base/error.h"

namespace fulgur {

PythonRandom::PythonRandom(uint32_t seed) {
  constexpr size_t kWords = 624;
  state_[0] = 19650218;
  for (uint32_t i = 1; i < kWords; ++i) state_[i] = 1812433253u * (state_[i - 1] ^ (state_[i - 1] >> 30)) + i;
  size_t i = 1;
  const auto step = [&](uint32_t factor) {
    state_[i] = (state_[i] ^ ((state_[i - 1] ^ (state_[i - 1] >> 30)) * factor));
  };
  const auto advance = [&] {
    if (++i >= kWords) {
      state_[0] = state_[kWords - 1];
      i = 1;
    }
  };
  for (size_t k = 0; k < kWords; ++k) {
    step(1664525u);
    state_[i] += seed;  // the key has one word, so its index is always 0
    advance();
  }
  for (size_t k = 0; k + 1 < kWords; ++k) {
    step(1566083941u);
    state_[i] -= static_cast<uint32_t>(i);
    advance();
  }
  state_[0] = 0x80000000u;
}

uint32_t PythonRandom::Next() {
  constexpr size_t kWords = 624, kShift = 397;
  if (at_ >= kWords) {
    for (size_t i = 0; i < kWords; ++i) {
      const uint32_t y = (state_[i] & 0x80000000u) | (state_[(i + 1) % kWords] & 0x7fffffffu);
      state_[i] = state_[(i + kShift) % kWords] ^ (y >> 1) ^ (y % 2 != 0 ? 0x9908b0dfu : 0u);
    }
    at_ = 0;
  }
  uint32_t y = state_[at_++];
  y ^= y >> 11;
  y ^= (y << 7) & 0x9d2c5680u;
  y ^= (y << 15) & 0xefc60000u;
  return y ^ (y >> 18);
}

uint32_t PythonRandom::Below(uint32_t n) {
  const int bits = std::bit_width(n);
  uint32_t r = 0;
  do {
    r = Next() >> (32 - bits);
  } while (r >= n);
  return r;
}

std::vector<int> PythonRandom::Permutation(int n) {
  FULGUR_CHECK(0 <= n && n <= 21);
  std::vector<int> pool(static_cast<size_t>(n)), drawn;
  std::iota(pool.begin(), pool.end(), 0);
  while (!pool.empty()) {
    const size_t at = Below(static_cast<uint32_t>(pool.size()));
    drawn.push_back(pool[at]);
    pool[at] = pool.back();
    pool.pop_back();
  }
  return drawn;
}

}  // namespace fulgur

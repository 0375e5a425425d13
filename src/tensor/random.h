// Random tensors.
#pragma once

#include <cstdint>
#include <span>

namespace fulgur {

// Elements of a tensor are drawn in blocks of this many, each block from a generator of its own.
inline constexpr int64_t kRandomBlock = 4096;

// Elements [begin, begin + out.size()) of an endless row of independent normal draws with mean 0, given by `key` alone:
// any part of it can be made anywhere, in any order, by any thread. begin: a multiple of kRandomBlock. Box-Muller with
// a logarithm and cosine made of +, * and / only, so that the bits are the same on every machine and C library. The
// largest magnitude is 5.77 stddev (the uniforms have 24 bits).
void FillNormal(uint64_t key, int64_t begin, double stddev, std::span<float> out);

}  // namespace fulgur

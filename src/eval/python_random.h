// Python's random numbers, where a benchmark's official code draws its data's order from them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace fulgur {

// random.Random(seed) of CPython: MT19937 (Matsumoto and Nishimura 1998), seeded by init_by_array.
class PythonRandom {
 public:
  explicit PythonRandom(uint32_t seed);
  // random.sample(range(n), n): all of 0 .. n - 1 in a drawn order. n <= 21, beyond which Python takes another way.
  std::vector<int> Permutation(int n);

 private:
  uint32_t Next();
  uint32_t Below(uint32_t n);
  std::array<uint32_t, 624> state_;
  size_t at_ = 624;
};

}  // namespace fulgur

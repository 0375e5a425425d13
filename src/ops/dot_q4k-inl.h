// q4k's groups in registers: included by each instruction set's kernels, with their vectors V. Levels are given for
// four inputs of each output a vector, 8 vectors of a group; of factors and numbers of offsets those of the first 16
// inputs in an output's low 16 bits and those of the second in its high ones.
struct Q4kGroup {
  static constexpr int kBytes = kQ4kGroupBytes, kMostLevel = 63;
  V levels = Table(kQ4kLevels), offsets = Table(kQ4kOffsets), factors = Table32(kQ4kFactors), low = Set8(15);

  // Of vector v of outputs.
  INLINE void Levels(const char* group, int v, V (&out)[8]) const {
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      const V both = Load(group + i * 128 + v * kVectorBytes);
      out[2 * i] = Lookup(levels, And(both, low));
      out[2 * i + 1] = Lookup(levels, And(ShiftRight<4>(both), low));
    }
  }
  INLINE V Factors(const char* group, int v) const {
    return Lookup32(factors, ShiftRight<6>(LoadBytes(group + 544 + v * kLanes)));
  }
  INLINE V Offsets(const char* group, int v) const {
    const V both = LoadBytes(group + 544 + v * kLanes);
    return LookupPairs(offsets, Or(And(both, Set32(7)), And(ShiftLeft32<13>(both), Set32(7 << 16))));
  }
  INLINE Floats Scales(const char* group, int v) const { return ScalesOf(LoadBytes(group + 512 + v * kLanes)); }
};

// q4k's groups in registers: included by each instruction set's kernels, with their vectors V. Levels are given for
// four inputs of each output a vector, 8 vectors of a group; of factors and numbers of offsets those of the first 16
// inputs in an output's low 16 bits and those of the second in its high ones.
struct Q4kGroup : ByteCodes<544> {
  static constexpr int kBytes = kQ4kGroupBytes, kMostLevel = 63;
  V levels = Table(kQ4kLevels), low = Set8(15);
  Q4kGroup() : ByteCodes(kQ4kOffsets, kQ4kFactors) {}

  // Of vector v of outputs.
  INLINE void Levels(const char* group, int v, V (&out)[8]) const {
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      const V both = Load(group + i * 128 + v * kVectorBytes);
      out[2 * i] = Lookup(levels, And(both, low));
      out[2 * i + 1] = Lookup(levels, And(ShiftRight<4>(both), low));
    }
  }
};

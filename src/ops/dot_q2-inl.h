// q2's groups in registers; see dot_q4k-inl.h.
struct Q2Group : ByteCodes<288> {
  static constexpr int kBytes = kQ2GroupBytes, kMostLevel = 12;
  V mask = Set8(12);
  Q2Group() : ByteCodes(kQ2Offsets, kFactors) {}

  INLINE void Levels(const char* group, int v, V (&out)[8]) const {
#pragma GCC unroll 2
    for (int i = 0; i < 2; ++i) {
      const V bytes = Load(group + i * 128 + v * kVectorBytes);
      out[4 * i] = And(ShiftLeft<2>(bytes), mask);
      out[4 * i + 1] = And(bytes, mask);
      out[4 * i + 2] = And(ShiftRight<2>(bytes), mask);
      out[4 * i + 3] = And(ShiftRight<4>(bytes), mask);
    }
  }
};

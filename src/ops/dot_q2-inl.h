// q2's groups in registers; see dot_q4k-inl.h.
struct Q2Group {
  static constexpr int kBytes = kQ2GroupBytes, kMostLevel = 12;
  V offsets = Table(kQ2Offsets), factors = Table32(kFactors), mask = Set8(12);

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
  INLINE V Factors(const char* group, int v) const {
    return Lookup32(factors, ShiftRight<6>(LoadBytes(group + 288 + v * kLanes)));
  }
  INLINE V Offsets(const char* group, int v) const {
    const V both = LoadBytes(group + 288 + v * kLanes);
    return LookupPairs(offsets, Or(And(both, Set32(7)), And(ShiftLeft32<13>(both), Set32(7 << 16))));
  }
  INLINE Floats Scales(const char* group, int v) const { return ScalesOf(LoadBytes(group + 256 + v * kLanes)); }
};

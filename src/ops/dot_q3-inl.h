// q3's groups in registers; see dot_q4k-inl.h.
struct Q3Group {
  static constexpr int kBytes = kQ3GroupBytes, kMostLevel = 31;
  V levels = Table(kQ3Levels), offsets = Table(kQ3Offsets), factors = Table32(kFactors), low = Set8(7);

  INLINE void Levels(const char* group, int v, V (&out)[8]) const {
    V bytes[3];
#pragma GCC unroll 3
    for (int i = 0; i < 3; ++i) {
      bytes[i] = Load(group + i * 128 + v * kVectorBytes);
      out[2 * i] = Lookup(levels, And(bytes[i], low));
      out[2 * i + 1] = Lookup(levels, And(ShiftRight<3>(bytes[i]), low));
    }
    // The high bits come to bit 2, the low ones to 0 and 1.
    const V two = Set8(3), high = Set8(4);
    out[6] = Lookup(levels, Or(And(ShiftRight<6>(bytes[0]), two), And(ShiftRight<4>(bytes[2]), high)));
    out[7] = Lookup(levels, Or(And(ShiftRight<6>(bytes[1]), two), And(ShiftRight<5>(bytes[2]), high)));
  }
  INLINE V Factors(const char* group, int v) const {
    return Lookup32(factors, And(LoadPairsOfBits(group + 432, v), Set32(3)));
  }
  INLINE V Offsets(const char* group, int v) const {
    constexpr int kPerHalf = 16 / kLanes;  // vectors
    const V bytes = LoadBytes(group + 416 + v % kPerHalf * kLanes), both = v < kPerHalf ? bytes : ShiftRight<4>(bytes);
    return LookupPairs(offsets, Or(And(both, Set32(3)), And(ShiftLeft32<14>(both), Set32(3 << 16))));
  }
  INLINE Floats Scales(const char* group, int v) const { return ScalesOf(LoadBytes(group + 384 + v * kLanes)); }
};

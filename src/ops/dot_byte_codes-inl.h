// What q4k and q2 have in common; included as dot_q4k-inl.h is.

// A group whose last 32 bytes have an output's factors and offsets each (two bits a factor, three an offset), and the 32
// before them its scale.
template <int kCodes>
struct ByteCodes {
  V offsets, factors;
  INLINE ByteCodes(const uint8_t* of_offsets, const int* of_factors)
      : offsets(Table(of_offsets)), factors(Table32(of_factors)) {}

  INLINE V Factors(const char* group, int v) const {
    return Lookup32(factors, ShiftRight<6>(LoadBytes(group + kCodes + v * kLanes)));
  }
  INLINE V Offsets(const char* group, int v) const {
    const V both = LoadBytes(group + kCodes + v * kLanes);
    return LookupPairs(offsets, Or(And(both, Set32(7)), And(ShiftLeft32<13>(both), Set32(7 << 16))));
  }
  INLINE Floats Scales(const char* group, int v) const { return ScalesOf(LoadBytes(group + kCodes - 32 + v * kLanes)); }
};

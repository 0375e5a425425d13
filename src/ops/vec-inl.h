// Vectors of 16 floats for kernels, included once per instruction set (hence no #pragma once; see Highway's README).
//
// Row16 is one AVX-512 vector, two of AVX2, four of NEON or SSE. Written in terms of it, a loop over a row has element
// i in lane i mod 16 on every machine, and ReduceSum adds the lanes in one fixed tree: with a fused multiply-add, all
// instruction sets give the same bits.
#if defined(FULGUR_OPS_VEC_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef FULGUR_OPS_VEC_INL_H_
#undef FULGUR_OPS_VEC_INL_H_
#else
#define FULGUR_OPS_VEC_INL_H_
#endif

#include <hwy/highway.h>

#include <cstdint>
#include <cstring>
#include <limits>

HWY_BEFORE_NAMESPACE();
namespace fulgur {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using FloatTag = hn::CappedTag<float, 16>;
using FloatVec = hn::Vec<FloatTag>;
constexpr int64_t kFloatLanes = hn::MaxLanes(FloatTag());
constexpr int64_t kParts = 16 / kFloatLanes;
constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();

struct Row16 {
  FloatVec part[kParts];
};

HWY_INLINE Row16 Set16(float x) {
  Row16 r;
  for (int64_t i = 0; i < kParts; ++i) r.part[i] = hn::Set(FloatTag(), x);
  return r;
}
HWY_INLINE Row16 Zero16() { return Set16(0.0f); }
HWY_INLINE Row16 Load16(const float* p) {
  Row16 r;
  for (int64_t i = 0; i < kParts; ++i) r.part[i] = hn::LoadU(FloatTag(), p + i * kFloatLanes);
  return r;
}
HWY_INLINE void Store16(Row16 x, float* p) {
  for (int64_t i = 0; i < kParts; ++i) hn::StoreU(x.part[i], FloatTag(), p + i * kFloatLanes);
}
// The first n < 16 lanes are in memory; the others are `fill`, and are not stored.
HWY_INLINE Row16 Load16N(const float* p, int64_t n, float fill = 0.0f) {
  HWY_ALIGN float buffer[16];
  Store16(Set16(fill), buffer);
  std::memcpy(buffer, p, static_cast<size_t>(n) * sizeof(float));
  return Load16(buffer);
}
HWY_INLINE void Store16N(Row16 x, float* p, int64_t n) {
  HWY_ALIGN float buffer[16];
  Store16(x, buffer);
  std::memcpy(p, buffer, static_cast<size_t>(n) * sizeof(float));
}

// exp(x) within 1.2 ulp: x = n ln 2 + r, |r| <= ln 2 / 2, Taylor's series to r^7 / 7! (next term 5e-9), scaled by 2^n
// in two steps so that results may be subnormal. exp(-inf) = 0, exp(NaN) = NaN, overflow gives inf.
HWY_INLINE FloatVec Exp(FloatVec x) {
  const FloatTag d;
  const auto set = [d](float c) HWY_ATTR { return hn::Set(d, c); };
  x = hn::IfThenElse(hn::Gt(x, set(89.0f)), set(89.0f), x);
  x = hn::IfThenElse(hn::Lt(x, set(-105.0f)), set(-105.0f), x);
  const auto n = hn::NearestInt(hn::Mul(x, set(0x1.715476p+0f)));  // 1 / ln 2
  const FloatVec nf = hn::ConvertTo(d, n);
  FloatVec r = hn::NegMulAdd(nf, set(0x1.63p-1f), x);  // ln 2 in two parts, the first with 9 bits: n times it is exact
  r = hn::NegMulAdd(nf, set(-0x1.bd0106p-13f), r);
  FloatVec p = set(1.0f / 5040);
  p = hn::MulAdd(p, r, set(1.0f / 720));
  p = hn::MulAdd(p, r, set(1.0f / 120));
  p = hn::MulAdd(p, r, set(1.0f / 24));
  p = hn::MulAdd(p, r, set(1.0f / 6));
  p = hn::MulAdd(p, r, set(0.5f));
  p = hn::MulAdd(p, r, set(1.0f));
  p = hn::MulAdd(p, r, set(1.0f));
  const hn::RebindToSigned<FloatTag> di;
  const auto half = hn::ShiftRight<1>(n);
  const auto bias = hn::Set(di, 127);
  const FloatVec scale1 = hn::BitCast(d, hn::ShiftLeft<23>(hn::Add(half, bias)));
  const FloatVec scale2 = hn::BitCast(d, hn::ShiftLeft<23>(hn::Add(hn::Sub(n, half), bias)));
  return hn::Mul(hn::Mul(p, scale1), scale2);
}
// 1 / (1 + exp(-x))
HWY_INLINE FloatVec Sigmoid(FloatVec x) {
  const FloatVec one = hn::Set(FloatTag(), 1.0f);
  return hn::Div(one, hn::Add(one, Exp(hn::Neg(x))));
}

// The operations on single vectors, for each part.
#define FULGUR_ROW16_1(Name, expression)   \
  HWY_INLINE Row16 Name(Row16 x) {         \
    for (int64_t i = 0; i < kParts; ++i) { \
      const FloatVec a = x.part[i];        \
      x.part[i] = expression;              \
    }                                      \
    return x;                              \
  }
#define FULGUR_ROW16_2(Name)                                                         \
  HWY_INLINE Row16 Name(Row16 x, Row16 y) {                                          \
    for (int64_t i = 0; i < kParts; ++i) x.part[i] = hn::Name(x.part[i], y.part[i]); \
    return x;                                                                        \
  }
#define FULGUR_ROW16_3(Name)                                 \
  HWY_INLINE Row16 Name(Row16 x, Row16 y, Row16 z) {         \
    for (int64_t i = 0; i < kParts; ++i) {                   \
      x.part[i] = hn::Name(x.part[i], y.part[i], z.part[i]); \
    }                                                        \
    return x;                                                \
  }
FULGUR_ROW16_1(Abs, hn::Abs(a))
FULGUR_ROW16_1(Neg, hn::Neg(a))
FULGUR_ROW16_1(Sqrt, hn::Sqrt(a))
FULGUR_ROW16_1(Exp, Exp(a))
FULGUR_ROW16_1(Sigmoid, Sigmoid(a))
FULGUR_ROW16_2(Add)
FULGUR_ROW16_2(Sub)
FULGUR_ROW16_2(Mul)
FULGUR_ROW16_2(Div)
FULGUR_ROW16_2(Max)
FULGUR_ROW16_2(Min)
FULGUR_ROW16_3(MulAdd)     // x y + z, fused
FULGUR_ROW16_3(NegMulAdd)  // z - x y, fused
#undef FULGUR_ROW16_1
#undef FULGUR_ROW16_2
#undef FULGUR_ROW16_3

// Lane i is added to lane i + 8, then i + 4, i + 2, i + 1.
template <class D, class Op>
HWY_INLINE float ReduceLanes(D d, hn::Vec<D> v, Op op) {
#if HWY_TARGET != HWY_SCALAR  // whose vectors have one lane
  if constexpr (hn::MaxLanes(d) > 4) {
    const hn::Half<D> half;
    return ReduceLanes(half, op(hn::LowerHalf(half, v), hn::UpperHalf(half, v)), op);
  } else {
    v = op(v, hn::Shuffle1032(v));
    v = op(v, hn::Shuffle2301(v));
  }
#endif
  return hn::GetLane(v);
}
template <class Op>
HWY_INLINE float Reduce(Row16 x, Op op) {
  for (int64_t step = kParts / 2; step > 0; step /= 2) {
    for (int64_t i = 0; i < step; ++i) x.part[i] = op(x.part[i], x.part[i + step]);
  }
  return ReduceLanes(FloatTag(), x.part[0], op);
}
HWY_INLINE float ReduceSum(Row16 x) {
  return Reduce(x, [](auto a, auto b) HWY_ATTR { return hn::Add(a, b); });
}
HWY_INLINE float ReduceMax(Row16 x) {
  return Reduce(x, [](auto a, auto b) HWY_ATTR { return hn::Max(a, b); });
}

// body(load, store, i) for i = 0, 16, ... < n, where load(p) is p[i .. i + 16) and store(x, p) writes there; in the
// last round only the lanes below n are in memory, and load gives `fill` for the rest.
template <class Body>
HWY_INLINE void ForEach16(int64_t n, float fill, Body body) {
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) {
    body([i](const float* p) HWY_ATTR { return Load16(p + i); },
         [i](Row16 x, float* p) HWY_ATTR { Store16(x, p + i); });
  }
  if (i < n) {
    body([i, n, fill](const float* p) HWY_ATTR { return Load16N(p + i, n - i, fill); },
         [i, n](Row16 x, float* p) HWY_ATTR { Store16N(x, p + i, n - i); });
  }
}

// sum_i x_i y_i
HWY_INLINE float DotRow(const float* x, const float* y, int64_t n) {
  Row16 sum = Zero16();
  ForEach16(n, 0.0f, [&](auto load, auto) HWY_ATTR { sum = MulAdd(load(x), load(y), sum); });
  return ReduceSum(sum);
}
// max_i x_i
HWY_INLINE float MaxRow(const float* x, int64_t n) {
  Row16 max = Set16(kMinusInfinity);
  ForEach16(n, kMinusInfinity, [&](auto load, auto) HWY_ATTR { max = Max(max, load(x)); });
  return ReduceMax(max);
}
// y_i = exp(x_i - shift); returns their sum. y may be x.
HWY_INLINE float ExpRow(const float* x, int64_t n, float shift, float* y) {
  Row16 sum = Zero16();
  ForEach16(n, kMinusInfinity, [&](auto load, auto store) HWY_ATTR {
    const Row16 e = Exp(Sub(load(x), Set16(shift)));
    store(e, y);
    sum = Add(sum, e);
  });
  return ReduceSum(sum);
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace fulgur
HWY_AFTER_NAMESPACE();

#endif  // FULGUR_OPS_VEC_INL_H_

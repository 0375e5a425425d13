#include "ops/quantize_coded.h"

#include <cstring>
#include <limits>

#include "base/error.h"
#include "ops/coded_weights.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/quantize_coded.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#ifndef FULGUR_OPS_QUANTIZE_CODED_CC_
#define FULGUR_OPS_QUANTIZE_CODED_CC_
namespace fulgur {
// What was found for the outputs of a group.
struct CodedChoice {
  uint8_t codes[kDotGroup][32];  // input, output
  uint8_t scale[32];
  uint8_t offsets[2][32];  // numbers of them, of both halves
  uint8_t factors[32];     // number of the pair
};
}  // namespace fulgur
#endif

HWY_BEFORE_NAMESPACE();
namespace fulgur {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

// An output a lane. No fused multiply-adds: not all instruction sets have them.
using D = hn::CappedTag<float, 16>;
using V = hn::Vec<D>;
using I = hn::RebindToSigned<D>;
constexpr int kLanes = static_cast<int>(hn::MaxLanes(D()));
constexpr int kOutputs = 32;

HWY_INLINE V Set(float x) { return hn::Set(D(), x); }
HWY_INLINE V Select(hn::Mask<D> mask, V yes, V no) { return hn::IfThenElse(mask, yes, no); }
HWY_INLINE V InverseOrZero(V x) { return hn::IfThenElseZero(hn::Gt(x, Set(0)), hn::Div(Set(1), x)); }

// The scale byte nearest to a scale, as bits << 20; the scale of one.
HWY_INLINE hn::Vec<I> ScaleBits(V scale) {
  const I i;
  const auto bits = hn::Add(hn::BitCast(i, hn::Mul(scale, Set(1 / kScaleByteUnit))), hn::Set(i, 1 << 19));
  return hn::Min(hn::And(bits, hn::Set(i, 0x7ff00000)), hn::Set(i, 255 << 20));
}
HWY_INLINE V NearestScale(V scale) { return hn::Mul(hn::BitCast(D(), ScaleBits(scale)), Set(kScaleByteUnit)); }

HWY_INLINE void StoreBytes(hn::Vec<I> x, uint8_t* out) {
  const hn::Rebind<uint8_t, D> d8;
  hn::StoreU(hn::DemoteTo(d8, x), d8, out);
}

// kCount numbers in increasing order: the nearest one to x, and where it stands.
template <int kCount>
struct Ladder {
  float steps[kCount];
  HWY_INLINE V Nearest(V x) const {
    V y = Set(steps[0]);
#pragma GCC unroll 8
    for (int i = 1; i < kCount; ++i) {
      const auto above = hn::Gt(x, Set((steps[i - 1] + steps[i]) / 2));
      y = hn::Add(y, hn::IfThenElseZero(above, Set(steps[i] - steps[i - 1])));
    }
    return y;
  }
  HWY_INLINE V Position(V x) const {
    V n = Set(0);
#pragma GCC unroll 8
    for (int i = 1; i < kCount; ++i) {
      n = hn::Add(n, hn::IfThenElseZero(hn::Gt(x, Set((steps[i - 1] + steps[i]) / 2)), Set(1)));
    }
    return n;
  }
};

// Levels around their middle, u = level - middle; offsets around it; factors.
struct Q4kParts {
  static constexpr Ladder<8> kUpper = {{1.5f, 4.5f, 7.5f, 10.5f, 14.5f, 19.5f, 24.5f, 31.5f}};
  static constexpr Ladder<8> kOffsets = {{-6.5f, -4.5f, -2.5f, -1.5f, 1.5f, 2.5f, 4.5f, 6.5f}};
  static constexpr const int* kPairs = kQ4kFactors;
  static constexpr float kMost = 31.5f;
  static HWY_INLINE V Nearest(V u) { return hn::CopySign(kUpper.Nearest(hn::Abs(u)), u); }
  static HWY_INLINE V Code(V u) {
    const V n = kUpper.Position(hn::Abs(u));
    return Select(hn::Lt(u, Set(0)), hn::Sub(Set(7), n), hn::Add(Set(8), n));
  }
};
struct Q3Parts {
  static constexpr Ladder<4> kUpper = {{1.5f, 4.5f, 9.5f, 15.5f}};
  static constexpr Ladder<4> kOffsets = {{-3.5f, -1.5f, 1.5f, 3.5f}};
  static constexpr const int* kPairs = kFactors;
  static constexpr float kMost = 15.5f;
  static HWY_INLINE V Nearest(V u) { return hn::CopySign(kUpper.Nearest(hn::Abs(u)), u); }
  static HWY_INLINE V Code(V u) {
    const V n = kUpper.Position(hn::Abs(u));
    return Select(hn::Lt(u, Set(0)), hn::Sub(Set(3), n), hn::Add(Set(4), n));
  }
};
struct Q2Parts {
  static constexpr Ladder<8> kOffsets = {{-6, -4, -2, -1, 1, 2, 4, 6}};
  static constexpr const int* kPairs = kFactors;
  static constexpr float kMost = 6;
  static HWY_INLINE V Code(V u) {
    return hn::Round(hn::Min(hn::Max(hn::Add(hn::Mul(u, Set(0.25f)), Set(1.5f)), Set(0)), Set(3)));
  }
  static HWY_INLINE V Nearest(V u) { return hn::Mul(hn::Sub(Code(u), Set(1.5f)), Set(4)); }
};

// kInputs values of some outputs, and what does not depend on how they are coded.
template <typename Parts, int kInputs>
struct Values {
  const float* x;           // [kInputs][32]
  const float* importance;  // [kInputs]
  V sum_w, sum_x, low, high;

  HWY_INLINE Values(const float* values, const float* weights) : x(values), importance(weights) {
    sum_w = sum_x = Set(0);
    low = high = hn::LoadU(D(), x);
    for (int k = 0; k < kInputs; ++k) {
      const V v = hn::LoadU(D(), x + k * kOutputs), w = Set(importance[k]);
      sum_w = hn::Add(sum_w, w);
      sum_x = hn::Add(sum_x, hn::Mul(w, v));
      low = hn::Min(low, v);
      high = hn::Max(high, v);
    }
  }

  // x = step * u + middle for the levels u nearest to x: the step and middle that fit those best. `step` stays where
  // all are the same.
  HWY_INLINE void Fit(V* step, V* middle) const {
    const V inverse = InverseOrZero(*step);
    V su = Set(0), suu = Set(0), sux = Set(0);
    for (int k = 0; k < kInputs; ++k) {
      const V v = hn::LoadU(D(), x + k * kOutputs);
      const V u = Parts::Nearest(hn::Mul(hn::Sub(v, *middle), inverse));
      const V wu = hn::Mul(Set(importance[k]), u);
      su = hn::Add(su, wu);
      suu = hn::Add(suu, hn::Mul(wu, u));
      sux = hn::Add(sux, hn::Mul(wu, v));
    }
    const V spread = hn::Sub(hn::Mul(sum_w, suu), hn::Mul(su, su));
    const V slope = hn::Mul(hn::Sub(hn::Mul(sum_w, sux), hn::Mul(su, sum_x)), InverseOrZero(spread));
    *step = Select(hn::Gt(slope, Set(0)), slope, *step);
    *middle = hn::Mul(hn::Sub(sum_x, hn::Mul(*step, su)), InverseOrZero(sum_w));
  }
  // The error of a step and middle as they are; and the middle that fits the levels best with that step.
  HWY_INLINE V Error(V step, V middle, V* better_middle) const {
    const V inverse = InverseOrZero(step);
    V error = Set(0), su = Set(0);
    for (int k = 0; k < kInputs; ++k) {
      const V v = hn::LoadU(D(), x + k * kOutputs), w = Set(importance[k]);
      const V from_middle = hn::Sub(v, middle);
      const V u = Parts::Nearest(hn::Mul(from_middle, inverse));
      const V difference = hn::Sub(from_middle, hn::Mul(step, u));
      error = hn::Add(error, hn::Mul(w, hn::Mul(difference, difference)));
      su = hn::Add(su, hn::Mul(w, u));
    }
    *better_middle = hn::Mul(hn::Sub(sum_x, hn::Mul(step, su)), InverseOrZero(sum_w));
    return error;
  }
  void Codes(V step, V middle, uint8_t* out) const {
    const V inverse = InverseOrZero(step);
    for (int k = 0; k < kInputs; ++k) {
      const V from_middle = hn::Sub(hn::LoadU(D(), x + k * kOutputs), middle);
      StoreBytes(hn::NearestInt(Parts::Code(hn::Mul(from_middle, inverse))), out + k * kOutputs);
    }
  }
};

template <typename Parts>
struct Search {
  using Half = Values<Parts, kDotGroup / 2>;

  const Half first, second;
  V first_middle, second_middle;
  V error, scale, pair, first_offset, second_offset;  // the best so far

  Search(const float* x, const float* importance)
      : first(x, importance), second(x + kDotGroup / 2 * kOutputs, importance + kDotGroup / 2) {}

  // The best step of a half on its own, and the middle that goes with it.
  static HWY_INLINE V FreeStep(const Half& half, V* middle) {
    // The middle of the range, as far as offsets reach.
    constexpr float kReach = -Parts::kOffsets.steps[0];
    const V largest = hn::Max(half.high, hn::Neg(half.low)), most = hn::Mul(largest, Set(kReach / Parts::kMost));
    const V least_step = hn::Mul(largest, Set(1 / (Parts::kMost + kReach)));  // where all are nearly the same
    const V center = hn::Max(hn::Min(hn::Mul(hn::Add(half.high, half.low), Set(0.5f)), most), hn::Neg(most));
    const V reach = hn::Max(hn::Sub(half.high, center), hn::Sub(center, half.low));
    V best, best_step, ignored;
    for (const float cut : kCuts) {
      V step = hn::Max(hn::Mul(reach, Set(cut / Parts::kMost)), least_step), at = center;
      half.Fit(&step, &at);
      half.Fit(&step, &at);
      const V e = half.Error(step, at, &ignored);
      const auto wins = cut == kCuts[0] ? hn::Eq(step, step) : hn::Lt(e, best);
      best = Select(wins, e, best);
      best_step = Select(wins, step, best_step);
      *middle = Select(wins, at, *middle);
    }
    return best_step;
  }

  // The least error of a half with a step, and its offset.
  static HWY_INLINE V Least(const Half& half, V step, V middle, V* offset) {
    const V inverse = InverseOrZero(step);
    V best;
    for (int round = 0; round < kRounds; ++round) {
      const V near = Parts::kOffsets.Nearest(hn::Neg(hn::Mul(middle, inverse)));
      const V e = half.Error(step, hn::Neg(hn::Mul(step, near)), &middle);
      const auto wins = round == 0 ? hn::Eq(near, near) : hn::Lt(e, best);
      best = Select(wins, e, best);
      *offset = Select(wins, near, *offset);
    }
    return best;
  }

  HWY_INLINE V Factor(V pairs, int half) const {
    V factor = Set(0);
    for (int p = 0; p < 4; ++p) {
      const auto is = hn::Eq(pairs, Set(static_cast<float>(p)));
      factor = hn::Add(factor, hn::IfThenElseZero(is, Set(static_cast<float>(Parts::kPairs[p] >> (16 * half) & 15))));
    }
    return factor;
  }

  HWY_INLINE void Consider(V new_pair, V new_scale) {
    new_scale = NearestScale(new_scale);
    V o0 = Set(0), o1 = Set(0);
    const V e = hn::Add(Least(first, hn::Mul(new_scale, Factor(new_pair, 0)), first_middle, &o0),
                        Least(second, hn::Mul(new_scale, Factor(new_pair, 1)), second_middle, &o1));
    const auto wins = hn::Lt(e, error);
    error = Select(wins, e, error);
    scale = Select(wins, new_scale, scale);
    pair = Select(wins, new_pair, pair);
    first_offset = Select(wins, o0, first_offset);
    second_offset = Select(wins, o1, second_offset);
  }

  void Run(int at, CodedChoice* out) {
    first_middle = second_middle = Set(0);
    const V first_step = FreeStep(first, &first_middle), second_step = FreeStep(second, &second_middle);
    error = Set(std::numeric_limits<float>::max());
    scale = pair = Set(0);
    first_offset = second_offset = Set(Parts::kOffsets.steps[0]);
    // The two pairs of factors whose ratios are nearest to that of the steps.
    V best = Set(0), next = Set(0), best_off = error, next_off = error;
    for (int p = 0; p < 4; ++p) {
      const V pairs = Set(static_cast<float>(p));
      const V a = hn::Mul(first_step, Factor(pairs, 1)), b = hn::Mul(second_step, Factor(pairs, 0));
      const V off = hn::Mul(hn::Max(a, b), InverseOrZero(hn::Min(a, b)));
      const auto is_best = hn::Lt(off, best_off), is_next = hn::Lt(off, next_off);
      next = Select(is_best, best, Select(is_next, pairs, next));
      next_off = Select(is_best, best_off, Select(is_next, off, next_off));
      best = Select(is_best, pairs, best);
      best_off = Select(is_best, off, best_off);
    }
    for (const V pairs : {best, next}) {
      const V a = hn::Mul(first_step, InverseOrZero(Factor(pairs, 0)));
      const V b = hn::Mul(second_step, InverseOrZero(Factor(pairs, 1))), larger = hn::Max(a, b);
      for (const float s : kSpread) Consider(pairs, hn::Mul(larger, Set(s)));
      Consider(pairs, hn::Mul(hn::Add(a, b), Set(0.5f)));
    }
    const auto write = [&](const Half& half, int which, V offset) HWY_ATTR {
      const V step = hn::Mul(scale, Factor(pair, which));
      half.Codes(step, hn::Neg(hn::Mul(step, offset)), &out->codes[which * kDotGroup / 2][at]);
      StoreBytes(hn::NearestInt(Parts::kOffsets.Position(offset)), &out->offsets[which][at]);
    };
    write(first, 0, first_offset);
    write(second, 1, second_offset);
    StoreBytes(hn::ShiftRight<20>(ScaleBits(scale)), &out->scale[at]);
    StoreBytes(hn::NearestInt(pair), &out->factors[at]);
  }

  static constexpr float kCuts[] = {1.0f, 0.8f, 0.65f};
  static constexpr float kSpread[] = {0.9f, 1.0f, 1.1f, 1.2f};
  static constexpr int kRounds = 3;
};

template <typename Parts>
void ChooseCodes(const float* x, const float* importance, CodedChoice* out) {
  for (int at = 0; at < kOutputs; at += kLanes) Search<Parts>(x + at, importance).Run(at, out);
}
void ChooseQ4k(const float* x, const float* importance, CodedChoice* out) { ChooseCodes<Q4kParts>(x, importance, out); }
void ChooseQ3(const float* x, const float* importance, CodedChoice* out) { ChooseCodes<Q3Parts>(x, importance, out); }
void ChooseQ2(const float* x, const float* importance, CodedChoice* out) { ChooseCodes<Q2Parts>(x, importance, out); }

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace fulgur
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fulgur {

HWY_EXPORT(ChooseQ4k);
HWY_EXPORT(ChooseQ3);
HWY_EXPORT(ChooseQ2);

namespace {

// Quadruple `quad` of the inputs as a panel has it, [32][4] bytes.
struct Quadruple {
  uint8_t at[128];
  Quadruple(const CodedChoice& c, int quad) {
    for (int j = 0; j < 32; ++j) {
      for (int i = 0; i < 4; ++i) at[j * 4 + i] = c.codes[quad * 4 + i][j];
    }
  }
};

// Joins quadruples into bytes.
template <typename Join>
void WriteBytes(uint8_t* to, const Join& join) {
  for (int i = 0; i < 128; ++i) to[i] = static_cast<uint8_t>(join(i));
}

// Of q4k and q2.
void WriteChoices(const CodedChoice& c, uint8_t* to) {
  for (int j = 0; j < 32; ++j) {
    to[j] = static_cast<uint8_t>(c.factors[j] << 6 | c.offsets[1][j] << 3 | c.offsets[0][j]);
  }
}

void WriteQ4k(const CodedChoice& c, uint8_t* group) {
  for (int p = 0; p < 4; ++p) {
    const Quadruple a(c, 2 * p), b(c, 2 * p + 1);
    WriteBytes(group + p * 128, [&](int i) { return a.at[i] | b.at[i] << 4; });
  }
  std::memcpy(group + Q4k::kScales, c.scale, 32);
  WriteChoices(c, group + Q4k::kScales + 32);
}

void WriteQ3(const CodedChoice& c, uint8_t* group) {
  const Quadruple last[] = {{c, 6}, {c, 7}};
  for (int p = 0; p < 3; ++p) {
    const Quadruple a(c, 2 * p), b(c, 2 * p + 1);
    WriteBytes(group + p * 128, [&](int i) {
      const int high = p < 2 ? last[p].at[i] << 6 : last[0].at[i] >> 2 << 6 | last[1].at[i] >> 2 << 7;
      return a.at[i] | b.at[i] << 3 | high;
    });
  }
  std::memcpy(group + Q3::kScales, c.scale, 32);
  uint8_t* const offsets = group + Q3::kScales + 32;
  uint8_t* const factors = offsets + 16;
  std::memset(offsets, 0, 24);
  for (int j = 0; j < 32; ++j) {
    offsets[j % 16] |= static_cast<uint8_t>((c.offsets[0][j] | c.offsets[1][j] << 2) << (j / 16 * 4));
    factors[j % 8] |= static_cast<uint8_t>(c.factors[j] << (j / 8 * 2));
  }
}

void WriteQ2(const CodedChoice& c, uint8_t* group) {
  for (int p = 0; p < 2; ++p) {
    const Quadruple a(c, 4 * p), b(c, 4 * p + 1), d(c, 4 * p + 2), e(c, 4 * p + 3);
    WriteBytes(group + p * 128, [&](int i) { return a.at[i] | b.at[i] << 2 | d.at[i] << 4 | e.at[i] << 6; });
  }
  std::memcpy(group + Q2::kScales, c.scale, 32);
  WriteChoices(c, group + Q2::kScales + 32);
}

constexpr auto kOnes = [] {
  struct {
    float at[kDotGroup];
  } ones{};
  for (float& one : ones.at) one = 1;
  return ones;
}();

}  // namespace

void QuantizeCodedGroup(WeightFormat format, const float* x, const float* importance, uint8_t* group) {
  FULGUR_CHECK(IsCoded(format));
  CodedChoice choice;
  if (importance == nullptr) importance = kOnes.at;
  if (format == WeightFormat::kQ4k) {
    HWY_DYNAMIC_DISPATCH(ChooseQ4k)(x, importance, &choice);
    WriteQ4k(choice, group);
  } else if (format == WeightFormat::kQ3) {
    HWY_DYNAMIC_DISPATCH(ChooseQ3)(x, importance, &choice);
    WriteQ3(choice, group);
  } else {
    HWY_DYNAMIC_DISPATCH(ChooseQ2)(x, importance, &choice);
    WriteQ2(choice, group);
  }
}

}  // namespace fulgur
#endif  // HWY_ONCE

// How keys and values of past tokens lie in memory: blocks of 64 positions of one layer, in one of a few formats.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "tensor/matrix_view.h"

namespace fulgur {

// Keys (after rotary) and values are rounded once, when a row is written. Every reader, prefill of the same rows
// included, sees what was stored.
enum class KvFormat {
  kF32,      // float32
  kBf16,     // bfloat16, rounded to nearest even; widened exactly: float32 arithmetic
  kBf16Dot,  // bfloat16, and queries and weights are rounded to it: bf16 dot products with float32 sums, whose bits are
             // those of the instruction set
  kInt8,     // 8 bits; for each token and kv head a float32 scale of its key and one of its value: largest magnitude /
             // 127; float32 arithmetic
};
inline constexpr KvFormat kAllKvFormats[] = {KvFormat::kF32, KvFormat::kBf16, KvFormat::kBf16Dot, KvFormat::kInt8};
const char* KvFormatName(KvFormat format);  // "f32", "bf16", "bf16-dot", "int8"
std::optional<KvFormat> KvFormatFromName(const std::string& name);

inline constexpr int64_t kKvBlock = 64;  // positions in a block, which begins at a multiple of it
inline constexpr int64_t kKvPanel = 32;

// A block has the kv heads one after the other, each
//   keys    [2][D][32]       panel p has positions 32 p .. 32 p + 31 of the block
//   values  [D' / 32][64][32]  D' = D rounded up to a multiple of 32; panel p has components 32 p .. 32 p + 31
//   kInt8: scales of the keys [64], of the values [64], float32
// In kBf16 elements i and i + 16 of a panel's row are neighbours, in the lower and upper half of word i, so that a
// shift and a mask widen 32 of them. In kBf16Dot rows 2 i and 2 i + 1 of a panel are interleaved, [rows / 2][32][2], as
// dot_kernels.h has it, and D is rounded up to an even number for the keys.
class KvLayout {
 public:
  KvLayout(KvFormat format, int64_t kv_heads, int64_t head_dim);

  KvFormat format() const { return format_; }
  int64_t kv_heads() const { return kv_heads_; }
  int64_t head_dim() const { return head_dim_; }
  int64_t key_dim() const { return format_ == KvFormat::kBf16Dot ? (head_dim_ + 1) / 2 * 2 : head_dim_; }
  int64_t padded_dim() const { return (head_dim_ + kKvPanel - 1) / kKvPanel * kKvPanel; }
  int64_t value_offset() const { return kKvBlock * key_dim() * element_; }  // bytes from the head's beginning
  int64_t scale_offset() const { return value_offset() + kKvBlock * padded_dim() * element_; }
  int64_t head_bytes() const { return scale_offset() + scales_ * 2 * kKvBlock * static_cast<int64_t>(sizeof(float)); }
  int64_t block_bytes() const { return kv_heads_ * head_bytes(); }
  // Of one token: what attention reads of it.
  int64_t token_bytes() const { return block_bytes() / kKvBlock; }

  // Rounds and stores rows k and v [n, D] of one head at positions slot, slot + 1, ... of the block.
  void Write(std::byte* block, int64_t head, int64_t slot, ConstMatrixView k, ConstMatrixView v) const;
  // What was stored for one position: k, v [D].
  void Read(const std::byte* block, int64_t head, int64_t slot, float* k, float* v) const;

 private:
  KvFormat format_;
  int64_t kv_heads_, head_dim_;
  int64_t element_;  // bytes
  int64_t scales_;   // 1 if there are scales
};

}  // namespace fulgur

// Weights as the matrix products read them: panels of 32 outputs, in one of a few formats.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "ops/exec_context.h"
#include "tensor/tensor.h"

namespace fulgur {

// How weights are stored, which also decides how they are multiplied.
enum class WeightFormat {
  kF32,      // float32
  kBf16,     // bf16 storage, widened exactly: float32 arithmetic
  kBf16Dot,  // bf16, and activations are rounded to bf16: bf16 dot products with float32 sums
  kQ8,  // 8 bits and a scale for each 32 inputs (1.0625 bytes a weight); activations likewise; integer dot products
  kQ4,  // 4 bits and a scale for each 32 inputs (0.5625 bytes a weight); activations as for kQ8
  // As kQ8 and kQ4, with float16 scales: what GGUF's Q8_0 and Q4_0 hold, bit for bit.
  kQ8F16,
  kQ4F16,
  // Coded formats: 4, 3 and 2 bits that stand for levels with an offset, and a scale for each 32 inputs (4.5, 3.375 and
  // 2.5 bits a weight, coded_weights.h); activations as for kQ8
  kQ4k,
  kQ3,
  kQ2,
};
inline constexpr WeightFormat kAllWeightFormats[] = {
    WeightFormat::kF32,   WeightFormat::kBf16,  WeightFormat::kBf16Dot, WeightFormat::kQ8, WeightFormat::kQ4,
    WeightFormat::kQ8F16, WeightFormat::kQ4F16, WeightFormat::kQ4k,     WeightFormat::kQ3, WeightFormat::kQ2};
// "f32", "bf16", "bf16-dot", "q8", "q4", "q8-f16", "q4-f16", "q4k", "q3", "q2"
const char* WeightFormatName(WeightFormat format);
std::optional<WeightFormat> WeightFormatFromName(const std::string& name);

// Weights W [N, K] of a linear map y = x W^T, stored as panels of kPanelWidth outputs. In a panel the K inputs follow
// each other: kF32 and kBf16 as [K][32], the others as dot_kernels.h says. The last panel is padded with zeros.
class PackedMatrix {
 public:
  static constexpr int64_t kPanelWidth = 32;

  PackedMatrix() = default;
  // Packs weight [N, K] of dtype F32, BF16 or F16. kBf16 and kBf16Dot round what is not BF16 yet.
  PackedMatrix(const Tensor& weight, WeightFormat format, ExecContext& exec);
  // In the format of the weight itself: kBf16 for BF16, else kF32.
  PackedMatrix(const Tensor& weight, ExecContext& exec);
  // Of panels that were packed before: `data` is U8 [panels, PanelBytes(format, k)], perhaps a view of a mapped file.
  // Throws Error if it has another shape.
  PackedMatrix(WeightFormat format, int64_t n, int64_t k, Tensor data);

  // Packs again, into the memory this has already (same shape as before).
  void Update(const Tensor& weight, ExecContext& exec);
  // The weights that products see, float32 [N, K].
  Tensor Unpack() const;

  bool empty() const { return data_.empty(); }
  WeightFormat format() const { return format_; }
  int64_t outputs() const { return n_; }  // N
  int64_t inputs() const { return k_; }   // K
  size_t bytes() const { return data_.bytes(); }
  const Tensor& data() const { return data_; }
  int64_t panels() const { return Panels(n_); }
  const std::byte* panel(int64_t p) const { return data_.raw() + static_cast<size_t>(p) * panel_bytes_; }

  static int64_t Panels(int64_t n) { return (n + kPanelWidth - 1) / kPanelWidth; }
  static size_t PanelBytes(WeightFormat format, int64_t k);
  // The same for kQ8F16 and kQ4F16 from GGUF's blocks of Q8_0 and Q4_0, without loss: those of 32 rows of k inputs, or of
  // fewer.
  static void PackGgufPanel(std::span<const std::byte> blocks, int64_t k, WeightFormat format, std::byte* out);
  // Writes panel p of weight [N, K] to out [PanelBytes]. `importance` [K], if not nullptr: what a squared error counts
  // at each input, for formats of 4 bits and fewer.
  static void PackPanel(const Tensor& weight, WeightFormat format, int64_t p, std::byte* out,
                        const float* importance = nullptr);

 private:
  WeightFormat format_ = WeightFormat::kF32;
  int64_t n_ = 0, k_ = 0;
  size_t panel_bytes_ = 0;
  Tensor data_;
};

}  // namespace fulgur

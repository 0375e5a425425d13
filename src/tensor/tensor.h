// A tensor: an element type, a row-major shape, and memory that it owns, shares or views (a mapped file).
// Copying a Tensor copies the handle, not the elements; Clone() copies the elements.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/bf16.h"
#include "base/error.h"

namespace fulgur {

enum class DType { kF32, kF16, kBF16, kI64, kU8 };

size_t DTypeSize(DType dtype);       // bytes of an element
const char* DTypeName(DType dtype);  // "F32", "F16", "BF16", "I64", "U8", as in safetensors

template <typename T>
inline constexpr DType kDTypeOf = DType::kF32;
template <>
inline constexpr DType kDTypeOf<bf16> = DType::kBF16;
template <>
inline constexpr DType kDTypeOf<f16> = DType::kF16;
template <>
inline constexpr DType kDTypeOf<int64_t> = DType::kI64;
template <>
inline constexpr DType kDTypeOf<uint8_t> = DType::kU8;

inline bool IsFloat(DType dtype) { return dtype != DType::kI64 && dtype != DType::kU8; }

using Shape = std::vector<int64_t>;
std::string ShapeString(const Shape& shape);  // "[3, 64]"
int64_t NumElements(const Shape& shape);      // 1 for a scalar, shape []

class Tensor {
 public:
  Tensor() = default;  // empty(): no memory, shape []
  // New zeroed memory, 64-byte aligned.
  Tensor(DType dtype, Shape shape);
  // Elements at `data`, which `owner` keeps alive.
  Tensor(DType dtype, Shape shape, const std::byte* data, std::shared_ptr<const void> owner);

  bool empty() const { return data_ == nullptr; }
  DType dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }
  int64_t dim(size_t i) const { return shape_[i]; }
  int64_t size() const { return size_; }  // elements
  size_t bytes() const { return static_cast<size_t>(size_) * DTypeSize(dtype_); }
  bool writable() const { return writable_; }

  const std::byte* raw() const { return data_; }
  std::byte* raw() {
    FULGUR_CHECK(writable_);
    return const_cast<std::byte*>(data_);
  }
  // Typed access; the type must be the tensor's.
  template <typename T>
  std::span<const T> values() const {
    FULGUR_CHECK(dtype_ == kDTypeOf<T>, "tensor is {}", DTypeName(dtype_));
    return {reinterpret_cast<const T*>(data_), static_cast<size_t>(size_)};
  }
  template <typename T>
  std::span<T> values() {
    FULGUR_CHECK(dtype_ == kDTypeOf<T> && writable_, "tensor is {}", DTypeName(dtype_));
    return {reinterpret_cast<T*>(const_cast<std::byte*>(data_)), static_cast<size_t>(size_)};
  }
  const float* f32() const { return values<float>().data(); }
  float* f32() { return values<float>().data(); }

  Tensor Clone() const;
  // The same elements as float32: this tensor itself if it is F32, else a converted copy. Of float types only.
  Tensor ToF32() const;
  // A converted copy. Between float types only.
  Tensor To(DType dtype) const;

 private:
  DType dtype_ = DType::kF32;
  Shape shape_;
  int64_t size_ = 0;
  const std::byte* data_ = nullptr;
  bool writable_ = false;
  std::shared_ptr<const void> owner_;
};

// Element `i` of a float tensor of any float dtype, as float.
float ElementAsFloat(const Tensor& t, int64_t i);
// Row `row` of a 2-D float tensor, converted to float32 into out[0 .. dim(1)).
void RowToF32(const Tensor& t, int64_t row, float* out);

}  // namespace fulgur

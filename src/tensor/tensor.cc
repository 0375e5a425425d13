#include "tensor/tensor.h"

#include <cstdlib>
#include <cstring>
#include <new>
#include <type_traits>

#include "base/aligned.h"

namespace fulgur {

size_t DTypeSize(DType dtype) {
  switch (dtype) {
    case DType::kF32:
      return 4;
    case DType::kF16:
    case DType::kBF16:
      return 2;
    case DType::kI64:
      return 8;
    case DType::kU8:
      return 1;
  }
  return 0;
}

const char* DTypeName(DType dtype) {
  switch (dtype) {
    case DType::kF32:
      return "F32";
    case DType::kF16:
      return "F16";
    case DType::kBF16:
      return "BF16";
    case DType::kI64:
      return "I64";
    case DType::kU8:
      return "U8";
  }
  return "?";
}

std::string ShapeString(const Shape& shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

int64_t NumElements(const Shape& shape) {
  int64_t n = 1;
  for (const int64_t d : shape) n *= d;
  return n;
}

Tensor::Tensor(DType dtype, Shape shape)
    : dtype_(dtype), shape_(std::move(shape)), size_(NumElements(shape_)), writable_(true) {
  void* memory = nullptr;
  try {
    memory = AllocateAligned(bytes());
  } catch (const std::bad_alloc&) {
    throw Error("out of memory: cannot allocate {} bytes for a tensor", bytes());
  }
  std::memset(memory, 0, bytes());
  owner_ = std::shared_ptr<void>(memory, std::free);
  data_ = static_cast<const std::byte*>(memory);
}

Tensor::Tensor(DType dtype, Shape shape, const std::byte* data, std::shared_ptr<const void> owner)
    : dtype_(dtype), shape_(std::move(shape)), size_(NumElements(shape_)), data_(data), owner_(std::move(owner)) {}

Tensor Tensor::Clone() const {
  if (empty()) return {};
  Tensor copy(dtype_, shape_);
  std::memcpy(copy.raw(), data_, bytes());
  return copy;
}

float ElementAsFloat(const Tensor& t, int64_t i) {
  switch (t.dtype()) {
    case DType::kF32:
      return t.values<float>()[static_cast<size_t>(i)];
    case DType::kF16:
      return ToFloat(t.values<f16>()[static_cast<size_t>(i)]);
    case DType::kBF16:
      return ToFloat(t.values<bf16>()[static_cast<size_t>(i)]);
    case DType::kI64:
    case DType::kU8:
      break;
  }
  FULGUR_CHECK(false, "not a float tensor");
  return 0;
}

void RowToF32(const Tensor& t, int64_t row, float* out) {
  const int64_t n = t.dim(1);
  const std::byte* p = t.raw() + static_cast<size_t>(row * n) * DTypeSize(t.dtype());
  switch (t.dtype()) {
    case DType::kF32:
      std::memcpy(out, p, static_cast<size_t>(n) * 4);
      return;
    case DType::kF16:
      for (int64_t i = 0; i < n; ++i) out[i] = ToFloat(reinterpret_cast<const f16*>(p)[i]);
      return;
    case DType::kBF16:
      for (int64_t i = 0; i < n; ++i) out[i] = ToFloat(reinterpret_cast<const bf16*>(p)[i]);
      return;
    case DType::kI64:
    case DType::kU8:
      break;
  }
  FULGUR_CHECK(false, "not a float tensor");
}

Tensor Tensor::ToF32() const { return dtype_ == DType::kF32 ? *this : To(DType::kF32); }

namespace {

template <typename From, typename To>
void Convert(const std::byte* from, std::byte* to, int64_t n) {
  const From* x = reinterpret_cast<const From*>(from);
  To* y = reinterpret_cast<To*>(to);
  for (int64_t i = 0; i < n; ++i) {
    float value;
    if constexpr (std::is_same_v<From, float>) {
      value = x[i];
    } else {
      value = ToFloat(x[i]);
    }
    if constexpr (std::is_same_v<To, float>) {
      y[i] = value;
    } else {
      y[i] = ToBf16(value);
    }
  }
}

template <typename From>
void ConvertFrom(const std::byte* from, DType dtype, std::byte* to, int64_t n) {
  dtype == DType::kF32 ? Convert<From, float>(from, to, n) : Convert<From, bf16>(from, to, n);
}

}  // namespace

Tensor Tensor::To(DType dtype) const {
  FULGUR_CHECK(dtype == DType::kF32 || dtype == DType::kBF16);
  Tensor out(dtype, shape_);
  switch (dtype_) {
    case DType::kF32:
      ConvertFrom<float>(data_, dtype, out.raw(), size_);
      return out;
    case DType::kF16:
      ConvertFrom<f16>(data_, dtype, out.raw(), size_);
      return out;
    case DType::kBF16:
      ConvertFrom<bf16>(data_, dtype, out.raw(), size_);
      return out;
    case DType::kI64:
    case DType::kU8:
      break;
  }
  FULGUR_CHECK(false, "not a float tensor");
  return out;
}

}  // namespace fulgur

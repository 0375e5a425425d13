// Arbitrary bytes as a safetensors file. What is accepted must be consistent: every tensor lies inside the file (or in
// a copy), and writing the tensors and reading them back gives the same.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>

#include "tensor/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fulgur;
  // In memory of exactly this size, so that a read past the end is seen.
  const auto bytes = std::make_shared<std::vector<uint8_t>>(data, data + size);
  try {
    Metadata metadata;
    const TensorMap tensors = ParseSafetensors(std::as_bytes(std::span(*bytes)), bytes, "input", &metadata);
    size_t total = 0, sum = 0;
    for (const auto& [name, tensor] : tensors) {
      if (tensor.empty() ||
          tensor.bytes() != static_cast<size_t>(NumElements(tensor.shape())) * DTypeSize(tensor.dtype())) {
        std::abort();
      }
      total += tensor.bytes();
      for (size_t i = 0; i < tensor.bytes(); ++i) sum += std::to_integer<size_t>(tensor.raw()[i]);
    }
    uint64_t header;
    std::memcpy(&header, data, sizeof header);
    if (total + header + sizeof header != size) std::abort();
    // The data tiles the file, so its bytes are those after the header in some order.
    for (size_t i = sizeof header + header; i < size; ++i) sum -= data[i];
    if (sum != 0) std::abort();
  } catch (const Error&) {
  }
  return 0;
}

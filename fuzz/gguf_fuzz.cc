// Arbitrary bytes as a GGUF file. What is accepted must be consistent: the blocks of every tensor lie inside the file,
// are as many as its shape needs, and can be decoded; a config that it describes can be read, and parameters found.
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "model/gguf_model.h"
#include "model/params.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fulgur;
  // In memory of exactly this size, so that a read past the end is seen.
  const std::vector<uint8_t> bytes(data, data + size);
  const std::span<const std::byte> all = std::as_bytes(std::span(bytes));
  try {
    const GgufFile file(all, "input");
    for (const auto& [name, tensor] : file.tensors()) {
      const auto values = static_cast<size_t>(NumElements(tensor.shape));
      const size_t block = static_cast<size_t>(GgufBlockValues(tensor.type));
      if (values % block != 0 || values / block * GgufBlockBytes(tensor.type) != tensor.blocks.size()) std::abort();
      if (!tensor.blocks.empty() && (tensor.blocks.data() < all.data() ||
                                     tensor.blocks.data() + tensor.blocks.size() > all.data() + all.size())) {
        std::abort();
      }
      std::vector<float> decoded(values);
      DecodeGgufBlocks(tensor.type, tensor.blocks, decoded);
    }
    const ModelConfig config = ConfigFromGguf(file);
    if (config.num_hidden_layers > 64 || config.num_local_experts > 64) return 0;  // names alone would take long
    Params params;
    VisitParameters(config, params, [&]<typename T>(const std::string& name, T&, const Shape& shape) {
      RowsFromGguf(file, name, shape).Rows(0, shape.size() > 1 ? shape[0] : 1);
    });
  } catch (const Error&) {
  }
  return 0;
}

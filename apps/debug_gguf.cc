// fulgur debug gguf-blocks: what the blocks of a GGUF type mean.
#include <memory>
#include <string>

#include "apps/commands.h"
#include "base/error.h"
#include "tensor/gguf_blocks.h"
#include "tensor/safetensors.h"

namespace fulgur {
namespace {

struct Options {
  std::string type, input, output;
};

void Run(const Options& o) {
  const GgufType type = GgufTypeFromName(o.type).value();
  const TensorMap tensors = ReadSafetensors(o.input);
  const auto blocks = tensors.find("blocks");
  if (blocks == tensors.end()) throw Error("{}: there is no tensor \"blocks\"", o.input);
  const Tensor& bytes = blocks->second;
  if (bytes.dtype() != DType::kU8 || bytes.shape().empty()) {
    throw Error("{}: blocks is {} {}; it must be U8, rows of bytes", o.input, DTypeName(bytes.dtype()),
                ShapeString(bytes.shape()));
  }
  const int64_t block_bytes = static_cast<int64_t>(GgufBlockBytes(type));
  Shape shape = bytes.shape();
  if (shape.back() % block_bytes != 0) {
    throw Error("{}: rows of blocks have {} bytes, which is not a multiple of the {} bytes of a block of {}", o.input,
                shape.back(), block_bytes, o.type);
  }
  shape.back() = shape.back() / block_bytes * GgufBlockValues(type);
  Tensor values(DType::kF32, shape);
  DecodeGgufBlocks(type, {bytes.raw(), bytes.bytes()}, values.values<float>());
  WriteSafetensors(o.output, {{"values", values}});
}

}  // namespace

void AddDebugGguf(CLI::App& debug) {
  const auto o = std::make_shared<Options>();
  CLI::App* command = debug.add_subcommand("gguf-blocks", "The values of blocks of a GGUF type");
  command->add_option("--type", o->type, "Q8_0, Q4_K, ...")->required()->check(CLI::IsMember(GgufTypeNames()));
  command->add_option("--input", o->input, "Safetensors with `blocks`: U8 [rows, bytes of a row]")->required();
  command->add_option("--output", o->output, "Safetensors to write, with `values`: F32 [rows, values]")->required();
  SetAction(*command, [o] { Run(*o); });
}

}  // namespace fulgur

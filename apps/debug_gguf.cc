// fulgur debug gguf-blocks: what the blocks of a GGUF type mean. fulgur debug pack: what a matrix becomes when packed.
#include <fmt/format.h>

#include <cmath>
#include <memory>
#include <string>

#include "apps/commands.h"
#include "base/error.h"
#include "base/json.h"
#include "ops/packed_matrix.h"
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

struct PackOptions {
  std::string type, input, output, tensor = "source";
};

void Pack(const PackOptions& o) {
  const TensorMap tensors = ReadSafetensors(o.input);
  const auto found = tensors.find(o.tensor);
  if (found == tensors.end()) throw Error("{}: there is no tensor \"{}\"", o.input, o.tensor);
  const Tensor& source = found->second;
  if (!IsFloat(source.dtype()) || source.shape().size() != 2 || source.size() == 0) {
    throw Error("{}: {} is {} {}; it must be a matrix of floats", o.input, o.tensor, DTypeName(source.dtype()),
                ShapeString(source.shape()));
  }
  for (int64_t i = 0; i < source.size(); ++i) {
    if (!std::isfinite(ElementAsFloat(source, i))) {
      throw Error("{}: {}: element [{}, {}] is {}; a weight must be finite", o.input, o.tensor, i / source.dim(1),
                  i % source.dim(1), ElementAsFloat(source, i));
    }
  }
  ExecContext exec(0);
  const WeightFormat format = WeightFormatFromName(o.type).value();
  const Tensor values = PackedMatrix(source, format, exec).Unpack();
  double error = 0, sum = 0;
  for (int64_t i = 0; i < source.size(); ++i) {
    const double x = ElementAsFloat(source, i), difference = x - ElementAsFloat(values, i);
    error += difference * difference;
    sum += x * x;
  }
  if (!o.output.empty()) WriteSafetensors(o.output, {{"values", values}});
  const double bits = 8.0 * static_cast<double>(PackedMatrix::PanelBytes(format, source.dim(1))) /
                      static_cast<double>(PackedMatrix::kPanelWidth * source.dim(1));
  const Json report = {{"type", o.type}, {"bits", bits}, {"error", sum > 0 ? std::sqrt(error / sum) : 0.0}};
  fmt::print("{}\n", report.dump());
}

}  // namespace

void AddDebugGguf(CLI::App& debug) {
  const auto o = std::make_shared<Options>();
  CLI::App* command = debug.add_subcommand("gguf-blocks", "The values of blocks of a GGUF type");
  command->add_option("--type", o->type, "Q8_0, Q4_K, ...")->required()->check(CLI::IsMember(GgufTypeNames()));
  command->add_option("--input", o->input, "Safetensors with `blocks`: U8 [rows, bytes of a row]")->required();
  command->add_option("--output", o->output, "Safetensors to write, with `values`: F32 [rows, values]")->required();
  SetAction(*command, [o] { Run(*o); });

  const auto p = std::make_shared<PackOptions>();
  command = debug.add_subcommand("pack", "A matrix packed in one of our types: bits a weight and the error");
  command->add_option("--type", p->type, "q8, q4, q4k, q3 or q2")
      ->required()
      ->check(CLI::IsMember({"q8", "q4", "q4k", "q3", "q2"}));
  command->add_option("--input", p->input, "Safetensors with the matrix [N, K]")->required();
  command->add_option("--tensor", p->tensor, "Its name")->capture_default_str();
  command->add_option("--output", p->output, "Safetensors to write, with `values`: F32 [N, K]");
  SetAction(*command, [p] { Pack(*p); });
}

}  // namespace fulgur

// fulgur debug forward, fulgur debug grad: one pass with every named value written to a safetensors file.
#include <memory>
#include <optional>

#include "apps/commands.h"
#include "apps/option_checks.h"
#include "model/trace.h"
#include "tensor/safetensors.h"

namespace fulgur {
namespace {

struct Options {
  std::string model, input, output, mode = "full";
  int threads = 0;
  int64_t greedy = 32;
  bool recompute = true;
  std::optional<KvFormat> kv_cache;
};

const Tensor& Need(const TensorMap& tensors, const char* name, const std::string& path) {
  const auto it = tensors.find(name);
  if (it == tensors.end()) throw Error("{}: the tensor {} is missing", path, name);
  return it->second;
}

int64_t ChunkOf(const std::string& mode) {
  if (mode == "full") return 0;
  if (mode == "decode") return 1;
  if (mode.starts_with("chunk=")) {
    const std::string digits = mode.substr(6);
    if (!digits.empty() && digits.size() < 10 && digits.find_first_not_of("0123456789") == std::string::npos &&
        std::stoll(digits) > 0) {
      return std::stoll(digits);
    }
  }
  throw Error("--mode {}: must be full, decode or chunk=N with N > 0", mode);
}

void AddCommon(CLI::App* command, const std::shared_ptr<Options>& o) {
  command->add_option("model", o->model, "Folder of the model")->required();
  command->add_option("--input", o->input, "safetensors file with input_ids [B, S] (grad: labels [B, S] too)")
      ->required();
  command->add_option("--output", o->output, "safetensors file to write")->required();
  command->add_option("--threads", o->threads, "Threads; 0: one per processor (the default)")->check(Threads());
}

}  // namespace

void AddDebugModel(CLI::App& debug) {
  const auto o = std::make_shared<Options>();
  CLI::App* forward =
      debug.add_subcommand("forward", "Logits, hidden states, routing, caches and a greedy continuation");
  AddCommon(forward, o);
  forward->add_option("--mode", o->mode,
                      "How the prompt is taken in: full, decode or chunk=N (the result is the same)");
  forward->add_option("--greedy", o->greedy, "Tokens to continue greedily")->check(WholeNumber(0));
  AddKvCacheOption(*forward, o->kv_cache, "f32");
  SetAction(*forward, [o] {
    const int64_t chunk = ChunkOf(o->mode);
    ExecContext exec(o->threads);
    const std::unique_ptr<Model> model = Model::Load(o->model, exec);
    model->set_kv_format(o->kv_cache.value_or(KvFormat::kF32));
    const TensorMap input = ReadSafetensors(o->input);
    WriteSafetensors(o->output, TraceForward(*model, Need(input, "input_ids", o->input), {chunk, o->greedy}));
  });
  CLI::App* grad = debug.add_subcommand("grad", "Loss and the gradient of every parameter");
  AddCommon(grad, o);
  grad->add_flag("--recompute,!--no-recompute", o->recompute, "Recompute layers in the backward pass (default)");
  SetAction(*grad, [o] {
    ExecContext exec(o->threads);
    const std::unique_ptr<Model> model = Model::Load(o->model, exec, /*keep_weights=*/true);
    const TensorMap input = ReadSafetensors(o->input);
    WriteSafetensors(o->output, TraceGradient(*model, Need(input, "input_ids", o->input),
                                              Need(input, "labels", o->input), o->recompute));
  });
}

}  // namespace fulgur

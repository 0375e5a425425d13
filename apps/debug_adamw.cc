// fulgur debug adamw: AdamW on tensors and gradients from a file.
#include <charconv>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "apps/commands.h"
#include "base/error.h"
#include "ops/adamw.h"
#include "ops/exec_context.h"
#include "tensor/safetensors.h"

namespace fulgur {
namespace {

struct Options {
  std::string input, output;
  AdamWOptions adamw;
};

Tensor ReadF32(const Tensor& tensor, const std::string& name, const std::string& file) {
  if (!IsFloat(tensor.dtype())) {
    throw Error("{}: {} is {}; a float tensor is needed", file, name, DTypeName(tensor.dtype()));
  }
  return tensor.ToF32();
}

// The gradients of each tensor, by step, from the names "grad.<step>.<tensor>".
std::map<std::string, std::map<int64_t, Tensor>> Gradients(const TensorMap& tensors, const std::string& file) {
  std::map<std::string, std::map<int64_t, Tensor>> gradients;
  for (const auto& [name, tensor] : tensors) {
    if (name.rfind("grad.", 0) != 0) continue;
    int64_t step = 0;
    const char* end = name.data() + name.size();
    const auto [rest, error] = std::from_chars(name.data() + 5, end, step);
    if (error != std::errc() || step < 1 || rest == end || *rest != '.') {
      throw Error("{}: {} is not named grad.<step>.<tensor> with a step from 1", file, name);
    }
    const std::string parameter(rest + 1, end);
    if (!gradients[parameter].emplace(step, ReadF32(tensor, name, file)).second) {
      throw Error("{}: two gradients of {} for step {}", file, parameter, step);
    }
  }
  return gradients;
}

void Check(bool good, const char* option, double value, const char* range) {
  if (!good) throw Error("{} is {}; it must be {}", option, value, range);
}

void Run(const Options& options) {
  const AdamWOptions& o = options.adamw;
  Check(o.lr >= 0, "--lr", o.lr, "at least 0");
  Check(o.beta1 >= 0 && o.beta1 < 1, "--beta1", o.beta1, "in [0, 1)");
  Check(o.beta2 >= 0 && o.beta2 < 1, "--beta2", o.beta2, "in [0, 1)");
  Check(o.eps >= 0, "--eps", o.eps, "at least 0");
  Check(o.weight_decay >= 0, "--weight-decay", o.weight_decay, "at least 0");

  const TensorMap tensors = ReadSafetensors(options.input);
  const auto gradients = Gradients(tensors, options.input);
  for (const auto& [parameter, steps] : gradients) {
    if (tensors.count("init." + parameter) == 0) {
      throw Error("{}: {} has gradients but no init.{}", options.input, parameter, parameter);
    }
  }
  ExecContext exec;
  std::vector<std::pair<std::string, Tensor>> results;
  for (const auto& [name, init] : tensors) {
    if (name.rfind("init.", 0) != 0) continue;
    const std::string parameter = name.substr(5);
    Tensor p = ReadF32(init, name, options.input).Clone(), m(DType::kF32, p.shape()), v(DType::kF32, p.shape());
    const auto found = gradients.find(parameter);
    if (found == gradients.end()) continue;
    int64_t step = 0;
    for (const auto& [given_step, g] : found->second) {
      if (given_step != ++step) throw Error("{}: grad.{}.{} is missing", options.input, step, parameter);
      if (g.shape() != p.shape()) {
        throw Error("{}: grad.{}.{} has shape {}, init.{} has {}", options.input, step, parameter,
                    ShapeString(g.shape()), parameter, ShapeString(p.shape()));
      }
      AdamWStep(p.values<float>(), m.values<float>(), v.values<float>(), g.values<float>(), step, o, 1.0f, exec);
      const std::string suffix = std::to_string(step) + "." + parameter;
      results.emplace_back("param." + suffix, p.Clone());
      results.emplace_back("exp_avg." + suffix, m.Clone());
      results.emplace_back("exp_avg_sq." + suffix, v.Clone());
    }
  }
  if (results.empty()) throw Error("{}: no tensors named init.<tensor> with grad.<step>.<tensor>", options.input);
  WriteSafetensors(options.output, results);
}

}  // namespace

void AddDebugAdamW(CLI::App& debug) {
  auto options = std::make_shared<Options>();
  CLI::App* command = debug.add_subcommand("adamw",
                                           "AdamW steps on init.<t> and grad.<n>.<t>, n = 1, 2, ...; writes "
                                           "param.<n>.<t>, exp_avg.<n>.<t>, exp_avg_sq.<n>.<t>");
  command->add_option("--input", options->input, "safetensors file to read")->required();
  command->add_option("--output", options->output, "safetensors file to write")->required();
  command->add_option("--lr", options->adamw.lr, "learning rate")->capture_default_str();
  command->add_option("--beta1", options->adamw.beta1, "decay of the first moment")->capture_default_str();
  command->add_option("--beta2", options->adamw.beta2, "decay of the second moment")->capture_default_str();
  command->add_option("--eps", options->adamw.eps, "added to the root of the second moment")->capture_default_str();
  command->add_option("--weight-decay", options->adamw.weight_decay, "decoupled weight decay")->capture_default_str();
  SetAction(*command, [=] { Run(*options); });
}

}  // namespace fulgur

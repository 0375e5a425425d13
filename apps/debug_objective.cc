// fulgur debug objective: policy-gradient objectives on rewards and log-probabilities from a file.
#include <memory>
#include <string>

#include "apps/commands.h"
#include "rl/reference_objectives.h"

namespace fulgur {
namespace {

struct Options {
  std::string input, output;
};

}  // namespace

void AddDebugObjective(CLI::App& debug) {
  auto options = std::make_shared<Options>();
  CLI::App* command = debug.add_subcommand(
      "objective",
      "Advantages, losses and gradients of policy-gradient objectives, of rewards, group_sizes, response_lengths, "
      "old_logprobs and logprobs");
  command->add_option("--input", options->input, "safetensors file to read")->required();
  command->add_option("--output", options->output, "safetensors file to write")->required();
  SetAction(*command, [options] {
    WriteSafetensors(options->output, ReferenceObjectives(ReadSafetensors(options->input), options->input));
  });
}

}  // namespace fulgur

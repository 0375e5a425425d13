// fulgur generate: continues a text, without any chat template.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include "apps/commands.h"
#include "apps/constraint_options.h"
#include "apps/interrupt.h"
#include "apps/option_checks.h"
#include "apps/sampling_options.h"
#include "base/error.h"

namespace fulgur {
namespace {

struct GenerateOptions {
  std::string model;
  std::optional<std::string> prompt;
  int64_t outputs = 1;
  int64_t logprobs = -1;
  bool json = false;
  ConstraintOptions constraint;
  SamplingOptions sampling;
};

// "text" with quotation marks and escapes.
std::string Quoted(const Tokenizer& tokenizer, int32_t id) {
  return Json(tokenizer.Bytes(id)).dump(-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
}

void PrintLogprobs(const Tokenizer& tokenizer, const std::vector<OutputToken>& tokens) {
  for (const OutputToken& t : tokens) {
    const std::string logprob = t.sampled ? fmt::format("{:.4f}", t.logprob) : "";
    std::string line = fmt::format("{:>8} {:>9}  {}", t.id, logprob, Quoted(tokenizer, t.id));
    for (const TokenLogprob& other : t.top) {
      line += fmt::format("  {} {:.4f}", Quoted(tokenizer, other.id), other.logprob);
    }
    Print(line + "\n");
  }
}

void RunGenerate(const GenerateOptions& options) {
  const std::string prompt = PromptText(options.prompt);
  if (prompt.empty()) throw Error("there is no text to continue: give --prompt, or write it to standard input");
  ExecContext exec(options.sampling.threads);
  LoadedModel loaded = LoadedModel::Load(options.model, exec, options.sampling.kv_cache);
  Engine engine(*loaded.model, loaded.tokenizer, options.sampling.ForEngine(64, loaded.model->config()));

  GenerationRequest request;
  request.prompt = loaded.tokenizer.EncodePrompt(prompt);
  request.sampling = options.sampling.Sampling(loaded.defaults, RandomSeed());
  request.sampling.top_logprobs = std::max<int64_t>(options.logprobs, 0);
  request.stopping = options.sampling.Stopping(loaded.defaults);
  request.outputs = options.outputs;
  request.constraint = options.constraint.For(loaded.tokenizer);
  request.may_think = false;
  const uint64_t seed = request.sampling.seed;

  // One output is printed as it comes, several when they are complete, in order.
  const bool stream = !options.json && options.outputs == 1;
  std::vector<Generation> outputs(static_cast<size_t>(options.outputs));
  const auto start = std::chrono::steady_clock::now();
  const int64_t number = engine.Submit(std::move(request), [&](const OutputEvent& event) {
    Generation& g = outputs[static_cast<size_t>(event.output)];
    if (stream) Print(event.text);
    g.Add(event);
  });
  CatchInterrupts(/*once=*/true);
  RunUntilInterrupted(engine, number);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();

  bool interrupted = false;
  for (size_t i = 0; i < outputs.size(); ++i) {
    const Generation& g = outputs[i];
    if (g.end.reason == FinishReason::kError) throw Error("{}", g.end.message);
    interrupted |= g.end.reason == FinishReason::kCancelled;
    if (options.json) {
      Json json = {{"text", g.text}, {"ids", g.ids()}, {"seed", seed + i}};
      json.update(OutputJson(g.end, seconds));
      if (options.logprobs >= 0) json["logprobs"] = LogprobsJson(loaded.tokenizer, g.tokens);
      Print(JsonLine(json));
      continue;
    }
    if (!stream) Print(fmt::format("{}--- output {}, seed {}\n{}", i > 0 ? "\n" : "", i, seed + i, g.text));
    Print("\n");
    if (options.logprobs >= 0) PrintLogprobs(loaded.tokenizer, g.tokens);
  }
  if (interrupted) DieOfInterrupt();
}

}  // namespace

void AddGenerate(CLI::App& parent) {
  auto options = std::make_shared<GenerateOptions>();
  CLI::App* app = parent.add_subcommand("generate", "Continue a text");
  AddModelOption(*app, options->model);
  app->add_option("--prompt", options->prompt, "Text to continue, special tokens recognised (default: standard input)")
      ->check(Utf8Text());
  app->add_option("--outputs", options->outputs, "How many continuations to sample, seeds counting up")
      ->check(WholeNumber(1, 1000000))
      ->capture_default_str();
  app->add_option("--logprobs", options->logprobs,
                  "Print each token's log-probability and the N most likely tokens beside it")
      ->check(WholeNumber(0, 1000));
  app->add_flag("--json", options->json, "Print one JSON object an output");
  options->constraint.AddTo(*app);
  options->sampling.AddTo(*app);
  SetAction(*app, [options] { RunGenerate(*options); });
}

}  // namespace fulgur

// fulgur generate: continues a text, without any chat template.
#include <fmt/format.h>

#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include "apps/commands.h"
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
  SamplingOptions sampling;
};

void PrintLogprobs(const Tokenizer& tokenizer, const std::vector<OutputToken>& tokens) {
  for (const OutputToken& t : tokens) {
    std::string line =
        t.sampled ? fmt::format("{:>8} {:>9.4f}  {}", t.id, t.logprob,
                                Json(tokenizer.Bytes(t.id)).dump(-1, ' ', false, Json::error_handler_t::replace))
                  : fmt::format("{:>8}            {}", t.id,
                                Json(tokenizer.Bytes(t.id)).dump(-1, ' ', false, Json::error_handler_t::replace));
    for (const TokenLogprob& other : t.top) {
      line += fmt::format("  {} {:.4f}",
                          Json(tokenizer.Bytes(other.id)).dump(-1, ' ', false, Json::error_handler_t::replace),
                          other.logprob);
    }
    Print(line + "\n");
  }
}

void RunGenerate(const GenerateOptions& options) {
  ThreadPool pool(options.sampling.threads);
  LoadedModel loaded = LoadedModel::Load(options.model, pool);
  Engine engine(*loaded.model, loaded.tokenizer, options.sampling.ForEngine(64));

  GenerationRequest request;
  request.prompt =
      loaded.tokenizer.Encode(options.prompt ? *options.prompt : ReadStandardInput(), Tokenizer::Special::kRecognised);
  request.sampling = options.sampling.Sampling(loaded.defaults, RandomSeed());
  request.sampling.top_logprobs = std::max<int64_t>(options.logprobs, 0);
  request.stopping = options.sampling.Stopping(loaded.defaults);
  request.outputs = options.outputs;
  if (options.outputs < 1) throw Error("--outputs is {}; it must be at least 1", options.outputs);
  const uint64_t seed = request.sampling.seed;

  // One output is printed as it comes, several when they are complete, in order.
  const bool stream = !options.json && options.outputs == 1;
  std::vector<Generation> outputs(static_cast<size_t>(options.outputs));
  const auto start = std::chrono::steady_clock::now();
  engine.Submit(std::move(request), [&](const OutputEvent& event) {
    Generation& g = outputs[static_cast<size_t>(event.output)];
    g.tokens.insert(g.tokens.end(), event.tokens.begin(), event.tokens.end());
    if (stream) Print(event.text);
    g.text += event.text;
    if (event.end) g.end = *event.end;
  });
  engine.Run();
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();

  for (size_t i = 0; i < outputs.size(); ++i) {
    const Generation& g = outputs[i];
    if (g.end.reason == FinishReason::kError) throw Error("{}", g.end.message);
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
}

}  // namespace

void AddGenerate(CLI::App& parent) {
  auto options = std::make_shared<GenerateOptions>();
  CLI::App* app = parent.add_subcommand("generate", "Continue a text");
  app->add_option("model", options->model, "model folder")->required();
  app->add_option("--prompt", options->prompt, "text to continue, special tokens recognised; default: standard input");
  app->add_option("--outputs", options->outputs, "how many continuations to sample, seeds counting up")
      ->capture_default_str();
  app->add_option("--logprobs", options->logprobs,
                  "print each token's log-probability and the N most likely tokens beside it");
  app->add_flag("--json", options->json, "one JSON object an output");
  options->sampling.AddTo(*app);
  app->callback([options] { RunGenerate(*options); });
}

}  // namespace fulgur

#include "apps/sampling_options.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <random>

#include "apps/option_checks.h"
#include "base/error.h"

namespace fulgur {

void SamplingOptions::AddTo(CLI::App& app) {
  const auto add = [&](const char* group, const char* name, auto& value, const char* text) {
    return app.add_option(name, value, text)->group(group);
  };
  const char* group = "Sampling (default: the model's generation_config.json, else as in docs/usage.md)";
  add(group, "--temperature", temperature, "Divides the logits; 0: always the most likely token")
      ->check(Number(0, 1000));
  add(group, "--top-k", top_k, "Only the K most likely tokens; 0: all")->check(WholeNumber(0));
  add(group, "--top-p", top_p, "Only the most likely tokens, as few as together have this probability")
      ->check(Number(0, 1));
  add(group, "--min-p", min_p, "Only tokens with at least this share of the most likely token's probability")
      ->check(Number(0, 1));
  add(group, "--repetition-penalty", repetition_penalty,
      "Divides positive logits of tokens in prompt or output, and multiplies negative ones")
      ->check(Number(0.01, 100));
  add(group, "--presence-penalty", presence_penalty, "Subtracted from the logit of each token in the output")
      ->check(Number(-100, 100));
  add(group, "--frequency-penalty", frequency_penalty,
      "Subtracted from the logit of a token for each time that the output has it")
      ->check(Number(-100, 100));
  add(group, "--seed", seed, "The same seed gives the same output")->check(Seed());

  group = "Stopping";
  add(group, "--max-tokens", max_tokens, "Most tokens of the output; 0: as many as fit the context")
      ->check(WholeNumber(0));
  add(group, "--stop", stop, "Text that ends the output (may be repeated)")
      ->allow_extra_args(false)
      ->check([](const std::string& text) { return text.empty() ? "must have at least one character" : ""; })
      ->check(Utf8Text());
  add(group, "--thinking-budget", thinking_budget, "Most tokens of thinking; 0: none; 40k and 80k as in M1")
      ->transform(ThinkingPresets())
      ->check(WholeNumber(0));
  add(group, "--early-truncation", early_truncation.tokens,
      "Ends an output after this many consecutive tokens of high probability; 0: never")
      ->check(WholeNumber(0))
      ->capture_default_str();
  add(group, "--early-truncation-probability", early_truncation.probability,
      "For --early-truncation: a probability above this is high")
      ->check(Number(0, 1))
      ->capture_default_str();

  group = "Running";
  add(group, "--context", context, "Most tokens of prompt and output together; 0: what the model allows")
      ->check(WholeNumber(0));
  add(group, "--prefill-chunk", prefill_chunk, "Tokens of prompt that are processed at a time")
      ->check(WholeNumber(1))
      ->capture_default_str();
  add(group, "--draft", draft, "Most tokens to draft from the text so far and check in one pass; 0: none; same output")
      ->check(WholeNumber(0, 1024))
      ->capture_default_str();
  AddKvCacheOption(app, kv_cache, kUsualKvCache)->group(group);
  add(group, "--threads", threads, "0: one per processor")->check(Threads());
}

SamplingParams SamplingOptions::Sampling(const GenerationDefaults& defaults, uint64_t default_seed) const {
  SamplingParams p = defaults.sampling;
  p.temperature = temperature.value_or(p.temperature);
  p.top_k = top_k.value_or(p.top_k);
  p.top_p = top_p.value_or(p.top_p);
  p.min_p = min_p.value_or(p.min_p);
  p.repetition_penalty = repetition_penalty.value_or(p.repetition_penalty);
  p.presence_penalty = presence_penalty;
  p.frequency_penalty = frequency_penalty;
  p.seed = seed.value_or(default_seed);
  p.Validate();
  return p;
}

StoppingRules SamplingOptions::Stopping(const GenerationDefaults& defaults) const {
  StoppingRules rules;
  rules.max_tokens = max_tokens;
  rules.stop_tokens = defaults.stop_tokens;
  rules.stop_strings = stop;
  rules.thinking_budget = thinking_budget;
  rules.early_truncation = early_truncation;
  rules.Validate();
  return rules;
}

EngineOptions SamplingOptions::ForEngine(int64_t max_batch, const ModelConfig& model) const {
  if (model.max_position_embeddings > 0 && context > model.max_position_embeddings) {
    throw Error("--context {}: the model has a context of {} (max_position_embeddings in its config.json)", context,
                model.max_position_embeddings);
  }
  return {.max_batch = max_batch, .prefill_chunk = prefill_chunk, .max_context = context, .max_draft = draft};
}

uint64_t RandomSeed() {
  std::random_device device;
  return device();  // 32 bits, which can be typed in again
}

std::string PromptText(const std::optional<std::string>& prompt) {
  if (prompt) return *prompt;
  std::string text;
  char buffer[65536];
  size_t n;
  while ((n = std::fread(buffer, 1, sizeof buffer, stdin)) > 0) text.append(buffer, n);
  if (std::ferror(stdin)) throw Error("standard input: cannot read");
  if (const std::string problem = Utf8Text()(text); !problem.empty()) throw Error("standard input: {}", problem);
  return text;
}

void Print(std::string_view text) {
  std::fflush(stdout);  // what others have written there comes first
  while (!text.empty()) {
    const ssize_t n = ::write(STDOUT_FILENO, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;  // Ctrl-C
    if (n < 0) throw Error("standard output: cannot write: {}", std::strerror(errno));
    text.remove_prefix(static_cast<size_t>(n));
  }
}

std::string JsonLine(const Json& json) {
  return json.dump(-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace) + "\n";
}

Json OutputJson(const OutputEnd& end, double seconds) {
  Json json = {{"finish_reason", FinishReasonName(end.reason)},
               {"prompt_tokens", end.prompt_tokens},
               {"reused_tokens", end.reused_tokens},
               {"output_tokens", end.output_tokens},
               {"thinking_tokens", end.thinking_tokens},
               {"thinking_cut", end.thinking_cut},
               {"seconds", seconds}};
  if (!end.message.empty()) json["message"] = end.message;
  return json;
}

Json LogprobsJson(const Tokenizer& tokenizer, const std::vector<OutputToken>& tokens) {
  Json list = Json::array();
  for (const OutputToken& t : tokens) {
    Json entry = {{"id", t.id}, {"text", tokenizer.Bytes(t.id)}, {"logprob", nullptr}, {"sampled", t.sampled}};
    if (t.sampled) entry["logprob"] = t.logprob;
    for (const TokenLogprob& other : t.top) {
      entry["top"].push_back({{"id", other.id}, {"text", tokenizer.Bytes(other.id)}, {"logprob", other.logprob}});
    }
    list.push_back(std::move(entry));
  }
  return list;
}

}  // namespace fulgur

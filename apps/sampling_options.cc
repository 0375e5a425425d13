#include "apps/sampling_options.h"

#include <cstdio>
#include <random>

#include "base/error.h"

namespace fulgur {

void SamplingOptions::AddTo(CLI::App& app) {
  const char* group = "Sampling";
  app.add_option("--temperature", temperature, "0: always the most likely token")->group(group);
  app.add_option("--top-k", top_k, "only the K most likely tokens; 0: all")->group(group);
  app.add_option("--top-p", top_p, "only the fewest tokens that have this probability together")->group(group);
  app.add_option("--min-p", min_p, "only tokens with this share of the most likely one's probability")->group(group);
  app.add_option("--repetition-penalty", repetition_penalty, "divides the logits of tokens seen before")->group(group);
  app.add_option("--presence-penalty", presence_penalty, "subtracted from the logits of tokens in the output")
      ->group(group);
  app.add_option("--frequency-penalty", frequency_penalty, "subtracted as often as the output has the token")
      ->group(group);
  app.add_option("--seed", seed, "the same seed gives the same output")->group(group);

  group = "Stopping";
  app.add_option("--max-tokens", max_tokens, "of output; 0: as many as fit the context")->group(group);
  app.add_option("--stop", stop, "text that ends the output (may be repeated)")->group(group)->allow_extra_args(false);
  app.add_option("--thinking-budget", thinking_budget, "most tokens of thinking; 0: none")->group(group);
  app.add_option("--early-truncation", early_truncation.tokens,
                 "stop after so many tokens in a row that were all but certain; 0: never")
      ->group(group)
      ->capture_default_str();
  app.add_option("--early-truncation-probability", early_truncation.probability, "what is all but certain")
      ->group(group)
      ->capture_default_str();

  group = "Running";
  app.add_option("--context", context, "most tokens of prompt and output together; 0: what the model allows")
      ->group(group);
  app.add_option("--prefill-chunk", prefill_chunk, "tokens of prompt that are processed at a time")
      ->group(group)
      ->capture_default_str();
  app.add_option("--threads", threads, "0: one per processor")->group(group);
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

EngineOptions SamplingOptions::ForEngine(int64_t max_batch) const {
  return {.max_batch = max_batch, .prefill_chunk = prefill_chunk, .max_context = context};
}

uint64_t RandomSeed() {
  std::random_device device;
  return device();  // 32 bits, which can be typed in again
}

std::string ReadStandardInput() {
  std::string text;
  char buffer[65536];
  size_t n;
  while ((n = std::fread(buffer, 1, sizeof buffer, stdin)) > 0) text.append(buffer, n);
  if (std::ferror(stdin)) throw Error("standard input: cannot read");
  return text;
}

void Print(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0) {
    throw Error("standard output: cannot write");
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

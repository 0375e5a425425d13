#include <algorithm>
#include <utility>

#include "base/error.h"
#include "eval/answer_source.h"
#include "eval/official_rules.h"
#include "text/output_format.h"
#include "text/output_parser.h"

namespace fulgur {

namespace {

// A model in this process, behind the scheduler: what prompts begin with in common is read once.
class LocalSource : public AnswerSource {
 public:
  LocalSource(LoadedModel& model, const LocalSourceOptions& options)
      : model_(model), options_(options), scheduler_(model, SchedulerOptionsOf(model, options)) {}

  void Ask(BenchmarkQuestion question, std::function<void(AnswerOutcome)> done) override {
    ScheduledRequest request;
    try {
      request.generation.prompt = Prompt(question);
      constexpr size_t kWorthKeeping = 256;  // tokens; below, a state costs more to keep than to make again
      request.use_cache = request.generation.prompt.size() >= kWorthKeeping;
      request.generation.sampling = options_.sampling;
      request.generation.sampling.seed = question.seed;
      request.generation.stopping = options_.stopping;
      struct Collected {
        std::string text;
        std::function<void(AnswerOutcome)> done;
      };
      auto collected = std::make_shared<Collected>();
      collected->done = done;
      scheduler_.Submit(std::move(request), [this, collected](const OutputEvent& event) {
        collected->text += event.text;
        if (event.end != nullptr) collected->done(Outcome(collected->text, *event.end));
      });
    } catch (const Error& e) {
      done({std::nullopt, e.what()});
    }
  }
  int64_t capacity() const override { return 2 * options_.engine.max_batch; }
  Json Describe() const override {
    const SamplingParams& s = options_.sampling;
    const StoppingRules& r = options_.stopping;
    return {{"model", model_.folder.string()},
            {"weights", model_.weights_key},
            {"temperature", s.temperature},
            {"top_p", s.top_p},
            {"top_k", s.top_k},
            {"min_p", s.min_p},
            {"repetition_penalty", s.repetition_penalty},
            {"presence_penalty", s.presence_penalty},
            {"frequency_penalty", s.frequency_penalty},
            {"max_tokens", r.max_tokens},
            {"thinking_budget", r.thinking_budget ? Json(*r.thinking_budget) : Json()},
            {"stop", r.stop_strings},
            {"context", scheduler_.max_context()},
            {"max_prompt_tokens", options_.max_prompt_tokens},
            {"early_truncation", {r.early_truncation.tokens, r.early_truncation.probability}}};
  }

 private:
  static SchedulerOptions SchedulerOptionsOf(LoadedModel& model, const LocalSourceOptions& options) {
    SchedulerOptions scheduler;
    scheduler.engine = options.engine;
    scheduler.cache = SplitCacheMemory(model.model->config(), model.model->kv_format(), options.cache_bytes);
    scheduler.max_queued = 0;
    return scheduler;
  }

  AnswerOutcome Outcome(const std::string& text, const OutputEnd& end) const {
    if (end.reason == FinishReason::kError || end.reason == FinishReason::kCancelled) {
      return {std::nullopt, end.message.empty() ? FinishReasonName(end.reason) : end.message};
    }
    BenchmarkAnswer answer;
    ParsedOutput parsed = ParseOutput(options_.stopping.starts_in_thinking ? std::string(kThinkOpen) + text : text);
    answer.reasoning = std::move(parsed.reasoning);
    answer.content = std::move(parsed.content);
    answer.finish = FinishReasonName(end.reason);
    answer.prompt_tokens = end.prompt_tokens;
    answer.cached_tokens = end.reused_tokens;
    answer.output_tokens = end.output_tokens;
    answer.thinking_tokens = end.thinking_tokens;
    return {std::move(answer), ""};
  }

  std::vector<int32_t> Prompt(const BenchmarkQuestion& question) const {
    const auto encode = [&](const Json& messages) {
      return model_.chat_template().Encode(model_.tokenizer, messages, nullptr, true);
    };
    Json messages = question.messages;
    if (question.truncate && options_.max_prompt_tokens > 0) {
      messages.back()["content"] =
          WithoutMiddle(model_.tokenizer, messages.back()["content"].get<std::string>(), options_.max_prompt_tokens);
    }
    std::vector<int32_t> ids = encode(messages);
    const int64_t room = scheduler_.max_context() - std::max<int64_t>(1, options_.stopping.max_tokens);
    const auto length = static_cast<int64_t>(ids.size());
    if (length <= room) return ids;
    if (!question.truncate) {
      throw Error("the prompt has {} tokens, and {} are left for it in the context of {}", length, room,
                  scheduler_.max_context());
    }
    // The last message loses its middle until all of it fits.
    const std::string text = messages.back()["content"].get<std::string>();
    int64_t keep = static_cast<int64_t>(model_.tokenizer.Encode(text, Tokenizer::Special::kPlainText).size());
    for (keep -= length - room; keep > 0; keep -= std::max<int64_t>(1, static_cast<int64_t>(ids.size()) - room)) {
      messages.back()["content"] = WithoutMiddle(model_.tokenizer, text, keep);
      ids = encode(messages);
      if (static_cast<int64_t>(ids.size()) <= room) return ids;
    }
    throw Error("the context of {} tokens leaves no room for the prompt", scheduler_.max_context());
  }

  LoadedModel& model_;
  LocalSourceOptions options_;
  Scheduler scheduler_;
};

}  // namespace

std::string WithoutMiddle(const Tokenizer& tokenizer, const std::string& text, int64_t most) {
  const std::vector<int32_t> ids = tokenizer.Encode(text, Tokenizer::Special::kPlainText);
  if (static_cast<int64_t>(ids.size()) <= most) return text;
  return tokenizer.Decode(official::LongBenchTruncated(ids, most), /*skip_special=*/true);
}

std::unique_ptr<AnswerSource> MakeLocalSource(LoadedModel& model, const LocalSourceOptions& options) {
  return std::make_unique<LocalSource>(model, options);
}

}  // namespace fulgur

#include <optional>
#include <utility>

#include "base/background_threads.h"
#include "eval/answer_source.h"
#include "text/output_parser.h"

namespace fulgur {

namespace {

std::string TextOf(const Json& message, std::initializer_list<const char*> keys) {
  for (const char* key : keys) {
    if (message.contains(key) && message[key].is_string()) return message[key].get<std::string>();
  }
  return "";
}

int64_t CountOf(const Json& usage, const char* key) {
  return usage.is_object() && usage.contains(key) && usage[key].is_number_integer() ? usage[key].get<int64_t>() : 0;
}

// An answer of an OpenAI-compatible server; an error where it has none.
AnswerOutcome Outcome(const EndpointReply& reply) {
  if (!reply.body) return {std::nullopt, reply.error};
  const Json& body = *reply.body;
  if (!body.is_object() || !body.contains("choices") || !body["choices"].is_array() || body["choices"].empty() ||
      !body["choices"][0].is_object() || !body["choices"][0].contains("message") ||
      !body["choices"][0]["message"].is_object()) {
    return {std::nullopt, "the server's answer has no choices[0].message: " + body.dump().substr(0, 200)};
  }
  const Json& choice = body["choices"][0];
  BenchmarkAnswer answer;
  answer.reasoning = TextOf(choice["message"], {"reasoning_content", "reasoning"});
  answer.content = TextOf(choice["message"], {"content"});
  if (answer.reasoning.empty()) {  // a server that does not part the thinking from the answer
    ParsedOutput parsed = ParseOutput(answer.content);
    answer.reasoning = std::move(parsed.reasoning);
    answer.content = std::move(parsed.content);
  }
  answer.finish = TextOf(choice, {"finish_reason"});
  if (answer.finish.empty()) answer.finish = "stop";
  const Json usage = body.contains("usage") ? body["usage"] : Json();
  answer.prompt_tokens = CountOf(usage, "prompt_tokens");
  answer.output_tokens = CountOf(usage, "completion_tokens");
  if (usage.is_object() && usage.contains("prompt_tokens_details")) {
    answer.cached_tokens = CountOf(usage["prompt_tokens_details"], "cached_tokens");
  }
  if (usage.is_object() && usage.contains("completion_tokens_details")) {
    answer.thinking_tokens = CountOf(usage["completion_tokens_details"], "reasoning_tokens");
  }
  return {std::move(answer), ""};
}

class EndpointSource : public AnswerSource {
 public:
  explicit EndpointSource(const EndpointSourceOptions& options)
      : options_(options), endpoint_(options.endpoint), threads_(static_cast<int>(options.concurrency)) {
    if (!options_.tokenizer.empty()) tokenizer_ = Tokenizer::FromFile(options_.tokenizer);
  }

  void Ask(BenchmarkQuestion question, std::function<void(AnswerOutcome)> done) override {
    Json body = options_.extra;
    if (question.truncate && tokenizer_) {
      Json& text = question.messages.back()["content"];
      text = WithoutMiddle(*tokenizer_, text.get<std::string>(), options_.max_prompt_tokens);
    }
    body["messages"] = std::move(question.messages);
    body["temperature"] = options_.temperature;
    body["top_p"] = options_.top_p;
    body["seed"] = question.seed >> 11;  // 53 bits, which every JSON reader takes as a whole number
    if (options_.max_tokens > 0) body["max_tokens"] = options_.max_tokens;
    threads_.Run([this, body = std::move(body), done = std::move(done)] {
      AnswerOutcome outcome;
      try {
        outcome = Outcome(endpoint_.Complete(body));
      } catch (const std::exception& e) {
        outcome.error = e.what();
      }
      done(std::move(outcome));
    });
  }
  int64_t capacity() const override { return 2 * options_.concurrency; }
  Json Describe() const override {
    return {{"url", endpoint_.url()},
            {"model", endpoint_.model()},
            {"temperature", options_.temperature},
            {"top_p", options_.top_p},
            {"max_tokens", options_.max_tokens},
            {"extra", options_.extra},
            {"max_prompt_tokens", tokenizer_ ? options_.max_prompt_tokens : 0}};
  }

 private:
  EndpointSourceOptions options_;
  ChatEndpoint endpoint_;
  std::optional<Tokenizer> tokenizer_;
  BackgroundThreads threads_;  // last: ends first
};

}  // namespace

std::unique_ptr<AnswerSource> MakeEndpointSource(const EndpointSourceOptions& options) {
  return std::make_unique<EndpointSource>(options);
}

}  // namespace fulgur

#include "serve/format.h"

#include "base/json_as_given.h"
#include "unicode/unicode.h"

namespace fulgur {

std::string JsonText(const Json& json) { return DumpJson(json); }

HttpReply JsonReply(const Json& json, int status) {
  return {.status = status, .headers = {{"Content-Type", "application/json"}}, .body = JsonText(json) + "\n"};
}

std::string ServerSentEvent(const Json& json, std::string_view name) {
  std::string text = name.empty() ? std::string() : fmt::format("event: {}\n", name);
  return text.append("data: ").append(JsonText(json)).append("\n\n");
}

std::unique_ptr<AnswerFormat> MakeFormat(const ApiRequest& request, AnswerIdentity identity) {
  switch (request.endpoint) {
    case Endpoint::kChatCompletions:
      return ChatFormat(request, std::move(identity));
    case Endpoint::kCompletions:
      return CompletionsFormat(request, std::move(identity));
    case Endpoint::kResponses:
      return ResponsesFormat(request, std::move(identity));
    case Endpoint::kMessages:
      return MessagesFormat(request, std::move(identity));
  }
  return nullptr;
}

Json FinishDetails(const AnswerEnd& end) {
  Json details = {{"type", FinishReasonName(end.reason)},
                  {"thinking_tokens", end.thinking_tokens},
                  {"thinking_cut", end.thinking_cut}};
  if (end.reason == FinishReason::kStopString) details["stop_string"] = end.message;
  return details;
}

namespace {

Json Bytes(const std::string& text) {
  Json bytes = Json::array();
  for (const unsigned char c : text) bytes.push_back(static_cast<int>(c));
  return bytes;
}

}  // namespace

std::string TokenText(const std::string& bytes) {
  std::string text;
  ForEachUtf8Run(bytes, [&](std::string_view part, bool valid) {
    if (valid) {
      text += part;
    } else {
      for (const unsigned char c : part) text += fmt::format("\\x{:02x}", c);
    }
  });
  return text;
}

Json TokenLogprobs(const std::vector<AnswerToken>& tokens) {
  Json list = Json::array();
  for (const AnswerToken& token : tokens) {
    Json entry = {{"token", TokenText(token.bytes)},
                  {"logprob", token.logprob},
                  {"bytes", Bytes(token.bytes)},
                  {"top_logprobs", Json::array()}};
    for (const auto& [bytes, logprob] : token.top) {
      entry["top_logprobs"].push_back({{"token", TokenText(bytes)}, {"logprob", logprob}, {"bytes", Bytes(bytes)}});
    }
    if (!token.sampled) entry["sampled"] = false;
    list.push_back(std::move(entry));
  }
  return list;
}

}  // namespace fulgur

// What a client may send. The first byte says as what the rest is read: a request of one of the APIs, the head of an
// HTTP request, the size of a chunk. Whatever it is, it is accepted or refused with a status of the 400s or 500s, and
// what was accepted is in the form that the server relies on.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/json_as_given.h"
#include "serve/format.h"
#include "serve/http_message.h"
#include "serve/request.h"

namespace {

using namespace fulgur;

void CheckRequest(const ApiRequest& request) {
  request.sampling.Validate();
  FULGUR_CHECK(request.outputs >= 1 && request.outputs <= 128);
  FULGUR_CHECK(!request.max_tokens || *request.max_tokens > 0);
  FULGUR_CHECK(!request.thinking_budget || *request.thinking_budget >= 0);
  FULGUR_CHECK(!request.logprobs || request.sampling.top_logprobs <= 20);
  for (const std::string& stop : request.stop) FULGUR_CHECK(!stop.empty());
  if (request.endpoint == Endpoint::kCompletions) {
    FULGUR_CHECK(!request.prompts.empty());
  } else {
    FULGUR_CHECK(!request.messages.empty());
    for (const Json& message : request.messages) {
      FULGUR_CHECK(message["role"].is_string() && message["content"].is_string());
    }
    for (const Json& tool : request.tools) FULGUR_CHECK(tool["function"]["name"].is_string());
  }
  MakeFormat(request, {})->Whole({Answer{}}, {});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const int kind = data[0] % 6;
  if (kind >= 4) {
    try {
      if (kind == 5) {
        ParseChunkSize(text);
      } else {
        const HttpRequest request = ParseHttpHead(text, {});
        FULGUR_CHECK(!request.method.empty() && !request.path.empty());
        FULGUR_CHECK(request.content_length <= HttpLimits{}.body && request.headers.size() <= HttpLimits{}.headers);
        FULGUR_CHECK(request.path.find('\0') == std::string::npos);
        HttpHead(200, request.headers);
      }
    } catch (const HttpError& e) {
      FULGUR_CHECK(e.status() >= 400 && e.status() < 600);
    }
    return 0;
  }
  Json json;
  try {
    json = ParseJsonAsGiven(text, "the request");
  } catch (const Error&) {
    return 0;
  }
  RequestDefaults defaults;
  defaults.vocab_size = 1000;
  try {
    switch (kind) {
      case 0:
        CheckRequest(ParseChatCompletions(json, defaults));
        break;
      case 1:
        CheckRequest(ParseCompletions(json, defaults));
        break;
      case 2:
        CheckRequest(ParseResponses(json, defaults));
        break;
      default:
        CheckRequest(ParseMessages(json, defaults));
        break;
    }
  } catch (const ApiError& e) {
    FULGUR_CHECK(e.status() == 400);
    JsonText(ErrorJson(Api::kOpenAi, e, "id"));
    JsonText(ErrorJson(Api::kAnthropic, e, "id"));
  }
  return 0;
}

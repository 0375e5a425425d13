#include "judge/chat_endpoint.h"

#include <curl/curl.h>

#include <algorithm>
#include <cstdlib>
#include <random>
#include <thread>
#include <utility>

#include "base/error.h"

namespace fulgur {

namespace {

using Clock = std::chrono::steady_clock;
constexpr size_t kMostBytes = size_t{256} << 20;

void StartCurl() {
  static const CURLcode started = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (started != CURLE_OK) throw Error("libcurl: {}", curl_easy_strerror(started));
}

size_t Receive(char* data, size_t size, size_t count, void* text) {
  auto* out = static_cast<std::string*>(text);
  if (out->size() + size * count > kMostBytes) return 0;
  out->append(data, size * count);
  return size * count;
}

// What one try gave: a status (0: no answer) with its body, or an error.
struct Try {
  long status = 0;
  std::string body, error;
  double retry_after = 0;
};

Try Ask(const EndpointOptions& options, const std::string& path, const std::string* body, double seconds) {
  Try result;
  const std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> handle(curl_easy_init(), curl_easy_cleanup);
  if (!handle) {
    result.error = "libcurl has no memory";
    return result;
  }
  CURL* curl = handle.get();
  curl_slist* list = curl_slist_append(nullptr, "Content-Type: application/json");
  if (!options.api_key.empty()) list = curl_slist_append(list, ("Authorization: Bearer " + options.api_key).c_str());
  const std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)> headers(list, curl_slist_free_all);
  curl_easy_setopt(curl, CURLOPT_URL, (options.url + path).c_str());
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, Receive);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &result.body);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, 30L);
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, static_cast<long>(std::max(1.0, 1000 * seconds)));
  if (body != nullptr) {
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body->c_str());
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body->size()));
  }
  const CURLcode code = curl_easy_perform(curl);
  if (code != CURLE_OK) {
    result.error = curl_easy_strerror(code);
    return result;
  }
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &result.status);
  curl_off_t wait = 0;
  if (curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &wait) == CURLE_OK) result.retry_after = static_cast<double>(wait);
  return result;
}

// What a server's error says, in one line.
std::string ErrorText(const Try& result) {
  std::string text = result.body.substr(0, 500);
  try {
    const Json body = ParseJson(result.body, "the answer");
    if (body.contains("error") && body["error"].is_object() && body["error"].contains("message")) {
      text = body["error"]["message"].get<std::string>();
    }
  } catch (const std::exception&) {  // not JSON: the text as it is
  }
  std::replace(text.begin(), text.end(), '\n', ' ');
  return fmt::format("HTTP {}: {}", result.status, text);
}

}  // namespace

ChatEndpoint::ChatEndpoint(EndpointOptions options) : options_(std::move(options)) {
  StartCurl();
  while (options_.url.ends_with('/')) options_.url.pop_back();
  if (!options_.url.ends_with("/v1")) options_.url += "/v1";
  if (!options_.model.empty()) return;
  const EndpointReply reply = Request("/models", nullptr, options_.name_seconds);
  if (!reply.body) throw Error("{}: {}", options_.url, reply.error);
  const Json& body = *reply.body;
  if (!body.contains("data") || !body["data"].is_array() || body["data"].empty() || !body["data"][0].contains("id")) {
    throw Error("{}/models names no model; give its name", options_.url);
  }
  options_.model = JsonGet<std::string>(body["data"][0], "id", options_.url + "/models");
}

EndpointReply ChatEndpoint::Complete(Json body) const {
  body["model"] = options_.model;
  const std::string text = body.dump(-1, ' ', false, Json::error_handler_t::replace);
  return Request("/chat/completions", &text, options_.total_seconds);
}

EndpointReply ChatEndpoint::Request(const std::string& path, const std::string* body, double total_seconds) const {
  const Clock::time_point start = Clock::now();
  const auto left = [&] { return total_seconds - std::chrono::duration<double>(Clock::now() - start).count(); };
  // How long to wait is the only thing drawn here; it decides no result.
  std::minstd_rand random(std::random_device{}());
  double pause = options_.first_pause_seconds;
  EndpointReply reply;
  for (reply.tries = 1;; ++reply.tries) {
    const Try result = Ask(options_, path, body, std::min(options_.request_seconds, left()));
    if (result.status == 200) {
      try {
        reply.body = ParseJson(result.body, options_.url + path);
        return reply;
      } catch (const Error& e) {
        reply.error = e.what();  // cut off on its way: asked again
      }
    } else if (result.status != 0) {
      reply.error = ErrorText(result);
      const bool passes = result.status == 408 || result.status == 429 || result.status >= 500;
      if (!passes) return reply;
    } else {
      reply.error = result.error;
    }
    const double wait = std::max(pause * std::uniform_real_distribution<double>(0.5, 1.5)(random), result.retry_after);
    if (wait >= left()) {
      reply.error += fmt::format(" (after {} tries)", reply.tries);
      return reply;
    }
    std::this_thread::sleep_for(std::chrono::duration<double>(wait));
    pause = std::min(2 * pause, 60.0);
  }
}

}  // namespace fulgur

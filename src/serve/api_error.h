// What a request got wrong, in the shape of the API that it used.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/json.h"

namespace fulgur {

enum class Api { kOpenAi, kAnthropic };

// An Error with the HTTP status that answers it and the field of the request that it is about.
class ApiError : public Error {
 public:
  ApiError(int status, std::string field, const std::string& message, std::string code = {})
      : Error("{}", message), status_(status), field_(std::move(field)), code_(std::move(code)) {}

  int status() const { return status_; }
  const std::string& field() const { return field_; }  // "messages[1].content", or empty
  const std::string& code() const { return code_; }    // "model_not_found", or empty

 private:
  int status_;
  std::string field_, code_;
};

// A 400. The message begins with the field's name.
template <typename... Args>
ApiError Invalid(const std::string& field, fmt::format_string<Args...> format, Args&&... args) {
  const std::string text = fmt::format(format, std::forward<Args>(args)...);
  return ApiError(400, field, field.empty() ? text : field + ": " + text);
}

// OpenAI: {"error": {"message", "type", "param", "code"}}.
// Anthropic: {"type": "error", "error": {"type", "message"}, "request_id"}.
Json ErrorJson(Api api, const ApiError& error, const std::string& request_id);

// The names that the two give to a status: "invalid_request_error", "rate_limit_error", ...
std::string_view ErrorType(Api api, int status);

}  // namespace fulgur

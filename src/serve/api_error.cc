#include "serve/api_error.h"

namespace fulgur {

std::string_view ErrorType(Api api, int status) {
  const bool anthropic = api == Api::kAnthropic;
  switch (status) {
    case 401:
      return "authentication_error";
    case 403:
      return "permission_error";
    case 404:
      return "not_found_error";
    case 413:
      return anthropic ? "request_too_large" : "invalid_request_error";
    case 429:
      return "rate_limit_error";
    case 503:
      return anthropic ? "overloaded_error" : "service_unavailable_error";
    default:
      if (status >= 500) return anthropic ? "api_error" : "server_error";
      return "invalid_request_error";
  }
}

Json ErrorJson(Api api, const ApiError& error, const std::string& request_id) {
  if (api == Api::kAnthropic) {
    Json json = {{"type", "error"},
                 {"error", {{"type", ErrorType(api, error.status())}, {"message", error.what()}}},
                 {"request_id", request_id}};
    if (!error.field().empty()) json["error"]["param"] = error.field();
    return json;
  }
  Json json = {
      {"message", error.what()}, {"type", ErrorType(api, error.status())}, {"param", nullptr}, {"code", nullptr}};
  if (!error.field().empty()) json["param"] = error.field();
  if (!error.code().empty()) json["code"] = error.code();
  return {{"error", std::move(json)}};
}

}  // namespace fulgur

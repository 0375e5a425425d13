#include "serve/access.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <string>
#include <string_view>

namespace fulgur {

namespace {

// The key that a request shows, by either of the usual headers.
std::string_view KeyOf(const HttpRequest& request) {
  if (const std::string* header = request.Header("authorization")) {
    constexpr std::string_view kBearer = "bearer ";
    if (header->size() > kBearer.size()) {
      std::string scheme = header->substr(0, kBearer.size());
      std::transform(scheme.begin(), scheme.end(), scheme.begin(), [](unsigned char c) { return std::tolower(c); });
      if (scheme == kBearer) return std::string_view(*header).substr(header->find_first_not_of(' ', kBearer.size()));
    }
  }
  if (const std::string* header = request.Header("x-api-key")) return *header;
  return {};
}

bool IsLocalName(const std::string& host) {
  // An address, not a name that begins like one.
  const bool ipv4 = host.starts_with("127.") && host.find_first_not_of("0123456789.") == std::string::npos;
  return ipv4 || host == "localhost" || host == "::1" || host.ends_with(".localhost");
}

}  // namespace

std::optional<ApiError> Access::CheckWithoutKeys(const HttpRequest& request) const {
  const std::string* host = request.Header("host");
  if (loopback_ && host != nullptr && !IsLocalName(HostOf(*host)) &&
      std::find(options_.allowed_hosts.begin(), options_.allowed_hosts.end(), HostOf(*host)) ==
          options_.allowed_hosts.end()) {
    const std::string name = HostOf(*host);
    // To listen there means to listen everywhere; as an address to connect to it reaches this machine by accident.
    const bool any = name == "0.0.0.0" || name == "::";
    return ApiError(403, "",
                    any ? fmt::format("{} is where a server listens, not a name to call it by: use 127.0.0.1 or "
                                      "localhost in the URL (or start it with --allowed-host {})",
                                      name, name)
                        : fmt::format("this server is not called {}; --allowed-host adds a name", Shown(name)));
  }
  if (const std::string* origin = request.Header("origin")) {
    const size_t scheme = origin->find("://");
    const bool same = host != nullptr && scheme != std::string::npos && origin->substr(scheme + 3) == *host;
    HttpHeaders headers;
    AddCors(request, &headers);
    if (!same && headers.empty()) {
      return ApiError(403, "", "requests from web pages of other origins are refused; --cors-origin allows one");
    }
  }
  return std::nullopt;
}

std::optional<ApiError> Access::Check(const HttpRequest& request, const Path* path) const {
  if (options_.keys.empty()) {
    if (std::optional<ApiError> error = CheckWithoutKeys(request)) return error;
  }
  if (path == nullptr || path->open) return std::nullopt;
  if (path->admin && options_.keys.empty() && !loopback_) {
    return ApiError(403, "", "this takes a key that was given with --admin-key");
  }
  const std::string_view key = KeyOf(request);
  if (!options_.keys.empty()) {
    if (key.empty()) {
      return ApiError(401, "", "no API key: send it as \"Authorization: Bearer KEY\" or \"x-api-key: KEY\"",
                      "missing_api_key");
    }
    const bool known = options_.keys.Contains(key), admin = options_.admin_keys.Contains(key);
    if (!known && !admin) return ApiError(401, "", "the API key is not one of this server's", "invalid_api_key");
    if (path->admin && !admin) return ApiError(403, "", "this takes a key that was given with --admin-key");
  }
  return std::nullopt;
}

void Access::AddCors(const HttpRequest& request, HttpHeaders* headers) const {
  const std::string* origin = request.Header("origin");
  if (origin == nullptr) return;
  for (const std::string& allowed : options_.cors_origins) {
    if (allowed != "*" && allowed != *origin) continue;
    headers->emplace_back("Access-Control-Allow-Origin", allowed == "*" ? "*" : *origin);
    headers->emplace_back("Access-Control-Expose-Headers",
                          "x-request-id, x-fulgur-weights-version, x-fulgur-ignored-fields");
    if (allowed != "*") headers->emplace_back("Vary", "Origin");
    return;
  }
}

std::optional<HttpReply> Access::Preflight(const HttpRequest& request) const {
  HttpHeaders headers;
  AddCors(request, &headers);
  if (request.method != "OPTIONS" || headers.empty()) return std::nullopt;
  if (request.Header("access-control-request-method") == nullptr) return std::nullopt;
  headers.emplace_back("Access-Control-Allow-Methods", "GET, POST, DELETE");
  const std::string* asked = request.Header("access-control-request-headers");
  headers.emplace_back("Access-Control-Allow-Headers", asked == nullptr ? "authorization, content-type" : *asked);
  headers.emplace_back("Access-Control-Max-Age", "600");
  return HttpReply{.status = 204, .headers = std::move(headers), .body = {}};
}

}  // namespace fulgur

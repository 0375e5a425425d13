// Who may use the server: by key, or, without keys, who is on this machine and not sent by somebody's web page.
#pragma once

#include <optional>

#include "serve/api_error.h"
#include "serve/http_message.h"
#include "serve/server.h"

namespace fulgur {

class Access {
 public:
  // What a path asks of those who use it.
  struct Path {
    bool open = false;   // no key
    bool admin = false;  // a key of the operator
  };

  // options must outlive it. loopback: only this machine can connect.
  Access(const ServerOptions& options, bool loopback) : options_(options), loopback_(loopback) {}

  // Why the request is refused; nullopt: it is not. path: null if there is no such path, which takes no key to be told.
  std::optional<ApiError> Check(const HttpRequest& request, const Path* path) const;
  // The headers by which a browser lets the page that sent the request read the reply, if its origin is an allowed one.
  void AddCors(const HttpRequest& request, HttpHeaders* headers) const;
  // The reply to what a browser asks before it lets a page send its request; nullopt if the request is not that, or the
  // page's origin is not allowed.
  std::optional<HttpReply> Preflight(const HttpRequest& request) const;

 private:
  std::optional<ApiError> CheckWithoutKeys(const HttpRequest& request) const;

  const ServerOptions& options_;
  bool loopback_;
};

}  // namespace fulgur

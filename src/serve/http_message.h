// HTTP/1.1 messages (RFC 9110, 9112): the head of a request, read strictly, and the head of a response.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"

namespace fulgur {

// What is wrong with a message, and the status that answers it.
class HttpError : public Error {
 public:
  HttpError(int status, const std::string& message) : Error("{}", message), status_(status) {}
  int status() const { return status_; }

 private:
  int status_;
};

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

struct HttpLimits {
  size_t target = 8192;     // bytes of the request's target
  size_t head = 64 * 1024;  // bytes of request line and headers together
  size_t headers = 100;
  size_t body = 32 << 20;
};

struct HttpRequest {
  std::string method;  // "GET"
  std::string target;  // as it came: "/v1/models?x=1"
  std::string path;    // percent-decoded, without the query: "/v1/models"
  int minor_version = 1;
  HttpHeaders headers;  // names in lower case, values without space around them
  std::string body;
  std::string peer;  // address of the other side

  bool chunked = false;                                    // how the body comes
  uint64_t content_length = 0;                             // if it is not chunked
  bool keep_alive = true;                                  // the client wants the connection to stay open
  bool expects_continue = false;                           // and waits for "100 Continue" before it sends the body
  const std::string* Header(std::string_view name) const;  // the first; null if there is none
};

// head: from the request line to the empty line, both included. Throws HttpError: 400, 413 (a body beyond the limit),
// 414, 417, 431, 501 or 505.
HttpRequest ParseHttpHead(std::string_view head, const HttpLimits& limits);

// The size of a chunk from its line (without CRLF): "1a", "1a;name=value". Throws HttpError.
uint64_t ParseChunkSize(std::string_view line);

// "Not Found"
std::string_view StatusText(int status);

struct HttpReply {
  int status = 200;
  HttpHeaders headers;
  std::string body;
};
// "HTTP/1.1 200 OK\r\n...\r\n\r\n". Control characters and those beyond ASCII in values become '?'.
std::string HttpHead(int status, const HttpHeaders& headers);

// Everything up to a colon that is a port, without brackets, in lower case: the host of a Host header or an origin.
std::string HostOf(std::string_view authority);

}  // namespace fulgur

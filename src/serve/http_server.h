// An HTTP/1.1 server: a thread for each connection, limits on everything that a client decides, deadlines that a
// trickle of bytes does not extend.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "serve/http_message.h"

namespace fulgur {

struct HttpServerOptions {
  std::string host = "127.0.0.1";
  int port = 8080;                       // 0: any that is free
  std::string tls_certificate, tls_key;  // PEM files; both empty: no TLS
  HttpLimits limits;
  int64_t max_connections = 1024;    // those beyond are answered with 503 at once
  size_t max_body_memory = 1 << 30;  // of all request bodies together; 503 beyond
  std::chrono::milliseconds handshake_timeout{10'000};
  std::chrono::milliseconds head_timeout{15'000};   // from a request's first byte to the end of its head
  std::chrono::milliseconds body_timeout{120'000};  // for the whole body
  std::chrono::milliseconds idle_timeout{60'000};   // between requests
  std::chrono::milliseconds write_timeout{30'000};  // for each piece of an answer that is written
};

// The answer to one request; used on the connection's thread only.
class HttpExchange {
 public:
  virtual ~HttpExchange() = default;
  virtual void Send(const HttpReply& reply) = 0;
  // A body that comes in pieces. False: the client is gone (or too slow), and nothing that follows will arrive.
  virtual bool Begin(int status, const HttpHeaders& headers) = 0;
  virtual bool Write(std::string_view piece) = 0;
  virtual bool End() = 0;
  // Whether the client is still there.
  virtual bool Connected() = 0;
};

class HttpHandler {
 public:
  virtual ~HttpHandler() = default;
  // The head of a request has come; a reply refuses it before its body is read.
  virtual std::optional<HttpReply> Refuse(const HttpRequest& request) = 0;
  // Answers the request, once. What it throws becomes a 500.
  virtual void Handle(const HttpRequest& request, HttpExchange& exchange) = 0;
  // The reply to what was no acceptable request; `request` has what was understood of it.
  virtual HttpReply Failed(const HttpRequest& request, int status, const std::string& message) = 0;
};

class HttpServer {
 public:
  // Listens, so that clients can connect; they are served once Run is called. Throws Error: address in use, no such
  // host, certificates.
  HttpServer(HttpServerOptions options, HttpHandler& handler);
  ~HttpServer();

  int port() const;
  bool loopback() const;  // nobody outside this machine can connect
  std::string url() const;

  void Run();  // accepts connections until Stop
  // From any thread. Accepts no more, lets requests that are being answered finish, closes all others. Run returns.
  void Stop();
  // After Run has returned: waits for the connections. Those still there at the deadline are cut off.
  void Join(std::chrono::milliseconds timeout);

  int64_t connections() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fulgur

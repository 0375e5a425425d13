#include "serve/http_server.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <cstring>
#include <ctime>
#include <list>
#include <mutex>
#include <thread>

#include "serve/connection.h"

namespace fulgur {
namespace {

using Clock = std::chrono::steady_clock;
using Result = Connection::Result;

std::string AddressText(const sockaddr_storage& address, socklen_t size) {
  char host[NI_MAXHOST];
  if (::getnameinfo(reinterpret_cast<const sockaddr*>(&address), size, host, sizeof host, nullptr, 0, NI_NUMERICHOST) !=
      0) {
    return "unknown";
  }
  return host;
}

bool IsLoopback(const sockaddr_storage& address) {
  if (address.ss_family == AF_INET) {
    return (ntohl(reinterpret_cast<const sockaddr_in&>(address).sin_addr.s_addr) >> 24) == 127;
  }
  if (address.ss_family == AF_INET6)
    return IN6_IS_ADDR_LOOPBACK(&reinterpret_cast<const sockaddr_in6&>(address).sin6_addr);
  return false;
}

std::string HttpDate() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  ::gmtime_r(&now, &utc);
  constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  return fmt::format("{}, {:02} {} {} {:02}:{:02}:{:02} GMT", kDays[utc.tm_wday], utc.tm_mday, kMonths[utc.tm_mon],
                     utc.tm_year + 1900, utc.tm_hour, utc.tm_min, utc.tm_sec);
}

bool MayHaveBody(int status) { return status >= 200 && status != 204 && status != 304; }

}  // namespace

struct HttpServer::Impl {
  Impl(HttpServerOptions given, HttpHandler& handler) : options(std::move(given)), handler(handler) {}
  ~Impl() {
    if (listener >= 0) ::close(listener);
    if (wake >= 0) ::close(wake);
  }

  // A connection's thread, and what others may do to it.
  struct Peer {
    Connection* connection = nullptr;  // under `mutex`; null before and after
    bool idle = true;                  // under `mutex`: no request has begun
    bool finished = false;             // under `mutex`
    std::thread thread;
  };

  void Listen();
  void Accept();
  void Serve(Peer& peer, int socket, const std::string& address);
  void ServeConnection(Peer& peer, Connection& connection, const std::string& address);
  bool ServeRequest(Peer& peer, Connection& connection, const std::string& address, std::string* buffer);
  void ReadBody(Connection& connection, HttpRequest* request, std::string* buffer, size_t* held);
  void Reap();

  HttpServerOptions options;
  HttpHandler& handler;
  std::unique_ptr<TlsContext> tls;
  int listener = -1, wake = -1, port = 0;
  bool loopback = false, ipv6 = false;
  std::atomic<bool> stopping{false};
  std::atomic<size_t> body_memory{0};
  mutable std::mutex mutex;
  std::condition_variable changed;
  std::list<std::unique_ptr<Peer>> peers;
};

namespace {

class Exchange final : public HttpExchange {
 public:
  Exchange(Connection& connection, const HttpRequest& request, const HttpServerOptions& options, bool keep_alive)
      : connection_(connection), request_(request), options_(options), keep_alive_(keep_alive) {}

  void Send(const HttpReply& reply) override {
    HttpHeaders headers = reply.headers;
    AddCommon(&headers);
    if (MayHaveBody(reply.status)) headers.emplace_back("Content-Length", std::to_string(reply.body.size()));
    std::string text = HttpHead(reply.status, headers);
    if (MayHaveBody(reply.status) && request_.method != "HEAD") text += reply.body;
    Out(text);
    begun_ = ended_ = true;
  }

  bool Begin(int status, const HttpHeaders& given) override {
    HttpHeaders headers = given;
    chunked_ = request_.minor_version == 1;
    if (!chunked_) keep_alive_ = false;
    AddCommon(&headers);
    if (chunked_) headers.emplace_back("Transfer-Encoding", "chunked");
    begun_ = true;
    return Out(HttpHead(status, headers));
  }

  bool Write(std::string_view piece) override {
    if (piece.empty() || request_.method == "HEAD") return alive_;
    if (!chunked_) return Out(piece);
    return Out(fmt::format("{:x}\r\n{}\r\n", piece.size(), piece));
  }

  bool End() override {
    ended_ = true;
    return !chunked_ || request_.method == "HEAD" ? alive_ : Out("0\r\n\r\n");
  }

  bool Connected() override {
    alive_ = alive_ && connection_.Open();
    return alive_;
  }

  bool begun() const { return begun_; }
  bool keep_alive() const { return keep_alive_ && alive_ && ended_; }
  bool alive() const { return alive_; }

 private:
  void AddCommon(HttpHeaders* headers) const {
    headers->emplace_back("Date", HttpDate());
    headers->emplace_back("Connection", keep_alive_ ? "keep-alive" : "close");
  }
  bool Out(std::string_view text) {
    alive_ = alive_ && connection_.Write(text, Clock::now() + options_.write_timeout) == Result::kOk;
    return alive_;
  }

  Connection& connection_;
  const HttpRequest& request_;
  const HttpServerOptions& options_;
  bool keep_alive_, chunked_ = false, begun_ = false, ended_ = false, alive_ = true;
};

}  // namespace

void HttpServer::Impl::Listen() {
  if (options.tls_certificate.empty() != options.tls_key.empty()) {
    throw Error("TLS takes both a certificate and a key");
  }
  if (!options.tls_certificate.empty()) tls = std::make_unique<TlsContext>(options.tls_certificate, options.tls_key);
  rlimit descriptors{};  // one a connection, and some for files
  const rlim_t wanted = static_cast<rlim_t>(options.max_connections) + 256;
  if (::getrlimit(RLIMIT_NOFILE, &descriptors) == 0 && descriptors.rlim_cur < wanted) {
    descriptors.rlim_cur = std::min(wanted, descriptors.rlim_max);
    ::setrlimit(RLIMIT_NOFILE, &descriptors);
  }
  std::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes to sockets that may be closed

  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(options.host.c_str(), std::to_string(options.port).c_str(), &hints, &found);
  if (error != 0) throw Error("cannot listen on \"{}\": {}", options.host, ::gai_strerror(error));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(found, ::freeaddrinfo);
  int reason = EADDRNOTAVAIL;
  for (const addrinfo* a = found; a != nullptr; a = a->ai_next) {
    const int fd = ::socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, a->ai_protocol);
    if (fd < 0) {
      reason = errno;
      continue;
    }
    const int one = 1;
    ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (::bind(fd, a->ai_addr, a->ai_addrlen) == 0 && ::listen(fd, 1024) == 0) {
      listener = fd;
      break;
    }
    reason = errno;
    ::close(fd);
  }
  if (listener < 0) throw Error("cannot listen on {} port {}: {}", options.host, options.port, std::strerror(reason));
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
  ipv6 = address.ss_family == AF_INET6;
  port = ntohs(ipv6 ? reinterpret_cast<const sockaddr_in6&>(address).sin6_port
                    : reinterpret_cast<const sockaddr_in&>(address).sin_port);
  loopback = IsLoopback(address);
  wake = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake < 0) throw Error("cannot make an event: {}", std::strerror(errno));
}

// Threads that have ended are joined, and forgotten.
void HttpServer::Impl::Reap() {
  std::list<std::unique_ptr<Peer>> ended;
  {
    const std::lock_guard lock(mutex);
    for (auto it = peers.begin(); it != peers.end();) {
      const auto next = std::next(it);
      if ((*it)->finished) ended.splice(ended.end(), peers, it);
      it = next;
    }
  }
  for (const auto& peer : ended) peer->thread.join();
}

void HttpServer::Impl::Accept() {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  const int socket = ::accept4(listener, reinterpret_cast<sockaddr*>(&address), &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (socket < 0) {
    // Out of descriptors or memory: what is being served has to end first.
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return;
  }
  const int one = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  Reap();
  auto peer = std::make_unique<Peer>();
  Peer* const raw = peer.get();
  bool full = false;
  {
    const std::lock_guard lock(mutex);
    full = static_cast<int64_t>(peers.size()) >= options.max_connections;
    if (!full) peers.push_back(std::move(peer));
  }
  const auto refuse = [&] {
    if (!tls) {
      HttpReply reply = handler.Failed(HttpRequest{}, 503, "too many connections; try again later");
      reply.headers.emplace_back("Retry-After", "1");
      reply.headers.emplace_back("Connection", "close");
      reply.headers.emplace_back("Content-Length", std::to_string(reply.body.size()));
      const std::string text = HttpHead(503, reply.headers) + reply.body;
      [[maybe_unused]] const ssize_t sent = ::send(socket, text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    ::close(socket);
  };
  if (full) return refuse();
  try {
    const std::lock_guard lock(mutex);
    raw->thread = std::thread([this, raw, socket, from = AddressText(address, size)] { Serve(*raw, socket, from); });
  } catch (const std::system_error&) {  // no more threads
    const std::lock_guard lock(mutex);
    peers.remove_if([&](const auto& other) { return other.get() == raw; });
    refuse();
  }
}

void HttpServer::Impl::Serve(Peer& peer, int socket, const std::string& address) {
  {
    Connection connection(socket, tls.get());
    {
      const std::lock_guard lock(mutex);
      peer.connection = &connection;
    }
    try {
      ServeConnection(peer, connection, address);
    } catch (const std::exception&) {  // out of memory, say: this connection ends, others go on
    }
    const std::lock_guard lock(mutex);
    peer.connection = nullptr;
  }
  const std::lock_guard lock(mutex);
  peer.finished = true;
  changed.notify_all();
}

void HttpServer::Impl::ServeConnection(Peer& peer, Connection& connection, const std::string& address) {
  if (connection.Handshake(Clock::now() + options.handshake_timeout) != Result::kOk) return;
  std::string buffer;  // read and not yet used
  while (ServeRequest(peer, connection, address, &buffer)) {
  }
}

void HttpServer::Impl::ReadBody(Connection& connection, HttpRequest* request, std::string* buffer, size_t* held) {
  const Clock::time_point deadline = Clock::now() + options.body_timeout;
  const auto more = [&] {
    const Result result = connection.Read(buffer, 16384, deadline);
    if (result == Result::kTimeout) throw HttpError(408, "the body did not come in time");
    if (result == Result::kClosed) throw HttpError(400, "the body is shorter than announced");
  };
  // Memory is taken as bytes come, so that an announcement alone costs nothing.
  const auto take = [&](size_t bytes) {
    if (body_memory.fetch_add(bytes) + bytes > options.max_body_memory) {
      *held += bytes;
      throw HttpError(503, "too many large requests at a time; try again later");
    }
    *held += bytes;
    request->body.append(*buffer, 0, bytes);
    buffer->erase(0, bytes);
  };
  const auto take_exactly = [&](uint64_t bytes) {
    while (bytes > 0) {
      if (buffer->empty()) more();
      const size_t n = static_cast<size_t>(std::min<uint64_t>(bytes, buffer->size()));
      take(n);
      bytes -= n;
    }
  };
  if (!request->chunked) return take_exactly(request->content_length);

  constexpr size_t kLongestLine = 1024, kMostTrailers = 8192;
  const auto line = [&] {
    size_t end;
    while ((end = buffer->find("\r\n")) == std::string::npos) {
      if (buffer->size() > kLongestLine) throw HttpError(400, "a line between chunks is too long");
      more();
    }
    std::string text = buffer->substr(0, end);
    buffer->erase(0, end + 2);
    return text;
  };
  while (const uint64_t size = ParseChunkSize(line())) {
    if (size > options.limits.body - request->body.size()) {
      throw HttpError(413, fmt::format("the body has more than {} bytes", options.limits.body));
    }
    take_exactly(size);
    if (!line().empty()) throw HttpError(400, "a chunk is longer than its size");
  }
  size_t trailers = 0;
  for (std::string text = line(); !text.empty(); text = line()) {
    trailers += text.size() + 2;
    if (trailers > kMostTrailers) throw HttpError(431, "the trailers are too long");
  }
}

// One request; true if the connection is good for another.
bool HttpServer::Impl::ServeRequest(Peer& peer, Connection& connection, const std::string& address,
                                    std::string* buffer) {
  const auto set_idle = [&](bool idle) {
    const std::lock_guard lock(mutex);
    peer.idle = idle;
    return !(idle && stopping);
  };
  if (!set_idle(true)) return false;
  // Empty lines before a request are let pass (RFC 9112, 2.2).
  const auto skip_empty = [&] {
    while (buffer->compare(0, 2, "\r\n") == 0) buffer->erase(0, 2);
  };
  skip_empty();
  if (buffer->empty() && connection.Read(buffer, 16384, Clock::now() + options.idle_timeout) != Result::kOk)
    return false;
  set_idle(false);
  const Clock::time_point head_deadline = Clock::now() + options.head_timeout;

  HttpRequest request;
  request.peer = address;
  size_t held = 0;
  struct Release {
    std::atomic<size_t>& memory;
    size_t& held;
    ~Release() { memory -= held; }
  } release{body_memory, held};
  try {
    size_t end;
    for (size_t from = 0;; from = buffer->size() < 3 ? 0 : buffer->size() - 3) {
      if (from == 0) skip_empty();
      end = buffer->find("\r\n\r\n", from);
      if (end != std::string::npos) break;
      if (buffer->size() >= options.limits.head) {
        const bool first_line = buffer->find("\r\n") == std::string::npos;
        throw HttpError(first_line ? 414 : 431, fmt::format("the head has more than {} bytes", options.limits.head));
      }
      const Result result = connection.Read(buffer, options.limits.head - buffer->size(), head_deadline);
      if (result == Result::kTimeout) throw HttpError(408, "the request did not come in time");
      if (result == Result::kClosed) return false;
    }
    const std::string head = buffer->substr(0, end + 4);
    buffer->erase(0, end + 4);
    request = ParseHttpHead(head, options.limits);
    request.peer = address;

    const bool body_to_come = request.chunked || request.content_length > 0;
    if (const std::optional<HttpReply> refusal = handler.Refuse(request)) {
      Exchange exchange(connection, request, options, request.keep_alive && !body_to_come && !stopping);
      exchange.Send(*refusal);
      if (body_to_come) connection.Linger(Clock::now() + std::chrono::seconds(2));
      return exchange.keep_alive();
    }
    if (body_to_come && request.expects_continue && buffer->empty() &&
        connection.Write("HTTP/1.1 100 Continue\r\n\r\n", Clock::now() + options.write_timeout) != Result::kOk) {
      return false;
    }
    if (body_to_come) ReadBody(connection, &request, buffer, &held);
  } catch (const HttpError& e) {
    Exchange exchange(connection, request, options, /*keep_alive=*/false);
    exchange.Send(handler.Failed(request, e.status(), e.what()));
    connection.Linger(Clock::now() + std::chrono::seconds(2));
    return false;
  }

  Exchange exchange(connection, request, options, request.keep_alive && !stopping);
  try {
    handler.Handle(request, exchange);
    if (!exchange.begun()) throw Error("nothing was answered");
  } catch (const std::exception& e) {
    if (exchange.begun()) return false;  // the client sees that the body is cut off
    exchange.Send(handler.Failed(request, 500, e.what()));
  }
  return exchange.keep_alive();
}

HttpServer::HttpServer(HttpServerOptions options, HttpHandler& handler)
    : impl_(std::make_unique<Impl>(std::move(options), handler)) {
  impl_->Listen();
}

HttpServer::~HttpServer() {
  Stop();
  Join(std::chrono::milliseconds(0));
}

int HttpServer::port() const { return impl_->port; }
bool HttpServer::loopback() const { return impl_->loopback; }

std::string HttpServer::url() const {
  const std::string& host = impl_->options.host;
  const bool bracket = host.find(':') != std::string::npos;
  return fmt::format("{}://{}{}{}:{}", impl_->tls ? "https" : "http", bracket ? "[" : "", host, bracket ? "]" : "",
                     impl_->port);
}

void HttpServer::Run() {
  while (!impl_->stopping) {
    pollfd entries[2] = {{impl_->listener, POLLIN, 0}, {impl_->wake, POLLIN, 0}};
    if (::poll(entries, 2, 5000) > 0 && (entries[0].revents & POLLIN) != 0 && !impl_->stopping) impl_->Accept();
    if (entries[0].revents == 0) impl_->Reap();
  }
  ::close(impl_->listener);  // who connects now is refused
  impl_->listener = -1;
}

void HttpServer::Stop() {
  if (impl_->stopping.exchange(true)) return;
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(impl_->wake, &one, sizeof one);
  const std::lock_guard lock(impl_->mutex);
  for (const auto& peer : impl_->peers) {
    if (peer->idle && peer->connection != nullptr) peer->connection->Shutdown();
  }
}

void HttpServer::Join(std::chrono::milliseconds timeout) {
  {
    std::unique_lock lock(impl_->mutex);
    const auto all_finished = [&] {
      for (const auto& peer : impl_->peers) {
        if (!peer->finished) return false;
      }
      return true;
    };
    impl_->changed.wait_for(lock, timeout, all_finished);
    for (const auto& peer : impl_->peers) {
      if (peer->connection != nullptr) peer->connection->Shutdown();
    }
    impl_->changed.wait(lock, all_finished);
  }
  impl_->Reap();
}

int64_t HttpServer::connections() const {
  const std::lock_guard lock(impl_->mutex);
  int64_t count = 0;
  for (const auto& peer : impl_->peers) count += !peer->finished;
  return count;
}

}  // namespace fulgur

#include "serve/connection.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/error.h"

namespace fulgur {

struct TlsContext::Impl {
  SSL_CTX* context = nullptr;
  ~Impl() { SSL_CTX_free(context); }
};

namespace {

std::string TlsError() {
  const unsigned long code = ERR_peek_last_error();
  ERR_clear_error();
  if (code == 0) return "unknown error";
  const char* reason = ERR_reason_error_string(code);
  return reason == nullptr ? fmt::format("error {:x}", code) : std::string(reason);
}

}  // namespace

TlsContext::TlsContext(const std::string& certificate_file, const std::string& key_file)
    : impl_(std::make_unique<Impl>()) {
  impl_->context = SSL_CTX_new(TLS_server_method());
  if (impl_->context == nullptr) throw Error("TLS cannot be set up: {}", TlsError());
  SSL_CTX_set_min_proto_version(impl_->context, TLS1_2_VERSION);
  SSL_CTX_set_mode(impl_->context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_options(impl_->context, SSL_OP_NO_RENEGOTIATION);
  if (SSL_CTX_use_certificate_chain_file(impl_->context, certificate_file.c_str()) != 1) {
    throw Error("{}: not a certificate in PEM form: {}", certificate_file, TlsError());
  }
  if (SSL_CTX_use_PrivateKey_file(impl_->context, key_file.c_str(), SSL_FILETYPE_PEM) != 1) {
    throw Error("{}: not a private key in PEM form for that certificate: {}", key_file, TlsError());
  }
}

TlsContext::~TlsContext() = default;

struct Connection::Tls {
  explicit Tls(SSL_CTX* context) : ssl(SSL_new(context)) {}
  ~Tls() { SSL_free(ssl); }
  SSL* ssl;
  bool broken = false;  // nothing may be called any more
};

Connection::Connection(int socket, const TlsContext* tls) : socket_(socket) {
  if (tls == nullptr) return;
  tls_ = std::make_unique<Tls>(tls->impl_->context);
  if (tls_->ssl == nullptr || SSL_set_fd(tls_->ssl, socket) != 1) tls_->broken = true;
}

Connection::~Connection() {
  if (tls_ && !tls_->broken && SSL_is_init_finished(tls_->ssl)) SSL_shutdown(tls_->ssl);
  tls_.reset();
  ::close(socket_);
}

bool Connection::Wait(short events, Deadline deadline) const {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
    if (left <= 0) return false;
    pollfd entry{socket_, events, 0};
    const int n = ::poll(&entry, 1, static_cast<int>(std::min<int64_t>(left, 60'000)));
    if (n > 0) return true;
    if (n < 0 && errno != EINTR) return false;
  }
}

// operation: a call of OpenSSL that returns like SSL_read_ex.
template <typename Operation>
Connection::Result Connection::Run(Operation operation, size_t* moved, Deadline deadline) {
  while (!tls_->broken) {
    ERR_clear_error();
    const int result = operation(moved);
    if (result == 1) return Result::kOk;
    switch (SSL_get_error(tls_->ssl, result)) {
      case SSL_ERROR_WANT_READ:
        if (!Wait(POLLIN, deadline)) return Result::kTimeout;
        break;
      case SSL_ERROR_WANT_WRITE:
        if (!Wait(POLLOUT, deadline)) return Result::kTimeout;
        break;
      case SSL_ERROR_ZERO_RETURN:
        return Result::kClosed;
      default:
        tls_->broken = true;
        break;
    }
  }
  return Result::kClosed;
}

Connection::Result Connection::Handshake(Deadline deadline) {
  if (!tls_) return Result::kOk;
  size_t unused = 0;
  return Run([&](size_t*) { return SSL_accept(tls_->ssl); }, &unused, deadline);
}

Connection::Result Connection::Read(std::string* data, size_t most, Deadline deadline) {
  char buffer[16384];
  const size_t size = std::min(most, sizeof buffer);
  if (tls_) {
    size_t n = 0;
    const Result result = Run([&](size_t* moved) { return SSL_read_ex(tls_->ssl, buffer, size, moved); }, &n, deadline);
    data->append(buffer, n);
    return result;
  }
  for (;;) {
    const ssize_t n = ::recv(socket_, buffer, size, MSG_DONTWAIT);
    if (n > 0) {
      data->append(buffer, static_cast<size_t>(n));
      return Result::kOk;
    }
    if (n == 0) return Result::kClosed;
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) return Result::kClosed;
    if (!Wait(POLLIN, deadline)) return Result::kTimeout;
  }
}

Connection::Result Connection::Write(std::string_view data, Deadline deadline) {
  while (!data.empty()) {
    size_t written = 0;
    if (tls_) {
      const Result result = Run([&](size_t* moved) { return SSL_write_ex(tls_->ssl, data.data(), data.size(), moved); },
                                &written, deadline);
      if (result != Result::kOk) return result;
    } else {
      const ssize_t n = ::send(socket_, data.data(), data.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK) return Result::kClosed;
      if (n < 0 && !Wait(POLLOUT, deadline)) return Result::kTimeout;
      written = n > 0 ? static_cast<size_t>(n) : 0;
    }
    data.remove_prefix(written);
  }
  return Result::kOk;
}

bool Connection::Open() {
  if (tls_) {
    if (tls_->broken) return false;
    char byte;
    ERR_clear_error();
    const int n = SSL_peek(tls_->ssl, &byte, 1);
    if (n > 0) return true;
    const int error = SSL_get_error(tls_->ssl, n);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return true;
    if (error != SSL_ERROR_ZERO_RETURN) tls_->broken = true;
    return false;
  }
  for (;;) {
    char byte;
    const ssize_t n = ::recv(socket_, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (n > 0) return true;
    if (n == 0) return false;
    if (errno != EINTR) return errno == EAGAIN || errno == EWOULDBLOCK;
  }
}

void Connection::Linger(Deadline deadline) {
  if (tls_) {
    if (tls_->broken || !SSL_is_init_finished(tls_->ssl)) return;
    SSL_shutdown(tls_->ssl);
    tls_->broken = true;
  }
  ::shutdown(socket_, SHUT_WR);
  char buffer[16384];
  for (;;) {
    const ssize_t n = ::recv(socket_, buffer, sizeof buffer, MSG_DONTWAIT);
    if (n == 0) return;
    if (n > 0) {
      if (std::chrono::steady_clock::now() >= deadline) return;
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      if (!Wait(POLLIN, deadline)) return;
    } else if (errno != EINTR) {
      return;
    }
  }
}

void Connection::Shutdown() { ::shutdown(socket_, SHUT_RDWR); }

}  // namespace fulgur

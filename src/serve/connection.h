// One accepted connection, plain or TLS: reads and writes with deadlines.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace fulgur {

// Certificate and private key of a server.
class TlsContext {
 public:
  // PEM files; the certificate may be followed by its chain. Throws Error naming the file.
  TlsContext(const std::string& certificate_file, const std::string& key_file);
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

 private:
  friend class Connection;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

class Connection {
 public:
  using Deadline = std::chrono::steady_clock::time_point;
  enum class Result { kOk, kClosed, kTimeout };  // kClosed: by the other side, or broken

  // Takes the socket over. tls: null for a plain connection.
  Connection(int socket, const TlsContext* tls);
  ~Connection();  // closes
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  Result Handshake(Deadline deadline);  // nothing to do on a plain connection
  // At least one byte, appended to *data, at most `most`.
  Result Read(std::string* data, size_t most, Deadline deadline);
  Result Write(std::string_view data, Deadline deadline);  // all of it
  // False once the other side has closed or the connection is broken. Does not wait.
  bool Open();
  // Says that nothing more will be written, and reads and drops what still comes, up to the deadline: an answer that
  // was written before the other side had finished is then not lost.
  void Linger(Deadline deadline);
  // From any thread: ends reads and writes that wait, and all further ones.
  void Shutdown();

 private:
  struct Tls;
  bool Wait(short events, Deadline deadline) const;
  template <typename Operation>
  Result Run(Operation operation, size_t* moved, Deadline deadline);

  int socket_;
  std::unique_ptr<Tls> tls_;
};

}  // namespace fulgur

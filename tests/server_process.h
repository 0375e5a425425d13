// A running `fulgur serve` for tests.
#pragma once

#include <string>
#include <vector>

namespace fulgur {

class ServerProcess {
 public:
  // `fulgur serve MODEL --port 0 args...`; returns once it listens. Throws Error with what it wrote if it ends instead.
  explicit ServerProcess(const std::vector<std::string>& args = {}, const std::string& model = "");
  ~ServerProcess();  // kills it
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  const std::string& url() const { return url_; }
  int port() const { return port_; }
  int pid() const { return pid_; }
  void Signal(int signal) const;
  int Wait();               // for its end; the exit status, 128 + n if it died of signal n
  std::string Log() const;  // its standard error so far
  int64_t ResidentKilobytes() const;

 private:
  int pid_ = -1, port_ = 0, out_ = -1;
  std::string url_, log_path_;
};

// A connection of its own, byte by byte.
class RawConnection {
 public:
  explicit RawConnection(int port);
  ~RawConnection();
  RawConnection(const RawConnection&) = delete;
  RawConnection& operator=(const RawConnection&) = delete;
  bool Send(const std::string& bytes);  // false: the server has closed
  // Until the server closes, or `until` has come, or so many seconds have passed.
  std::string Read(double seconds, const std::string& until = "");
  void Close();

 private:
  int fd_ = -1;
};

}  // namespace fulgur

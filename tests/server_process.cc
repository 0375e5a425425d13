#include "tests/server_process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "base/file.h"

namespace fulgur {

ServerProcess::ServerProcess(const std::vector<std::string>& args, const std::string& model) {
  std::string log = (std::filesystem::temp_directory_path() / "fulgur-serve-XXXXXX").string();
  const int err = ::mkstemp(log.data());
  int out[2];
  if (err < 0 || ::pipe2(out, O_CLOEXEC) != 0) throw Error("cannot make files for the server's output");
  log_path_ = log;
  std::vector<std::string> all = {"fulgur", "serve", model.empty() ? FULGUR_SOURCE_DIR "/models/nano" : model, "--port",
                                  "0"};
  all.insert(all.end(), args.begin(), args.end());
  std::vector<char*> argv;
  for (std::string& arg : all) argv.push_back(arg.data());
  argv.push_back(nullptr);
  pid_ = ::fork();
  if (pid_ == 0) {
    ::dup2(out[1], 1);
    ::dup2(err, 2);
    ::execv(FULGUR_BINARY, argv.data());
    ::_exit(127);
  }
  ::close(out[1]);
  ::close(err);
  out_ = out[0];
  std::string text;
  char buffer[1024];
  while (text.find('\n') == std::string::npos) {
    const ssize_t n = ::read(out_, buffer, sizeof buffer);
    if (n <= 0) {
      const std::string why = Log();
      Wait();
      throw Error("{}", why);
    }
    text.append(buffer, static_cast<size_t>(n));
  }
  const size_t begin = text.find("http");
  url_ = text.substr(begin, text.find(' ', begin) - begin);
  port_ = std::stoi(url_.substr(url_.rfind(':') + 1));
}

ServerProcess::~ServerProcess() {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    Wait();
  }
  ::close(out_);
  std::error_code ignored;
  std::filesystem::remove(log_path_, ignored);
}

void ServerProcess::Signal(int signal) const { ::kill(pid_, signal); }

int ServerProcess::Wait() {
  int status = 0;
  ::waitpid(pid_, &status, 0);
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

std::string ServerProcess::Log() const { return ReadFile(log_path_); }

int64_t ServerProcess::ResidentKilobytes() const {
  std::ifstream status("/proc/" + std::to_string(pid_) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmRSS:")) return std::atoll(line.c_str() + 6);
  }
  return 0;
}

RawConnection::RawConnection(int port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) throw Error("cannot connect");
}

RawConnection::~RawConnection() { Close(); }

void RawConnection::Close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

bool RawConnection::Send(const std::string& bytes) {
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t n = ::send(fd_, bytes.data() + done, bytes.size() - done, MSG_NOSIGNAL);
    if (n <= 0) return false;
    done += static_cast<size_t>(n);
  }
  return true;
}

std::string RawConnection::Read(double seconds, const std::string& until) {
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + std::chrono::milliseconds(static_cast<int64_t>(1000 * seconds));
  std::string text;
  char buffer[16384];
  while (until.empty() || text.find(until) == std::string::npos) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now()).count();
    pollfd entry{fd_, POLLIN, 0};
    if (left <= 0 || ::poll(&entry, 1, static_cast<int>(left)) <= 0) break;
    const ssize_t n = ::recv(fd_, buffer, sizeof buffer, 0);
    if (n <= 0) break;
    text.append(buffer, static_cast<size_t>(n));
  }
  return text;
}

}  // namespace fulgur

#include "tests/pseudo_terminal.h"

#include <poll.h>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <regex>

#include "base/error.h"

namespace fulgur {
namespace {

constexpr std::chrono::seconds kPatience{60};

}  // namespace

PseudoTerminal::PseudoTerminal(const std::vector<std::string>& args, const std::filesystem::path& home, int columns) {
  std::vector<char*> argv{const_cast<char*>("fulgur")};
  for (const std::string& arg : args) argv.push_back(const_cast<char*>(arg.c_str()));
  argv.push_back(nullptr);
  winsize size{};
  size.ws_row = 50;
  size.ws_col = static_cast<unsigned short>(columns);
  child_ = ::forkpty(&fd_, nullptr, nullptr, &size);
  if (child_ < 0) throw Error("cannot make a pseudo-terminal");
  if (child_ == 0) {
    ::setenv("HOME", home.c_str(), 1);
    ::setenv("XDG_STATE_HOME", home.c_str(), 1);
    ::setenv("TERM", "xterm", 1);
    ::setenv("LC_ALL", "C.UTF-8", 1);
    ::unsetenv("NO_COLOR");
    ::execv(FULGUR_BINARY, argv.data());
    ::_exit(127);
  }
}

PseudoTerminal::~PseudoTerminal() {
  ::close(fd_);
  if (child_ > 0) {
    ::kill(child_, SIGKILL);
    ::waitpid(child_, nullptr, 0);
  }
}

void PseudoTerminal::Type(const std::string& keys) {
  for (size_t done = 0; done < keys.size();) {
    const ssize_t n = ::write(fd_, keys.data() + done, keys.size() - done);
    if (n <= 0) throw Error("the terminal takes no keys");
    done += static_cast<size_t>(n);
  }
}

bool PseudoTerminal::ReadMore() {
  pollfd wait{fd_, POLLIN, 0};
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (::poll(&wait, 1, 1000) <= 0) {
    if (std::chrono::steady_clock::now() > end) throw Error("nothing more came: {}", seen_);
  }
  char buffer[4096];
  const ssize_t n = ::read(fd_, buffer, sizeof buffer);
  if (n <= 0) return false;
  seen_.append(buffer, static_cast<size_t>(n));
  return true;
}

std::string PseudoTerminal::Until(const std::string& text) {
  size_t at;
  while ((at = seen_.find(text)) == std::string::npos) {
    if (!ReadMore()) throw Error("the program ended without \"{}\": {}", text, seen_);
  }
  std::string out = seen_.substr(0, at + text.size());
  seen_.erase(0, at + text.size());
  return out;
}

std::string PseudoTerminal::Next(size_t bytes) {
  while (seen_.size() < bytes) {
    if (!ReadMore()) throw Error("the program ended: {}", seen_);
  }
  std::string out = seen_.substr(0, bytes);
  seen_.erase(0, bytes);
  return out;
}

std::string PseudoTerminal::Rest() {
  while (ReadMore()) {
  }
  ::waitpid(child_, nullptr, 0);
  child_ = -1;
  return std::move(seen_);
}

std::string PlainText(const std::string& output) {
  static const std::regex kEscape("\033\\[[0-9;?]*[A-Za-z]|\033[()][A-Z0-9]|\r");
  return std::regex_replace(output, kEscape, "");
}

}  // namespace fulgur

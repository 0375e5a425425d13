#include "train/run_info.h"

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <fstream>

#include "base/error.h"

namespace fulgur {
namespace {

// The output of a command; empty if it fails.
std::string OutputOf(const char* command) {
  std::FILE* pipe = ::popen(command, "r");
  if (pipe == nullptr) return "";
  std::string out;
  char buffer[4096];
  for (size_t n; (n = std::fread(buffer, 1, sizeof(buffer), pipe)) > 0;) out.append(buffer, n);
  return ::pclose(pipe) == 0 ? out : "";
}

std::string FirstLine(const std::string& text) { return text.substr(0, text.find('\n')); }

}  // namespace

Json GitState() {
  const std::string commit = FirstLine(OutputOf("git rev-parse HEAD 2> /dev/null"));
  if (commit.empty()) return {};
  return {{"commit", commit},
          {"branch", FirstLine(OutputOf("git rev-parse --abbrev-ref HEAD 2> /dev/null"))},
          {"dirty", !OutputOf("git status --porcelain --untracked-files=no 2> /dev/null").empty()}};
}

std::string GitDiff() { return OutputOf("git diff HEAD 2> /dev/null"); }

Json MachineState(int threads) {
  std::string processor;
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (!line.starts_with("model name")) continue;
    const size_t colon = line.find(": ");
    if (colon != std::string::npos) processor = line.substr(colon + 2);
    break;
  }
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return {{"time", std::chrono::duration<double>(now).count()}, {"processor", processor}, {"threads", threads}};
}

Json MemoryJson() {
  Json json = Json::object();
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    long long kilobytes = 0;
    if (std::sscanf(line.c_str(), "VmRSS: %lld kB", &kilobytes) == 1) json["resident"] = 1024 * kilobytes;
    if (std::sscanf(line.c_str(), "VmHWM: %lld kB", &kilobytes) == 1) json["peak"] = 1024 * kilobytes;
  }
  return json;
}

void AppendJsonLine(const std::filesystem::path& path, const Json& line) {
  std::FILE* file = std::fopen(path.c_str(), "a");
  if (file == nullptr) throw Error("cannot write {}", path.string());
  const std::string text = line.dump() + "\n";
  const bool good = std::fwrite(text.data(), 1, text.size(), file) == text.size();
  if ((std::fclose(file) == 0 && good) == false) throw Error("cannot write {}", path.string());
}

}  // namespace fulgur

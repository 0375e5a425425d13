#include "tests/command.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <memory>

#include "base/error.h"
#include "base/file.h"

namespace fulgur {
namespace {

struct Closer {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

std::unique_ptr<std::FILE, Closer> TemporaryFile(const std::string& content = "") {
  std::unique_ptr<std::FILE, Closer> file(std::tmpfile());
  if (!file) throw Error("cannot make a temporary file");
  std::fwrite(content.data(), 1, content.size(), file.get());
  std::rewind(file.get());
  return file;
}

std::string Content(std::FILE* file) {
  std::rewind(file);
  std::string content;
  char buffer[4096];
  while (const size_t n = std::fread(buffer, 1, sizeof buffer, file)) content.append(buffer, n);
  return content;
}

}  // namespace

CommandResult RunFulgur(const std::vector<std::string>& args, const std::string& input, const std::string& folder) {
  const auto in = TemporaryFile(input), out = TemporaryFile(), err = TemporaryFile();
  std::vector<char*> argv{const_cast<char*>("fulgur")};
  for (const std::string& arg : args) argv.push_back(const_cast<char*>(arg.c_str()));
  argv.push_back(nullptr);

  const pid_t child = ::fork();
  if (child < 0) throw Error("cannot fork");
  if (child == 0) {
    if (::chdir(folder.c_str()) == 0 && ::dup2(::fileno(in.get()), 0) >= 0 && ::dup2(::fileno(out.get()), 1) >= 0 &&
        ::dup2(::fileno(err.get()), 2) >= 0) {
      ::execv(FULGUR_BINARY, argv.data());
    }
    ::_exit(127);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), Content(out.get()), Content(err.get())};
}

}  // namespace fulgur

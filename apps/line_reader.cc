#include "apps/line_reader.h"

#include <histedit.h>
#include <langinfo.h>

#include <cerrno>
#include <clocale>
#include <cstdlib>
#include <cstring>

#include "base/error.h"

namespace fulgur {

struct LineReader::Impl {
  EditLine* line = nullptr;
  History* history = nullptr;
  std::filesystem::path file;
  std::string prompt;
};

namespace {

const char* Prompt(EditLine* line) {
  void* prompt = nullptr;
  el_get(line, EL_CLIENTDATA, &prompt);
  return static_cast<const std::string*>(prompt)->c_str();
}

}  // namespace

LineReader::LineReader(const std::filesystem::path& history) : impl_(std::make_unique<Impl>()) {
  // Characters of several bytes are edited as one. Numbers keep their English spelling.
  std::setlocale(LC_CTYPE, "");
  if (std::strcmp(nl_langinfo(CODESET), "UTF-8") != 0) std::setlocale(LC_CTYPE, "C.UTF-8");

  impl_->line = el_init("fulgur", stdin, stdout, stderr);
  impl_->history = history_init();
  if (impl_->line == nullptr || impl_->history == nullptr)
    throw Error("the terminal cannot be set up for line editing");
  HistEvent event;
  ::history(impl_->history, &event, H_SETSIZE, 1000);
  ::history(impl_->history, &event, H_SETUNIQUE, 1);
  if (!history.empty()) {
    std::error_code failed;
    std::filesystem::create_directories(history.parent_path(), failed);
    if (!failed) impl_->file = history;
    ::history(impl_->history, &event, H_LOAD, history.c_str());
  }
  el_set(impl_->line, EL_CLIENTDATA, &impl_->prompt);
  el_set(impl_->line, EL_PROMPT, Prompt);
  el_set(impl_->line, EL_EDITOR, "emacs");
  el_set(impl_->line, EL_SIGNAL, 1);  // a new size, Ctrl-Z and fg: the line is drawn anew
  el_set(impl_->line, EL_HIST, ::history, impl_->history);
  el_set(impl_->line, EL_BIND, "^R", "em-inc-search-prev", nullptr);
  el_source(impl_->line, nullptr);  // the user's ~/.editrc
}

LineReader::~LineReader() {
  history_end(impl_->history);
  el_end(impl_->line);
}

std::optional<std::string> LineReader::Read(const std::string& prompt, bool* interrupted) {
  *interrupted = false;
  impl_->prompt = prompt;
  el_resize(impl_->line);
  int length = 0;
  errno = 0;
  const char* text = el_gets(impl_->line, &length);
  if (text == nullptr || length <= 0) {
    *interrupted = length < 0 && errno == EINTR;
    if (*interrupted) el_reset(impl_->line);
    return std::nullopt;
  }
  std::string line(text, static_cast<size_t>(length));
  if (!line.empty() && line.back() == '\n') line.pop_back();
  if (line.find_first_not_of(" \t") != std::string::npos) {
    HistEvent event;
    ::history(impl_->history, &event, H_ENTER, line.c_str());
    if (!impl_->file.empty()) ::history(impl_->history, &event, H_SAVE, impl_->file.c_str());
  }
  return line;
}

std::filesystem::path HistoryPath() {
  if (const char* state = std::getenv("XDG_STATE_HOME"); state != nullptr && *state != '\0') {
    return std::filesystem::path(state) / "fulgur" / "history";
  }
  if (const char* home = std::getenv("HOME"); home != nullptr && *home != '\0') {
    return std::filesystem::path(home) / ".local" / "state" / "fulgur" / "history";
  }
  return {};
}

}  // namespace fulgur

#include "apps/line_reader.h"

#include <fcntl.h>
#include <histedit.h>
#include <langinfo.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <clocale>
#include <cstdlib>
#include <cstring>

#include "base/error.h"

namespace fulgur {
namespace {

// ---- the history's file, in libedit's format: a first line that names it, then an entry a line, with what would break
// a line as an octal escape

constexpr std::string_view kHistoryHead = "_HiStOrY_V2_\n";
constexpr size_t kMostEntries = 1000;

std::string HistoryEntry(std::string_view line) {
  std::string out;
  for (const char c : line) {
    const unsigned char byte = static_cast<unsigned char>(c);
    if (byte <= 0x20 || byte == 0x7f || c == '\\') {
      out += fmt::format("\\{:03o}", byte);
    } else {
      out += c;
    }
  }
  return out + "\n";
}

// The file, open and locked against the other programs that use it; none if that cannot be.
class HistoryFile {
 public:
  explicit HistoryFile(const std::filesystem::path& path)
      : fd_(::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600)) {
    if (fd_ >= 0) ::flock(fd_, LOCK_EX);
  }
  ~HistoryFile() {
    if (fd_ >= 0) ::close(fd_);  // and with it the lock
  }
  HistoryFile(const HistoryFile&) = delete;
  HistoryFile& operator=(const HistoryFile&) = delete;

  void Append(std::string_view line) {
    if (fd_ < 0) return;
    const bool fresh = ::lseek(fd_, 0, SEEK_END) == 0;
    Write((fresh ? std::string(kHistoryHead) : std::string()) + HistoryEntry(line));
  }

  // Drops the oldest entries if there are many more than are loaded.
  void Trim() {
    std::string content;
    char buffer[1 << 16];
    for (ssize_t n; fd_ >= 0 && (n = ::pread(fd_, buffer, sizeof buffer, static_cast<off_t>(content.size()))) > 0;) {
      content.append(buffer, static_cast<size_t>(n));
    }
    if (!content.starts_with(kHistoryHead)) return;
    const auto lines = static_cast<size_t>(std::count(content.begin(), content.end(), '\n'));
    if (lines < 2 * kMostEntries) return;
    size_t begin = content.size() - 1;
    for (size_t i = 0; i < kMostEntries; ++i) begin = content.rfind('\n', begin - 1);
    const std::string kept = std::string(kHistoryHead) + content.substr(begin + 1);
    if (::ftruncate(fd_, 0) == 0) Write(kept);
  }

 private:
  void Write(std::string_view text) {
    while (!text.empty()) {
      const ssize_t n = ::write(fd_, text.data(), text.size());
      if (n <= 0) return;  // the history is not worth a failure
      text.remove_prefix(static_cast<size_t>(n));
    }
  }

  int fd_;
};

// ---- paste

// Between these a terminal that was asked to puts what is pasted (xterm's "bracketed paste").
constexpr const char* kPasteBegin = "\033[200~";
constexpr std::wstring_view kPasteEnd = L"\033[201~";

bool ObeysEscapes() {
  const char* term = std::getenv("TERM");
  return isatty(STDOUT_FILENO) != 0 && term != nullptr && std::strcmp(term, "dumb") != 0;
}

void AskForBrackets(bool on) {
  if (!ObeysEscapes()) return;
  const std::string_view text = on ? "\033[?2004h" : "\033[?2004l";
  std::fflush(stdout);
  [[maybe_unused]] const ssize_t n = ::write(STDOUT_FILENO, text.data(), text.size());
}

bool IsVi(EditLine* line) {
  const char* editor = nullptr;
  return el_get(line, EL_EDITOR, &editor) == 0 && editor != nullptr && std::strcmp(editor, "vi") == 0;
}

// Bound to kPasteBegin: everything up to kPasteEnd goes into the line as text.
unsigned char Paste(EditLine* line, int /*key*/) {
  std::wstring text;
  wchar_t c = 0;
  while (!text.ends_with(kPasteEnd)) {
    if (el_wgetc(line, &c) != 1) return CC_REFRESH;  // end of input, or a signal
    text += c;
  }
  text.resize(text.size() - kPasteEnd.size());
  std::wstring plain;  // line breaks as \n, no other control characters than tabs
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == L'\r' && i + 1 < text.size() && text[i + 1] == L'\n') continue;
    if (text[i] == L'\r' || text[i] == L'\n') plain += L'\n';
    if (text[i] == L'\t' || (text[i] >= L' ' && text[i] != 0x7f)) plain += text[i];
  }
  while (!plain.empty() && plain.back() == L'\n') plain.pop_back();
  if (plain.empty()) return CC_REFRESH;
  if (IsVi(line)) el_cursor(line, 1);  // the escape before it has moved it to the left
  return el_winsertstr(line, plain.c_str()) == 0 ? CC_REFRESH : CC_ERROR;
}

void BindPaste(EditLine* line) {
  el_set(line, EL_ADDFN, "fulgur-paste", "Insert what the terminal pastes", Paste);
  // With vi keys the escape leads to the other map; a sequence that began with it would have it wait for more.
  if (IsVi(line)) {
    el_set(line, EL_BIND, "-a", kPasteBegin + 1, "fulgur-paste", nullptr);
  } else {
    el_set(line, EL_BIND, kPasteBegin, "fulgur-paste", nullptr);
  }
}

const char* Prompt(EditLine* line) {
  void* prompt = nullptr;
  el_get(line, EL_CLIENTDATA, &prompt);
  return static_cast<const std::string*>(prompt)->c_str();
}

}  // namespace

struct LineReader::Impl {
  EditLine* line = nullptr;
  History* history = nullptr;
  std::filesystem::path file;
  std::string prompt, last;  // the last line of the history
};

LineReader::LineReader(const std::filesystem::path& history) : impl_(std::make_unique<Impl>()) {
  // Characters of several bytes are edited as one. Numbers keep their English spelling.
  std::setlocale(LC_CTYPE, "");
  if (std::strcmp(nl_langinfo(CODESET), "UTF-8") != 0) std::setlocale(LC_CTYPE, "C.UTF-8");

  impl_->line = el_init("fulgur", stdin, stdout, stderr);
  impl_->history = history_init();
  if (impl_->line == nullptr || impl_->history == nullptr)
    throw Error("the terminal cannot be set up for line editing");
  HistEvent event;
  ::history(impl_->history, &event, H_SETSIZE, static_cast<int>(kMostEntries));
  ::history(impl_->history, &event, H_SETUNIQUE, 1);
  if (!history.empty()) {
    std::error_code failed;
    std::filesystem::create_directories(history.parent_path(), failed);
    if (!failed) impl_->file = history;
    if (std::filesystem::exists(history, failed)) {
      HistoryFile file(history);
      file.Trim();
      ::history(impl_->history, &event, H_LOAD, history.c_str());
    }
  }
  el_set(impl_->line, EL_CLIENTDATA, &impl_->prompt);
  el_set(impl_->line, EL_PROMPT, Prompt);
  el_set(impl_->line, EL_EDITOR, "emacs");
  el_set(impl_->line, EL_SIGNAL, 1);  // a new size, Ctrl-Z and fg: the line is drawn anew
  el_set(impl_->line, EL_HIST, ::history, impl_->history);
  el_set(impl_->line, EL_BIND, "^R", "em-inc-search-prev", nullptr);
  el_source(impl_->line, nullptr);  // the user's ~/.editrc
  BindPaste(impl_->line);
  // A pasted "\r\n" is one line break: the terminal's driver must not make two of it.
  el_set(impl_->line, EL_SETTY, "-d", "-icrnl", "-inlcr", nullptr);
  AskForBrackets(true);
}

LineReader::~LineReader() {
  AskForBrackets(false);
  history_end(impl_->history);
  el_end(impl_->line);
}

std::optional<std::string> LineReader::Read(const std::string& prompt, bool* interrupted) {
  *interrupted = false;
  impl_->prompt = prompt;
  el_resize(impl_->line);
  el_set(impl_->line, EL_PREP_TERM, 1);  // before the prompt is shown: the driver echoes no key after it
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
  if (line.find_first_not_of(" \t\n") != std::string::npos && line != impl_->last) {
    HistEvent event;
    ::history(impl_->history, &event, H_ENTER, line.c_str());
    if (!impl_->file.empty()) HistoryFile(impl_->file).Append(line);
    impl_->last = line;
  }
  return line;
}

HiddenKeys::HiddenKeys() {
  if (isatty(STDIN_FILENO) == 0 || ::tcgetattr(STDIN_FILENO, &before_) != 0) return;
  termios hidden = before_;
  hidden.c_lflag &= ~static_cast<tcflag_t>(ECHO | ICANON);  // not kept until a line ends either, nor edited
  hidden.c_iflag &= ~static_cast<tcflag_t>(ICRNL | INLCR);  // as the line reader has it
  hidden.c_lflag |= NOFLSH;                                 // Ctrl-C stops the answer and forgets no keys
  hidden.c_cc[VMIN] = 1;
  hidden.c_cc[VTIME] = 0;
  changed_ = ::tcsetattr(STDIN_FILENO, TCSADRAIN, &hidden) == 0;
}

HiddenKeys::~HiddenKeys() {
  if (changed_) ::tcsetattr(STDIN_FILENO, TCSADRAIN, &before_);
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

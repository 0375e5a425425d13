#include "apps/terminal_text.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>

namespace fulgur {
namespace {

bool BeginsCharacter(char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }

int Columns(std::string_view text) {
  return static_cast<int>(std::count_if(text.begin(), text.end(), BeginsCharacter));
}

// The first `columns` characters.
std::string_view Beginning(std::string_view text, int columns) {
  size_t end = 0;
  for (; end < text.size(); ++end) {
    if (BeginsCharacter(text[end]) && columns-- == 0) break;
  }
  return text.substr(0, end);
}

void AppendLine(std::string_view line, int columns, int indent, std::string* out) {
  int used = 0;
  bool fresh = true;  // nothing but the indent is in the line
  while (!line.empty()) {
    const size_t spaces = std::min(line.find_first_not_of(' '), line.size());
    std::string_view word = line.substr(spaces, std::min(line.find(' ', spaces), line.size()) - spaces);
    line.remove_prefix(spaces + word.size());
    // The spaces that a broken line would end in are left out; those that it begins with are not.
    if (!fresh && used + static_cast<int>(spaces) + Columns(word) > columns) {
      *out += "\n" + std::string(static_cast<size_t>(indent), ' ');
      used = indent;
    } else {
      out->append(spaces, ' ');
      used += static_cast<int>(spaces);
    }
    while (used + Columns(word) > columns) {
      const std::string_view part = Beginning(word, std::max(columns - used, 1));
      *out += part;
      word.remove_prefix(part.size());
      *out += "\n" + std::string(static_cast<size_t>(indent), ' ');
      used = indent;
    }
    *out += word;
    used += Columns(word);
    fresh = false;
  }
}

}  // namespace

int TerminalColumns() {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return std::clamp(static_cast<int>(size.ws_col), 20, 100);
}

std::string WrapWords(std::string_view text, int columns, int indent) {
  indent = std::min(indent, columns / 2);
  std::string out;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    if (begin > 0) out += '\n';
    AppendLine(text.substr(begin, end - begin), columns, indent, &out);
    begin = end + 1;
  }
  return out;
}

}  // namespace fulgur

// A program at a terminal: types, and sees what a user would.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

namespace fulgur {

class PseudoTerminal {
 public:
  // Starts `fulgur args...` at a terminal of so many columns. home: its HOME and XDG_STATE_HOME.
  PseudoTerminal(const std::vector<std::string>& args, const std::filesystem::path& home, int columns = 80);
  ~PseudoTerminal();
  PseudoTerminal(const PseudoTerminal&) = delete;
  PseudoTerminal& operator=(const PseudoTerminal&) = delete;

  void Type(const std::string& keys);
  // Reads until the output since the last call has the text. Returns it up to there; Error after a minute, or if the
  // program ends before.
  std::string Until(const std::string& text);
  // The next bytes of the output; Error as from Until.
  std::string Next(size_t bytes);
  // Waits for the end of the program. Returns the output that was left; Error after a minute.
  std::string Rest();

 private:
  bool ReadMore();  // false: the program has ended

  int fd_ = -1;
  pid_t child_ = -1;
  std::string seen_;  // and not yet returned
};

// Without escape sequences and carriage returns.
std::string PlainText(const std::string& output);

}  // namespace fulgur

// Lines typed at a terminal, with editing and history.
#pragma once

#include <termios.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

namespace fulgur {

class LineReader {
 public:
  // history: a file that earlier lines are read from and new ones are kept in; empty: none. It and its folder are made
  // if they can be; if not, there is a history for this session only. Several programs may use the file at a time.
  explicit LineReader(const std::filesystem::path& history);
  ~LineReader();

  // The next line without its end; nothing at the end of input (Ctrl-D). Sets *interrupted if a signal came instead.
  // What is pasted goes into the line as it is, line breaks included, and does not end it.
  std::optional<std::string> Read(const std::string& prompt, bool* interrupted);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// While it lives, keys that are typed are not shown; they wait for the next line that is read. Signals work as ever.
class HiddenKeys {
 public:
  HiddenKeys();
  ~HiddenKeys();
  HiddenKeys(const HiddenKeys&) = delete;
  HiddenKeys& operator=(const HiddenKeys&) = delete;

 private:
  termios before_{};
  bool changed_ = false;
};

// $XDG_STATE_HOME/fulgur/history or ~/.local/state/fulgur/history; empty if neither variable is set.
std::filesystem::path HistoryPath();

}  // namespace fulgur

#include "base/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace fulgur {
namespace {

std::string Scaled(double value, double base, const char* const* suffixes, int count) {
  int i = 0;
  while (std::abs(value) >= base - 0.5 && i + 1 < count) {  // 999.6 would be printed as 1000
    value /= base;
    ++i;
  }
  const double size = std::abs(value);
  const int decimals = i == 0 || size >= 99.95 ? 0 : (size >= 9.995 ? 1 : 2);
  return fmt::format("{:.{}f}{}", value, decimals, suffixes[i]);
}

bool BeginsCharacter(char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }

size_t Characters(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), BeginsCharacter));
}

// Of the terminal that is written to.
int Columns() {
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

}  // namespace

std::string HumanCount(double value) {
  static const char* const kSuffixes[] = {"", "k", "M", "B", "T"};
  return Scaled(value, 1000, kSuffixes, 5);
}

std::string HumanBytes(double bytes) {
  static const char* const kSuffixes[] = {" B", " KiB", " MiB", " GiB", " TiB"};
  return Scaled(bytes, 1024, kSuffixes, 5);
}

std::string HumanDuration(double seconds) {
  if (!std::isfinite(seconds)) return "?";
  const int64_t s = std::llround(seconds);
  if (s < 60) return fmt::format("{}s", s);
  if (s < 3600) return fmt::format("{}m{:02}s", s / 60, s % 60);
  return fmt::format("{}h{:02}m", s / 3600, s / 60 % 60);
}

ProgressBar::ProgressBar(std::string label, int64_t total, std::string unit)
    : label_(std::move(label)),
      unit_(std::move(unit)),
      total_(total),
      terminal_(::isatty(STDERR_FILENO) == 1),
      start_(Clock::now()),
      drawn_(start_ - std::chrono::hours(1)) {}

ProgressBar::~ProgressBar() { Finish(); }

void ProgressBar::StartFrom(int64_t done) {
  first_ = done_ = done;
  start_ = Clock::now();
}

void ProgressBar::Update(int64_t done, const std::string& note) {
  done_ = done;
  note_ = note;
  const auto every = terminal_ ? std::chrono::milliseconds(100) : std::chrono::milliseconds(10000);
  if (Clock::now() - drawn_ >= every) Draw(false);
}

void ProgressBar::Finish() {
  if (finished_) return;
  finished_ = true;
  if (done_ > first_ || terminal_) Draw(true);
}

// How much of the figures there is room for: 5 all with a bar, 4 no bar, 3 no rate, 2 no unit, 1 no counts, 0 only the
// label and how much is done.
std::string ProgressBar::Figures(int detail, bool last) const {
  const double seconds = std::chrono::duration<double>(drawn_ - start_).count();
  const double rate = seconds > 0 ? static_cast<double>(done_ - first_) / seconds : 0;
  std::string line = label_ + " ";
  const std::string unit = detail >= 3 ? " " + unit_ : "";
  if (total_ > 0) {
    const double share = std::clamp(static_cast<double>(done_) / static_cast<double>(total_), 0.0, 1.0);
    if (detail >= 5) {
      const int width = 24, filled = static_cast<int>(share * width);
      line += "[" + std::string(filled, '#') + std::string(width - filled, '.') + "] ";
    }
    line += fmt::format("{:3.0f}%", share * 100);
    if (detail >= 2) {
      line += fmt::format(" {}/{}{}", HumanCount(static_cast<double>(done_)), HumanCount(static_cast<double>(total_)),
                          unit);
    }
  } else {
    line += HumanCount(static_cast<double>(done_)) + unit;
  }
  if (rate > 0 && detail >= 4)
    line += rate < 10 ? fmt::format(" {:.2g}/s", rate) : fmt::format(" {}/s", HumanCount(rate));
  if (detail == 0) return line;
  if (last) {
    line += " in " + HumanDuration(seconds);
  } else if (total_ > 0 && rate > 0) {
    line += " left " + HumanDuration(static_cast<double>(total_ - done_) / rate);
  }
  return line;
}

std::string ProgressBar::Line(int columns, bool last) const {
  const auto room = static_cast<size_t>(std::max(columns, 1));
  const std::string note = note_.empty() ? "" : "  " + note_;
  constexpr int kNoUnit = 2;
  for (int detail = 5; detail >= kNoUnit; --detail) {
    std::string line = Figures(detail, last) + note;
    if (Characters(line) <= room) return line;
  }
  // The parts of the note, between two spaces each, that there is room for: one of them at least, if that can be.
  std::string fits;
  for (int detail = kNoUnit; detail >= 0; --detail) {
    std::string line = Figures(detail, last);
    if (Characters(line) > room) continue;
    if (fits.empty()) fits = line;
    const size_t figures = line.size();
    for (size_t begin = 0; begin < note.size();) {
      const size_t end = std::min(note.find("  ", begin + 2), note.size());
      const std::string part = note.substr(begin, end - begin);
      if (Characters(line) + Characters(part) <= room) line += part;
      begin = end;
    }
    if (line.size() > figures) return line;
  }
  if (!fits.empty()) return fits;
  const std::string line = Figures(0, last);
  size_t cut = 0;  // the first characters
  for (size_t left = room; cut < line.size() && (left > 0 || !BeginsCharacter(line[cut])); ++cut) {
    left -= BeginsCharacter(line[cut]) ? 1 : 0;
  }
  return line.substr(0, cut);
}

void ProgressBar::Draw(bool last) {
  drawn_ = Clock::now();
  // The last column stays free: some terminals begin another line there.
  const std::string line =
      terminal_ ? Line(Columns() - 1, last) : Figures(4, last) + (note_.empty() ? "" : "  " + note_);
  std::fprintf(stderr, terminal_ ? "\r\x1b[K%s%s" : "%s%s", line.c_str(), terminal_ && !last ? "" : "\n");
  std::fflush(stderr);
}

}  // namespace fulgur

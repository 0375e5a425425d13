#include "base/progress.h"

#include <fmt/format.h>
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

void ProgressBar::Draw(bool last) {
  drawn_ = Clock::now();
  const double seconds = std::chrono::duration<double>(drawn_ - start_).count();
  const double rate = seconds > 0 ? static_cast<double>(done_ - first_) / seconds : 0;
  std::string line = label_ + " ";
  if (total_ > 0) {
    const double share = std::clamp(static_cast<double>(done_) / static_cast<double>(total_), 0.0, 1.0);
    if (terminal_) {
      const int width = 24, filled = static_cast<int>(share * width);
      line += "[" + std::string(filled, '#') + std::string(width - filled, '.') + "] ";
    }
    line += fmt::format("{:3.0f}% {}/{} {}", share * 100, HumanCount(static_cast<double>(done_)),
                        HumanCount(static_cast<double>(total_)), unit_);
  } else {
    line += fmt::format("{} {}", HumanCount(static_cast<double>(done_)), unit_);
  }
  if (rate > 0) line += rate < 10 ? fmt::format(" {:.2g}/s", rate) : fmt::format(" {}/s", HumanCount(rate));
  if (last) {
    line += " in " + HumanDuration(seconds);
  } else if (total_ > 0 && rate > 0) {
    line += " left " + HumanDuration(static_cast<double>(total_ - done_) / rate);
  }
  if (!note_.empty()) line += "  " + note_;
  std::fprintf(stderr, terminal_ ? "\r\x1b[K%s%s" : "%s%s", line.c_str(), terminal_ && !last ? "" : "\n");
  std::fflush(stderr);
}

}  // namespace fulgur

// Progress of long work: one line redrawn on a terminal, a plain line now and then elsewhere. Writes to stderr.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace fulgur {

class ProgressBar {
 public:
  // total: units of work (0: unknown). unit: what they are ("tokens"). label: what is being done.
  ProgressBar(std::string label, int64_t total, std::string unit);
  ~ProgressBar();
  // done: units finished so far (in all, not since the last call). note: shown after the figures, e.g. "loss 1.93".
  void Update(int64_t done, const std::string& note = "");
  // The line as it is drawn: with as much of it as `columns` have room for.
  std::string Line(int columns, bool last) const;
  // Draws the last state and ends the line. Called by the destructor if it was not.
  void Finish();
  // For work that starts part way (a resumed run): `done` units took no time in this process.
  void StartFrom(int64_t done);

 private:
  using Clock = std::chrono::steady_clock;
  void Draw(bool last);
  std::string Figures(int detail, bool last) const;

  std::string label_, unit_, note_;
  int64_t total_, done_ = 0, first_ = 0;
  bool terminal_, finished_ = false;
  Clock::time_point start_, drawn_;
};

// "1.2k", "3.4M": a count in at most four characters and a suffix.  "1h02m", "3m20s", "12s": a duration.
std::string HumanCount(double value);
std::string HumanDuration(double seconds);
std::string HumanBytes(double bytes);

}  // namespace fulgur

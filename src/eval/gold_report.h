// How many answers of a file of problems a checker cannot read.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "eval/problem_file.h"

namespace fulgur {

// Problems whose answers are no good: a model could earn nothing by them, whatever it said.
struct GoldReport {
  int64_t problems = 0;
  int64_t empty = 0, prose = 0, unreadable = 0;  // of these; prose and unreadable only with the checker "math"
  std::vector<std::string> examples;             // of each kind the first two: "record 7: \"...\": it is a sentence"

  int64_t bad() const { return empty + prose + unreadable; }
  double share() const { return problems == 0 ? 0 : static_cast<double>(bad()) / static_cast<double>(problems); }
  // A line and the examples below it; empty if all is well.
  std::string Summary(const std::string& source) const;
  // Error with the summary if more than `share` of the problems are no good. option: how to raise the share.
  void Check(const std::string& source, double share, const std::string& option) const;
};

// A problem with several answers is good if one of them is.
GoldReport ReportGolds(const ProblemFile& file, const std::string& checker);

// Part of a file's problems that may have such answers unless it is said otherwise.
inline constexpr double kMaxUnreadable = 0.05;

}  // namespace fulgur

#include "eval/gold_report.h"

#include <algorithm>
#include <map>

#include "base/ascii.h"
#include "base/error.h"
#include "math/verify.h"

namespace fulgur {
namespace {

constexpr size_t kExamples = 2;       // of each kind
constexpr size_t kExampleBytes = 60;  // of an answer

GoldKind KindOf(const std::string& gold, const std::string& checker, std::string* reason) {
  if (checker == "math") return ClassifyGold(gold, reason);
  *reason = "it is empty";
  return Trim(gold).empty() ? GoldKind::kEmpty : GoldKind::kReadable;
}

std::string Shortened(std::string text) {
  for (char& c : text) c = static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) == 0x7f ? ' ' : c;
  if (text.size() <= kExampleBytes) return text;
  size_t end = kExampleBytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;  // not within a character
  return text.substr(0, end) + "...";
}

}  // namespace

std::string GoldReport::Summary(const std::string& source) const {
  if (bad() == 0) return "";
  std::string kinds;
  const auto add = [&kinds](int64_t count, const char* what) {
    if (count > 0) kinds += fmt::format("{}{} {}", kinds.empty() ? "" : ", ", count, what);
  };
  add(empty, "empty");
  add(prose, "sentences");
  add(unreadable, "that cannot be read");
  std::string text = fmt::format("{}: {} of {} answers ({:.1f} %) are of no use to the checker: {}", source, bad(),
                                 problems, 100 * share(), kinds);
  for (const std::string& example : examples) text += "\n  " + example;
  return text;
}

void GoldReport::Check(const std::string& source, double most, const std::string& option) const {
  if (share() <= most) return;
  throw Error(
      "{}\nat most {:.1f} % may be: mend the file, leave such problems out with fulgur data curate, or raise {}",
      Summary(source), 100 * most, option);
}

GoldReport ReportGolds(const ProblemFile& file, const std::string& checker) {
  GoldReport report;
  report.problems = static_cast<int64_t>(file.size());
  std::map<GoldKind, size_t> shown;
  for (size_t i = 0; i < file.size(); ++i) {
    const std::vector<std::string> golds = GoldAnswers(file.Get(i).record, fmt::format("record {}", i + 1));
    std::string first_reason;
    GoldKind first = GoldKind::kReadable;
    bool good = false;
    for (size_t k = 0; k < golds.size() && !good; ++k) {
      std::string reason;
      const GoldKind kind = KindOf(golds[k], checker, &reason);
      good = kind == GoldKind::kReadable;
      if (k == 0) first = kind, first_reason = reason;
    }
    if (good) continue;
    report.empty += first == GoldKind::kEmpty ? 1 : 0;
    report.prose += first == GoldKind::kProse ? 1 : 0;
    report.unreadable += first == GoldKind::kUnreadable ? 1 : 0;
    if (shown[first]++ < kExamples)
      report.examples.push_back(fmt::format("record {}: \"{}\": {}", i + 1, Shortened(golds[0]), first_reason));
  }
  return report;
}

}  // namespace fulgur

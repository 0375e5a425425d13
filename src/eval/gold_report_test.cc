#include "eval/gold_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "base/test_folder.h"

namespace fulgur {
namespace {

using testing::HasSubstr;

TEST(GoldReport, CountsWithExamplesAndStopsAboveAShare) {
  TestFolder folder;
  std::string lines;
  for (const Json& answer : {Json("12"), Json(""), Json("The graph rises from the left and never falls again"),
                             Json("\\foo{3"), Json(5), Json({"\\foo{", "7"}), Json("Tuesday"), Json("(B)")}) {
    lines += Json{{"prompt", "What?"}, {"answer", answer}}.dump() + "\n";
  }
  WriteFileAtomic(folder / "p.jsonl", lines);
  const ProblemFile file(folder / "p.jsonl", "mixed");
  const GoldReport math = ReportGolds(file, "math");
  EXPECT_EQ(math.problems, 8);
  EXPECT_EQ(math.empty, 1);
  EXPECT_EQ(math.prose, 1);
  EXPECT_EQ(math.unreadable, 1);
  EXPECT_THAT(math.Summary("mixed"),
              testing::AllOf(HasSubstr("mixed: 3 of 8 answers (37.5 %)"), HasSubstr("record 2: \"\": it is empty"),
                             HasSubstr("record 3: \"The graph rises"), HasSubstr("\\foo is no command known here")));
  EXPECT_NO_THROW(math.Check("mixed", 0.4, "x"));
  try {
    math.Check("mixed", 0.3, "\"max_unreadable\"");
    ADD_FAILURE() << "no error";
  } catch (const Error& e) {
    EXPECT_THAT(e.what(),
                testing::AllOf(HasSubstr("3 of 8"), HasSubstr("at most 30.0 %"), HasSubstr("max_unreadable")));
  }
  // The text itself is what "exact" compares: only nothing is of no use.
  const GoldReport exact = ReportGolds(file, "exact");
  EXPECT_EQ(exact.bad(), 1);
  EXPECT_EQ(exact.empty, 1);
}

TEST(GoldReport, NothingToSay) {
  TestFolder folder;
  WriteFileAtomic(folder / "p.jsonl", "{\"prompt\": \"1 + 1?\", \"answer\": 2}\n");
  const GoldReport report = ReportGolds(ProblemFile(folder / "p.jsonl", "sums"), "math");
  EXPECT_EQ(report.Summary("sums"), "");
  EXPECT_NO_THROW(report.Check("sums", 0, "x"));
}

}  // namespace
}  // namespace fulgur

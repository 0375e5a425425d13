#include "eval/answer_checker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "base/test_folder.h"
#include "eval/problem_file.h"

namespace fulgur {
namespace {

using testing::HasSubstr;

TEST(AnswerChecker, ExactAndMathematical) {
  const AnswerChecker exact = GetAnswerChecker("exact");
  EXPECT_EQ(exact("x + 1", "so \\boxed{X+1}").value, 1);
  EXPECT_EQ(exact("1,234", "\\boxed{1234}").value, 1);
  EXPECT_EQ(exact("7", "\\boxed{8} no, \\boxed{7}").value, 1);  // the last one counts
  EXPECT_EQ(exact("7", "\\boxed{7} no, \\boxed{8}").value, 0);
  EXPECT_EQ(exact("7", "7").value, 0);
  EXPECT_EQ(exact("7", "\\boxed{}").value, 0);
  EXPECT_EQ(exact("7", "\\boxed{7 or 8}").value, 0);
  EXPECT_EQ(exact("", "\\boxed{ }").value, 0);
  EXPECT_THAT(exact("7", "\\boxed{8}").reason, HasSubstr("8"));
  const AnswerChecker math = GetAnswerChecker("math");
  EXPECT_EQ(math("1/2", "\\boxed{\\frac{2}{4}}").value, 1);
  EXPECT_EQ(math("1/2", "\\boxed{2}").value, 0);
  EXPECT_EQ(exact("1/2", "\\boxed{\\frac{2}{4}}").value, 0);
  EXPECT_EQ(exact("7", "\\boxed{" + std::string(10000, '7') + "}").value, 0);
  EXPECT_THROW(GetAnswerChecker("by-feeling"), Error);
}

// The score of an answer to record `i` of a file.
double Judge(const ProblemFile& file, size_t i, const std::string& answer) {
  Trajectory t;
  t.turns.emplace_back().parsed = ParseOutput(answer);
  const Problem problem = file.Get(i);
  return *MakeAnswerJudge({.rule = "math", .command = {}})->Ask(problem, t).get().score;
}

TEST(ProblemFile, TextsNumbersListsAndMessages) {
  TestFolder folder;
  WriteFileAtomic(folder / "p.jsonl", R"({"prompt": "1 + 1?", "answer": "2", "kept": true}

{"prompt": "2 + 2?", "answer": 4}
{"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "A root of 4?"}], "answer": ["2", -2]}
)");
  const ProblemFile file(folder / "p.jsonl", "sums");
  ASSERT_EQ(file.size(), 3u);
  EXPECT_EQ(file.Get(0).prompt, "1 + 1?");
  EXPECT_EQ(file.Get(0).messages, Json::parse(R"([{"role": "user", "content": "1 + 1?"}])"));
  EXPECT_EQ(file.Get(0).record["kept"], true);
  EXPECT_EQ(file.Get(1).task, "sums");
  EXPECT_EQ(file.Get(1).id, 1u);
  EXPECT_EQ(file.Get(2).messages.size(), 2u);
  EXPECT_EQ(file.Get(2).prompt, "A root of 4?");
  EXPECT_EQ(Judge(file, 0, "\\boxed{2}"), 1);
  EXPECT_EQ(Judge(file, 1, "\\boxed{4}"), 1);
  EXPECT_EQ(Judge(file, 1, "\\boxed{2}"), 0);
  EXPECT_EQ(Judge(file, 2, "\\boxed{2}"), 1);
  EXPECT_EQ(Judge(file, 2, "\\boxed{-2}"), 1);
  EXPECT_EQ(Judge(file, 2, "\\boxed{0}"), 0);
  EXPECT_EQ(Judge(file, 2, ""), 0);
}

TEST(ProblemFile, WhatIsWrongIsNamedWithItsLine) {
  TestFolder folder;
  const auto error = [&](const std::string& line) {
    WriteFileAtomic(folder / "bad.jsonl", "{\"prompt\": \"1?\", \"answer\": 1}\n" + line + "\n");
    try {
      ProblemFile(folder / "bad.jsonl", "sums");
    } catch (const Error& e) {
      return std::string(e.what());
    }
    return std::string("no error");
  };
  for (const auto& [line, what] : std::initializer_list<std::pair<const char*, const char*>>{
           {R"({"answer": 2})", "there is no \"prompt\""},
           {R"({"prompt": 7, "answer": 2})", "not 7"},
           {R"({"prompt": [], "answer": 2})", "list of messages"},
           {R"({"prompt": [{"role": "user"}], "answer": 2})", "message 1"},
           {R"({"prompt": [{"role": "assistant", "content": "a"}], "answer": 2})", "nothing to answer"},
           {R"({"prompt": "a"})", "there is no \"answer\""},
           {R"({"prompt": "a", "answer": null})", "not null"},
           {R"({"prompt": "a", "answer": []})", "empty list"},
           {R"({"prompt": "a", "answer": [[1]]})", "not [1]"}}) {
    EXPECT_THAT(error(line), testing::AllOf(HasSubstr("bad.jsonl, line 2"), HasSubstr(what)));
  }
}

}  // namespace
}  // namespace fulgur

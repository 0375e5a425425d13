#include "eval/curate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "base/test_folder.h"

namespace fulgur {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(Curate, SeveralQuestions) {
  for (const char* prompt :
       {"What is 3 + 4? And what is 3 - 4?", "Let f(x) = x^2. (a) Find f(3). (b) Find f(4).",
        "A ball falls.\n1. How long does it fall?\n2. How fast is it then?",
        "Let n > 2. (i) Determine n. (ii) Compute 2n.", "(1) Solve x + 1 = 2.\n(2) Find all y with y^2 = 9."}) {
    EXPECT_TRUE(AsksSeveralQuestions(prompt)) << prompt;
  }
  for (const char* prompt :
       {"What is 3 + 4?", "Find f(a) where f(x) = x + 1.", "Numbers satisfy (1) x + y = 3 and (2) x - y = 1. Find x.",
        "A function is good if (a) it is even and (b) it is bounded. How many good functions are there?",
        "Let (a) and (b) be roots. Find their sum.", "Find the value of f(2) (1) times."}) {
    EXPECT_FALSE(AsksSeveralQuestions(prompt)) << prompt;
  }
}

TEST(Curate, Proofs) {
  EXPECT_TRUE(AsksForProof("Prove that there are infinitely many primes."));
  EXPECT_TRUE(AsksForProof("Let n be odd. Show that n^2 - 1 is divisible by 8."));
  EXPECT_TRUE(AsksForProof("Prove or disprove: every field is finite."));
  EXPECT_FALSE(AsksForProof("A survey shows 5 people. How many are shown?"));
  EXPECT_FALSE(AsksForProof("The proof of a theorem has 12 lines. How many are in 3 proofs?"));
}

TEST(Curate, TrueOrFalse) {
  for (const char* answer : {"Yes", "no.", "True", "\\text{False}", "\\boxed{\\text{Yes}}"}) {
    EXPECT_TRUE(IsTrueOrFalse("Is 7 a prime?", answer)) << answer;
  }
  EXPECT_TRUE(IsTrueOrFalse("True or false: 1 + 1 = 2", "1"));
  for (const char* answer : {"7", "no solution", "\\text{none}", "x = 3"}) {
    EXPECT_FALSE(IsTrueOrFalse("What is it?", answer)) << answer;
  }
}

TEST(Curate, ChoicesAreCutOff) {
  const MultipleChoice inline_marks = SplitChoices(
      "How much is $2+3$?\n$\\textbf{(A)}\\ 4\\qquad\\textbf{(B)}\\ 5\\qquad\\textbf{(C)}\\ \\frac{1}{2}$");
  EXPECT_EQ(inline_marks.stem, "How much is $2+3$?");
  EXPECT_THAT(inline_marks.choices, ElementsAre("4", "5", "\\frac{1}{2}"));
  const MultipleChoice lines = SplitChoices("How much is 2+3?\nA. 4\nB. 5\nC. 6\nD. $7$");
  EXPECT_EQ(lines.stem, "How much is 2+3?");
  EXPECT_THAT(lines.choices, ElementsAre("4", "5", "6", "$7$"));
  const MultipleChoice brackets = SplitChoices("How much is 2+3? (A) 4; (B) 5; (C) 6.");
  EXPECT_THAT(brackets.choices, ElementsAre("4", "5", "6"));
  EXPECT_THAT(SplitChoices("Sum? $(A) 4\\quad(B) 5\\quad(C) 6$").choices, ElementsAre("4", "5", "6"));
  EXPECT_TRUE(SplitChoices("What is P(A) if P(B) = 0.5 and A, B are independent?").choices.empty());
  EXPECT_TRUE(SplitChoices("Find (A + B)(C).").choices.empty());
}

std::string Line(const std::string& prompt, const Json& answer) {
  return Json{{"prompt", prompt}, {"answer", answer}}.dump() + "\n";
}

TEST(Curate, AFile) {
  TestFolder folder;
  const std::string cube = "A cube of side 4 is painted red and is cut into unit cubes. How many have red faces";
  WriteFileAtomic(
      folder / "all.jsonl",
      Line("What is 6 times 7?", 42) +                                                         // 1 kept
          Line("What  is 6 TIMES 7 ?", "42") +                                                 // 2 duplicate
          Line("What is 6 times 8?", 48) +                                                     // 3 kept: other numbers
          Line("What is 6 times 7?", 43) +                                                     // 4 another answer
          Line("Prove that 1 + 1 = 2.", "2") +                                                 // 5 proof
          Line("Is 7 odd?", "Yes") +                                                           // 6 true or false
          Line("How far is it? How long does it take?", 3) +                                   // 7 several
          Line("How many legs have 9 dogs?\nA. 18\nB. 27\nC. 36", "C") +                       // 8 opened
          Line("Which of the following is prime?\n(A) 4 (B) 5 (C) 6", "B") +                   // 9 needs its choices
          Line("Describe the graph", "It rises from the left to the right and never falls") +  // 10 prose
          Line("Fill in the number", "") +                                                     // 11 empty
          Line(cube + "? Give a whole number as the answer.", 56) +                            // 12 kept
          Line(cube + ", at least one? Give a whole number as the answer.", 56) +              // 13 near duplicate
          Line("The quick brown fox jumps over the lazy dog and 5 cats: how many animals?", 7) +  // 14 in the SFT file
          Json{{"problem", "Compute 2^5."}, {"solution", "It is $\\boxed{32}$."}, {"source", "x"}}.dump() + "\n");
  WriteFileAtomic(
      folder / "sft.jsonl",
      Json{{"messages", {{{"role", "user"}, {"content", "the QUICK brown fox jumps over the lazy dog!"}}}}}.dump() +
          "\n");
  CurateOptions options;
  options.against = {folder / "sft.jsonl"};
  options.words = 8;
  options.similarity = 0.7;
  const CuratedProblems curated = CurateProblems(folder / "all.jsonl", options);
  std::vector<std::string> left;
  for (const LeftOutProblem& problem : curated.left_out) {
    left.push_back(problem.where.substr(problem.where.find("line")) + ": " + problem.reason);
  }
  EXPECT_THAT(left, ElementsAre("line 2: near duplicate", "line 4: another answer to the same question",
                                "line 5: asks for a proof", "line 6: true or false", "line 7: asks several questions",
                                "line 9: multiple choice that cannot be made open",
                                "line 10: answer that cannot be checked", "line 11: empty answer",
                                "line 13: near duplicate", "line 14: in the files to keep apart from"));
  EXPECT_EQ(curated.problems, 15u);
  EXPECT_EQ(curated.opened, 1u);
  EXPECT_EQ(curated.Counts().at("near duplicate"), 2u);
  ASSERT_EQ(curated.kept.size(), 5u);
  EXPECT_EQ(curated.kept[0], (Json{{"prompt", "What is 6 times 7?"}, {"answer", 42}}));
  EXPECT_EQ(curated.kept[2], (Json{{"prompt", "How many legs have 9 dogs?"}, {"answer", "36"}}));
  EXPECT_EQ(curated.kept[4]["prompt"], "Compute 2^5.");
  EXPECT_EQ(curated.kept[4]["answer"], "32");
  EXPECT_EQ(curated.kept[4]["source"], "x");
  // What is left out is as it was.
  EXPECT_EQ(curated.left_out[5].record["answer"], "B");
  EXPECT_THAT(curated.left_out[8].detail, HasSubstr("line 12"));
}

// The lookup by rare runs finds what comparing each with each finds.
TEST(Curate, NearDuplicatesAreAllFound) {
  TestFolder folder;
  std::string lines;
  for (int i = 0; i < 60; ++i) {
    std::string prompt = "In a park of area 90";
    for (int k = 0; k < 12; ++k) prompt += fmt::format(" {} stand word{} trees", k, (i / 3) * 100 + k);
    if (i % 3 == 1) prompt += " today";         // like the one before it
    if (i % 3 == 2) prompt = "Once " + prompt;  // like both
    lines += Line(prompt, i / 3);
  }
  WriteFileAtomic(folder / "p.jsonl", lines);
  for (const double similarity : {0.5, 0.8, 0.9}) {
    CurateOptions options;
    options.similarity = similarity;
    const CuratedProblems curated = CurateProblems(folder / "p.jsonl", options);
    EXPECT_EQ(curated.kept.size(), 20u) << similarity;
    EXPECT_EQ(curated.left_out.size(), 40u);
  }
  CurateOptions exact;
  exact.similarity = 1;
  EXPECT_EQ(CurateProblems(folder / "p.jsonl", exact).kept.size(), 60u);
}

TEST(Curate, WhatIsWrongIsNamed) {
  TestFolder folder;
  WriteFileAtomic(folder / "bad.jsonl", Line("1 + 1?", 2) + "{\"answer\": 3}\n");
  EXPECT_THROW(
      {
        try {
          CurateProblems(folder / "bad.jsonl", {});
        } catch (const Error& e) {
          EXPECT_THAT(e.what(), testing::AllOf(HasSubstr("line 2"), HasSubstr("\"prompt\"")));
          throw;
        }
      },
      Error);
  WriteFileAtomic(folder / "bad.jsonl", "{\"prompt\": \"1 + 1?\"}\n");
  EXPECT_THROW(CurateProblems(folder / "bad.jsonl", {}), Error);
}

}  // namespace
}  // namespace fulgur

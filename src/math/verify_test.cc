#include "math/verify.h"

#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "math/compare.h"
#include "math/final_answer.h"
#include "math/latex_parser.h"
#include "math/words.h"

namespace fulgur {
namespace {

struct Case {
  std::string kind, gold, response;
  bool right = false;
  int line = 0;
};

// Line ends within a response are written \n in the table, before a backslash, a digit or the end, so not in \ne.
std::string WithLineEnds(const std::string& text) {
  std::string result;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool line_end = text[i] == '\\' && i + 1 < text.size() && text[i + 1] == 'n' &&
                          (i + 2 == text.size() || text[i + 2] == '\\' || (text[i + 2] >= '0' && text[i + 2] <= '9'));
    result += line_end ? '\n' : text[i];
    if (line_end) ++i;
  }
  return result;
}

std::vector<Case> ReadCases() {
  std::istringstream lines(ReadFile(FULGUR_SOURCE_DIR "/src/math/verify_cases.tsv"));
  std::vector<Case> cases;
  std::string line, kind;
  for (int number = 1; std::getline(lines, line); ++number) {
    if (line.compare(0, 3, "## ") == 0) kind = line.substr(3);
    if (line.empty() || line[0] == '#') continue;
    const size_t first = line.find('\t'), second = line.find('\t', first + 1);
    EXPECT_TRUE(first == 1 && second != std::string::npos) << "line " << number;
    cases.push_back({kind, line.substr(2, second - 2), WithLineEnds(line.substr(second + 1)), line[0] == '=', number});
  }
  return cases;
}

TEST(VerifyMath, Table) {
  const std::vector<Case> cases = ReadCases();
  ASSERT_GT(cases.size(), 1600u);
  int right = 0;
  for (const Case& c : cases) {
    const MathScore score = VerifyMath(c.gold, c.response);
    EXPECT_EQ(score.value, c.right ? 1 : 0) << "verify_cases.tsv:" << c.line << " (" << c.kind << "): gold " << c.gold
                                            << ", response " << c.response << ": " << score.reason;
    EXPECT_EQ(score.reason.empty(), score.value == 1);
    right += c.right ? 1 : 0;
  }
  EXPECT_GT(right, 400);
}

// Whatever is right is right in a box, in a sentence and in a formula; what is wrong is wrong in a box.
TEST(VerifyMath, TheFrameDoesNotMatter) {
  for (const Case& c : ReadCases()) {
    if (c.kind == "where the answer stands" || c.kind == "what has to earn nothing") continue;
    if (c.response.find("answer") != std::string::npos || c.response.find("boxed") != std::string::npos ||
        c.response.find("Answer") != std::string::npos) {
      continue;
    }
    const double expected = c.right ? 1 : 0;
    EXPECT_EQ(VerifyMath(c.gold, "Some words.\nSo we get $\\boxed{" + c.response + "}$.").value, expected)
        << "line " << c.line << ": " << c.gold << ", " << c.response;
    EXPECT_EQ(VerifyMath("\\boxed{" + c.gold + "}", "\\boxed{" + c.response + "}").value, expected)
        << "line " << c.line << ": " << c.gold << ", " << c.response;
    const bool dollars = c.response.find('$') != std::string::npos || c.gold.find('$') != std::string::npos;
    if (dollars) continue;
    EXPECT_EQ(VerifyMath("$" + c.gold + "$", "\\boxed{" + c.response + "}").value, expected) << "line " << c.line;
  }
}

// An answer is the same as itself, and adding 1 to a number or formula makes it wrong.
TEST(VerifyMath, ReflexiveAndNotOffByOne) {
  for (const Case& c : ReadCases()) {
    std::string reason;
    if (c.kind == "what has to earn nothing" || c.kind == "where the answer stands" ||
        c.gold.find_first_not_of(' ') == std::string::npos)
      continue;
    EXPECT_EQ(VerifyMath(c.gold, "\\boxed{" + c.gold + "}").value, 1) << "line " << c.line << ": " << c.gold;
    if (c.kind == "numbers" || c.kind == "fractions" || c.kind == "surds and powers" || c.kind == "pi, e, functions") {
      if (c.gold.find("9^{9^{9") != std::string::npos) continue;
      EXPECT_EQ(VerifyMath(c.gold, "\\boxed{" + c.gold + " + 1}").value, 0) << "line " << c.line << ": " << c.gold;
      if (c.gold.find('.') != std::string::npos) continue;  // may be rounded to
      EXPECT_EQ(VerifyMath(c.gold, "\\boxed{(" + c.gold + ")(1 + 10^{-9})}").value, c.gold == "0" ? 1 : 0)
          << "line " << c.line << ": " << c.gold;
    }
  }
}

std::string Repeated(const std::string& what, int times) {
  std::string text;
  for (int i = 0; i < times; ++i) text += what;
  return text;
}

// Whatever the text, an answer comes back, and it is 0 with a reason.
TEST(VerifyMath, HostileTexts) {
  const int many = 50000;
  const std::vector<std::string> responses = {
      Repeated("(", many),
      Repeated("{", many),
      Repeated("[", many),
      Repeated("\\{", many),
      Repeated("|", many),
      Repeated("-", many),
      Repeated("!", many),
      Repeated("^", many),
      Repeated("\\boxed{", many),
      Repeated("\\boxed{1}", many),
      Repeated("\\boxed{} ", many),
      Repeated("$", many),
      Repeated("$1", many),
      Repeated("\\(", many),
      Repeated("\\[1", many),
      Repeated("answer", many),
      Repeated("answer is ", many),
      Repeated("the answer is 5? ", many),
      Repeated("1 ", many),
      Repeated("1.", many),
      Repeated("\\", many),
      Repeated("\\frac", many),
      Repeated("<think>", many),
      Repeated("</think>", many),
      Repeated("####", many),
      Repeated("1,", many),
      std::string(1 << 20, 'x'),
      std::string(1 << 20, '9'),
      std::string(1 << 20, '\n'),
      std::string(1 << 20, '\0'),
      std::string(1 << 20, '\xff'),
      "\\boxed{" + std::string(4000, '9') + "!}",
      "\\boxed{" + std::string(4000, '9') + "}",
      "\\boxed{9^{9^{9^9}}}",
      "\\boxed{9^9^9^9}",
      "\\boxed{2^{-9^{9^9}}}",
      "\\boxed{(9^{9^9})!}",
      "\\boxed{9!!!!!!!!!!}",
      "\\boxed{9!!!!}",
      "\\boxed{100000!}",
      "\\boxed{1000000000!}",
      "\\boxed{20000!}",
      "\\boxed{" + Repeated("3!", 1000) + "}",
      "\\boxed{" + Repeated("20000!", 300) + "}",
      "\\boxed{" + Repeated("\\sin ", 800) + "x}",
      "\\boxed{" + Repeated("\\sin(", 99) + "1" + Repeated(")", 99) + "}",
      "\\boxed{" + Repeated("\\sqrt{1+", 90) + "x" + Repeated("}", 90) + "}",
      "\\boxed{" + Repeated("x^{", 90) + "2" + Repeated("}", 90) + "}",
      "\\boxed{" + Repeated("(x+1)", 700) + "}",
      "\\boxed{" + Repeated("x^{99999}", 400) + "}",
      "\\boxed{" + Repeated("\\sin x^2+", 400) + "1}",
      "\\boxed{" + Repeated("\\Gamma x!", 300) + "}",
      "\\boxed{" + Repeated("x!", 1000) + "}",
      "\\boxed{" + Repeated("\\binom{x}{y}", 300) + "}",
      "\\boxed{\\binom{10^{1000}}{2000}}",
      "\\boxed{\\sum_{a=1}^{1000}\\sum_{b=1}^{1000}\\sum_{c=1}^{1000}\\sum_{d=1}^{1000}\\sin(abcd)}",
      "\\boxed{\\sum_{a=1}^{1000}\\sum_{b=1}^{1000}\\prod_{c=1}^{1000} (a+b+c)!}",
      "\\boxed{\\sum_{k=1}^{10^{100}} k}",
      "\\boxed{\\{" + Repeated("1,", 1500) + "1\\}}",
      "\\boxed{" + Repeated("(1,2)\\cup", 300) + "(1,2)}",
      "\\boxed{" + Repeated("\\pm 1", 50) + "}",
      "\\boxed{\\{" + Repeated("\\pm x,", 150) + "1\\}}",
      "\\boxed{\\begin{vmatrix}" + Repeated("1&2&3&4&5&6&7&8&9&10\\\\", 10) + "\\end{vmatrix}}",
      "\\boxed{\\begin{pmatrix}" + Repeated("1&", 900) + "1\\end{pmatrix}}",
      "\\boxed{" + Repeated("\\begin{pmatrix}", 200) + "}",
      "\\boxed{" + Repeated("\\mathbf{", 300) + "x" + Repeated("}", 300) + "}",
      "\\boxed{" + Repeated("\\text{1", 300) + Repeated("}", 300) + "}",
      "\\boxed{0." + std::string(3900, '3') + "...}",
      "\\boxed{0.\\overline{" + std::string(3900, '7') + "}}",
      "\\boxed{1e9999}",
      "\\boxed{1e-9999}",
      "\\boxed{10^{10^{10}} + \\pi}",
      "\\boxed{e^{e^{e^{e^{e}}}}}",
      "\\boxed{\\sin(10^{10^{10}})}",
      "\\boxed{\\tan(10^{300000})}",
      "\\boxed{\\cosh(10^{9}i)}",
      "\\boxed{i^{i^{i^{i^{i}}}}}",
      "\\boxed{\\sqrt[1000000000]{2}}",
      "\\boxed{\\sqrt[2]{10^{30000}+1}}",
      "\\boxed{\\gcd(" + std::string(3000, '7') + ",7)}",
      "\\boxed{" + Repeated("1/", 1500) + "1}",
      "\\boxed{" + Repeated("-", 2000) + "1}",
      "\\boxed{x" + Repeated("'", 2000) + "}"};
  for (const char* gold : {"5", "x^2+1", "\\{1,2\\}"}) {
    for (const std::string& response : responses) {
      const MathScore score = VerifyMath(gold, response);
      EXPECT_EQ(score.value, 0) << gold << " " << response.substr(0, 60);
      EXPECT_FALSE(score.reason.empty());
      EXPECT_LT(score.reason.size(), 400u);
    }
  }
  for (const std::string& gold : responses) {
    const MathScore score = VerifyMath(gold, "\\boxed{\\frac{7}{11}}");
    EXPECT_EQ(score.value, 0) << gold.substr(0, 60);
  }
  // Against itself it may be right, and has to come back.
  for (const std::string& text : responses) VerifyMath(text, text);
}

TEST(VerifyMath, ReasonsSayWhat) {
  EXPECT_EQ(VerifyMath("5", "").reason, "the response is empty");
  EXPECT_EQ(VerifyMath("", "5").reason, "the gold answer is empty");
  EXPECT_EQ(VerifyMath("5", "\\boxed{}").reason, "the last \\boxed{} is empty");
  EXPECT_EQ(VerifyMath("5", "\\boxed{5").reason, "the last \\boxed{} does not end");
  EXPECT_EQ(VerifyMath("5", "\\boxed{6}").reason, "\"6\" is not the same as the gold answer");
  EXPECT_EQ(VerifyMath("5", "<think>\\boxed{5}").reason, "the thinking does not end");
  EXPECT_EQ(VerifyMath("5", "\\boxed{\\foo}").reason, "\"\\foo\" cannot be read: \\foo is no command known here");
  EXPECT_EQ(VerifyMath("\\foo{3", "\\boxed{5}").reason,
            "the gold answer \"\\foo{3\" cannot be read: \\foo is no command known here");
}

// A backslash that a line end left behind says nothing.
TEST(VerifyMath, TrailingBackslashes) {
  for (const char* gold : {"42", "42\\", "42\\\\", "$42\\$"}) {
    for (const char* response : {"42", "42\\", "42\\\\", "\\boxed{42\\\\}"}) {
      EXPECT_EQ(VerifyMath(gold, response).value, 1) << gold << " " << response;
    }
    EXPECT_EQ(VerifyMath(gold, "43\\").value, 0) << gold;
  }
}

TEST(VerifyMath, TheSameTextAlwaysAgrees) {
  const std::vector<std::string> texts = {"The function is increasing on the whole real line.", "\\foo{3}", "3 or 4",
                                          "\\begin{tikzpicture} a \\end{tikzpicture}", "f(x)=|x| for x<0, else 2"};
  for (const std::string& text : texts) {
    EXPECT_EQ(VerifyMath(text, "So it is \\boxed{" + text + "}.").value, 1) << text;
    EXPECT_EQ(VerifyMath(text, text).value, 1) << text;
    EXPECT_EQ(VerifyMath(text, "\\boxed{17}").value, 0) << text;
  }
  EXPECT_EQ(VerifyMath("", "").value, 0);
}

TEST(VerifyMath, SeveralGoldAnswers) {
  const std::vector<std::string> golds = {"\\foo", "\\frac{1}{2}", "(B)"};
  EXPECT_EQ(VerifyMath(golds, "\\boxed{0.5}").value, 1);
  EXPECT_EQ(VerifyMath(golds, "\\boxed{B}").value, 1);
  const MathScore wrong = VerifyMath(golds, "\\boxed{0.6}");
  EXPECT_EQ(wrong.value, 0);
  EXPECT_FALSE(wrong.gold_unreadable);
  EXPECT_EQ(wrong.reason, "\"0.6\" is not the same as the gold answer");
  EXPECT_TRUE(VerifyMath(std::vector<std::string>{}, "5").gold_unreadable);
  EXPECT_TRUE(VerifyMath(std::vector<std::string>{"", "\\foo{"}, "5").gold_unreadable);
}

TEST(VerifyMath, GoldAnswersThatNoResponseCanMatch) {
  std::string reason;
  for (const char* gold : {"5", "\\frac{1}{2}", "(B)", "C", "yes", "no solution", "Monday", "x = 3", "\\boxed{7}",
                           "The answer is 12.", "7:30 PM"}) {
    EXPECT_EQ(ClassifyGold(gold, &reason), GoldKind::kReadable) << gold;
    EXPECT_FALSE(VerifyMath(gold, "\\boxed{1234567}").gold_unreadable) << gold;
  }
  for (const char* gold : {"", "  ", "\\boxed{}"}) EXPECT_EQ(ClassifyGold(gold, &reason), GoldKind::kEmpty) << gold;
  for (const char* gold :
       {"The function is increasing for all positive values of its argument",
        "By walking along the river for a long time", "By induction the claim holds for every member of the family"}) {
    EXPECT_EQ(ClassifyGold(gold, &reason), GoldKind::kProse) << gold;
    EXPECT_EQ(reason, "it is a sentence");
    EXPECT_TRUE(VerifyMath(gold, "\\boxed{1234567}").gold_unreadable) << gold;
  }
  EXPECT_EQ(ClassifyGold("\\foo{3", &reason), GoldKind::kUnreadable);
  EXPECT_EQ(reason, "\\foo is no command known here");
}

TEST(Words, NumbersAndChanges) {
  EXPECT_TRUE(IsNumberWord("seventeen"));
  EXPECT_TRUE(IsNumberWord("thirds"));
  EXPECT_FALSE(IsNumberWord("apples"));
  EXPECT_EQ(ChangingWord("possible values", WordPlace::kAfter), "");
  EXPECT_EQ(ChangingWord("two-digit numbers", WordPlace::kAfter), "");
  EXPECT_EQ(ChangingWord("cm squared", WordPlace::kAfter), "");
  EXPECT_EQ(ChangingWord("squared", WordPlace::kAfter), "squared");
  EXPECT_EQ(ChangingWord("or more", WordPlace::kAfter), "or");
  EXPECT_EQ(ChangingWord("at least", WordPlace::kBefore), "least");
  EXPECT_EQ(ChangingWord("distance between A and B", WordPlace::kLabel), "");
  EXPECT_EQ(ChangingWord("the square of", WordPlace::kLabel), "of");
  EXPECT_EQ(SplitWords("It's a two-digit number."), (std::vector<std::string>{"it's", "a", "two-digit", "number"}));
}

TEST(VerifyMath, SameFromSeveralThreads) {
  const std::vector<Case> cases = ReadCases();
  std::vector<std::vector<double>> scores(4);
  std::vector<std::thread> threads;
  for (auto& mine : scores) {
    threads.emplace_back([&cases, &mine] {
      for (const Case& c : cases) mine.push_back(VerifyMath(c.gold, c.response).value);
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& other : scores) EXPECT_EQ(other, scores[0]);
}

TEST(FinalAnswer, BoxesFormulasSentences) {
  std::string reason;
  using Texts = std::vector<std::string>;
  EXPECT_EQ(FinalAnswers("a \\boxed{1} b \\boxed{\\frac{1}{2}}.", &reason), Texts{"\\frac{1}{2}"});
  EXPECT_EQ(FinalAnswers("\\boxed{1}, \\boxed{2} and $\\boxed{3}$", &reason), Texts{"1, 2 and 3"});
  EXPECT_EQ(FinalAnswers("\\boxed{\\{1\\}}", &reason), Texts{"\\{1\\}"});
  EXPECT_EQ(FinalAnswers("the answer is $x$ and $y$.", &reason), Texts{"x and y"});
  EXPECT_EQ(FinalAnswers("The answer is 5 apples. So there.", &reason), (Texts{"5 apples", "5"}));
  EXPECT_EQ(FinalAnswers("Two costs: $3 and $4, in all 7.", &reason).size(), 2u);
}

ExprPtr ReadOne(const std::string& text) {
  std::string reason;
  const auto readings = ReadMath(text, &reason);
  EXPECT_FALSE(readings.empty()) << text << ": " << reason;
  return readings.empty() ? MakeNumber(0) : readings[0];
}

TEST(Evaluate, ExactOnlyWhatIsRational) {
  Budget budget(1 << 20);
  EXPECT_EQ(*ExactValue(*ReadOne("\\frac{1}{3} + \\frac{1}{6}"), &budget), Rational(1, 2));
  EXPECT_EQ(*ExactValue(*ReadOne("2^{-3}"), &budget), Rational(1, 8));
  EXPECT_EQ(*ExactValue(*ReadOne("\\sqrt{\\frac{4}{9}}"), &budget), Rational(2, 3));
  EXPECT_EQ(*ExactValue(*ReadOne("\\sum_{k=0}^{10} \\binom{10}{k}"), &budget), Rational(1024));
  EXPECT_EQ(*ExactValue(*ReadOne("-7 \\bmod 3"), &budget), Rational(-1));
  EXPECT_FALSE(ExactValue(*ReadOne("\\sqrt{2}"), &budget));
  EXPECT_FALSE(ExactValue(*ReadOne("\\frac{1}{0}"), &budget));
  EXPECT_FALSE(ExactValue(*ReadOne("0^0"), &budget));
  EXPECT_FALSE(ExactValue(*ReadOne("x"), &budget));
  EXPECT_FALSE(ExactValue(*ReadOne("2^{200000}"), &budget));
}

// Differences far below double precision are differences.
TEST(Evaluate, NearMisses) {
  Budget budget(1 << 24);
  const auto same = [&](const char* a, const char* b) { return SameValue(*ReadOne(a), *ReadOne(b), &budget); };
  EXPECT_EQ(same("\\sqrt{2}+\\sqrt{3}", "\\sqrt{5+2\\sqrt{6}}"), Equality::kEqual);
  EXPECT_EQ(same("\\sqrt{2}", "\\sqrt{2} + 10^{-70}"), Equality::kDifferent);
  EXPECT_EQ(same("\\sqrt{2}", "\\sqrt{2} + 10^{-200}"), Equality::kDifferent);
  EXPECT_EQ(same("e^{\\pi\\sqrt{163}}", "640320^3+744"), Equality::kDifferent);  // Ramanujan: to 12 decimals
  EXPECT_EQ(same("22\\pi^4", "2143"), Equality::kDifferent);
  EXPECT_EQ(same("x + 10^{-60}", "x"), Equality::kDifferent);
  EXPECT_EQ(same("\\sin \\pi", "0"), Equality::kEqual);
  EXPECT_EQ(same("(\\sqrt{2}+1)^{100}(\\sqrt{2}-1)^{100}", "1"), Equality::kEqual);
  EXPECT_EQ(same("e^{-700}", "e^{-701}"), Equality::kDifferent);
  EXPECT_EQ(same("10^{400}\\pi", "10^{400}\\pi+1"), Equality::kUnknown);
}

TEST(Evaluate, BudgetEnds) {
  Budget budget(1000);
  EXPECT_THROW(SameValue(*ReadOne("\\sin(\\cos(\\sin 1))"), *ReadOne("\\cos(\\sin(\\cos 1))"), &budget), Error);
}

}  // namespace
}  // namespace fulgur

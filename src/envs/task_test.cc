#include "envs/task.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "envs/answer.h"
#include "envs/describe.h"
#include "envs/instance.h"
#include "envs/words.h"

namespace fulgur {
namespace {

// Tokens the bundled model's tokenizer needs at most, about: a word with the space before it, a digit, a run of other
// symbols with the space before it, or white space.
int RoughTokens(const std::string& text) {
  int tokens = 0;
  for (size_t i = 0; i < text.size();) {
    const auto letter = [&](size_t at) {
      return at < text.size() && std::isalpha(static_cast<unsigned char>(text[at]));
    };
    const auto digit = [&](size_t at) {
      return at < text.size() && std::isdigit(static_cast<unsigned char>(text[at]));
    };
    const auto space = [&](size_t at) { return at < text.size() && (text[at] == ' ' || text[at] == '\n'); };
    ++tokens;
    if (letter(i) || (text[i] == ' ' && letter(i + 1))) {
      for (++i; letter(i);) ++i;
    } else if (space(i) || digit(i)) {
      const bool symbols = text[i] == ' ' && i + 1 < text.size() && !space(i + 1) && !digit(i + 1);
      ++i;
      while (symbols && i < text.size() && !space(i) && !digit(i) && !letter(i)) ++i;
    } else {
      while (i < text.size() && !space(i) && !digit(i) && !letter(i)) ++i;
    }
  }
  return tokens;
}

// ---- every task ----

class EveryTask : public testing::TestWithParam<const Task*> {
 protected:
  const Task& task() const { return *GetParam(); }
  template <typename Body>
  void ForEach(int seeds, const Body& body) {
    for (int difficulty = task().min_difficulty(); difficulty <= task().max_difficulty(); ++difficulty) {
      for (int seed = 0; seed < seeds; ++seed) {
        SCOPED_TRACE(fmt::format("{} difficulty {} seed {}", task().name(), difficulty, seed));
        body(task().Generate(seed, difficulty));
        if (HasFatalFailure()) return;
      }
    }
  }
};

TEST_P(EveryTask, DescribesItself) {
  EXPECT_NE(std::string(task().description()), "");
  EXPECT_LE(task().min_difficulty(), task().nano_difficulty());
  EXPECT_LE(task().nano_difficulty(), task().max_difficulty());
  EXPECT_EQ(FindTask(task().name()), &task());
  EXPECT_THROW(task().Generate(0, task().min_difficulty() - 1), Error);
  EXPECT_THROW(task().Generate(0, task().max_difficulty() + 1), Error);
}

TEST_P(EveryTask, TheSameSeedGivesTheSameInstance) {
  ForEach(20, [&](const TaskInstance& instance) {
    const TaskInstance again = task().Generate(instance.seed, instance.difficulty);
    EXPECT_EQ(instance.task, task().name());
    EXPECT_EQ(again.prompt, instance.prompt);
    EXPECT_EQ(again.data, instance.data);
    EXPECT_NE(instance.prompt.find("\\boxed{}"), std::string::npos) << instance.prompt;
    // The bundled model has a short context; beyond its levels a problem may take more room.
    EXPECT_LE(instance.prompt.size(), instance.difficulty <= task().nano_difficulty() ? 700u : 4000u);
  });
}

// The keys that the objects of the data have, those of lists' objects too.
void CheckForms(const std::vector<DataKey>& keys) {
  std::set<std::string> names;
  for (const DataKey& key : keys) {
    EXPECT_TRUE(names.insert(key.name).second) << key.name;
    EXPECT_NE(std::string(key.form), "");
    CheckForms(key.keys);
  }
}

// The error that both scoring and solving end with.
std::string ErrorOf(const Task& task, const TaskInstance& instance) {
  std::string what;
  try {
    task.Verify(instance, "\\boxed{1}");
    ADD_FAILURE() << "no error for " << instance.data.dump();
  } catch (const Error& error) {
    what = error.what();
  }
  EXPECT_THROW(task.Solve(instance), Error) << instance.data.dump();
  return what;
}

TEST_P(EveryTask, AKeyThatItDoesNotKnowIsAnErrorThatNamesItAndTheKnownOnes) {
  CheckForms(task().DataKeys());
  for (int difficulty = task().min_difficulty(); difficulty <= task().max_difficulty(); ++difficulty) {
    const TaskInstance instance = task().Generate(1, difficulty);
    TaskInstance changed = instance;
    changed.data["backwards"] = true;
    const std::string what = ErrorOf(task(), changed);
    EXPECT_NE(what.find("\"backwards\""), std::string::npos) << what;
    for (const DataKey& key : task().DataKeys()) {
      EXPECT_NE(what.find(fmt::format("\"{}\"", key.name)), std::string::npos) << what;
    }
    for (const DataKey& key : task().DataKeys()) {
      if (!instance.data.contains(key.name)) continue;
      changed = instance;
      if (!key.optional) {
        changed.data.erase(key.name);
        EXPECT_NE(ErrorOf(task(), changed).find(fmt::format("\"{}\"", key.name)), std::string::npos);
      }
      if (key.keys.empty()) continue;
      changed = instance;
      Json& value = changed.data[key.name];
      (value.is_array() ? value[0] : value)["backwards"] = true;
      EXPECT_NE(ErrorOf(task(), changed).find("\"backwards\""), std::string::npos);
    }
  }
}

TEST_P(EveryTask, DifferentSeedsDiffer) {
  for (int difficulty = task().min_difficulty(); difficulty <= task().max_difficulty(); ++difficulty) {
    std::set<std::string> keys;
    for (int seed = 0; seed < 200; ++seed) keys.insert(task().Key(task().Generate(seed, difficulty)));
    EXPECT_GE(keys.size(), 90u) << "difficulty " << difficulty;
  }
}

TEST_P(EveryTask, ItsSolutionScoresOne) {
  ForEach(100, [&](const TaskInstance& instance) {
    const Solution solution = task().Solve(instance);
    const Score score = task().Verify(instance, solution.answer);
    EXPECT_EQ(score.value, 1) << score.reason << "\n" << solution.answer;
    EXPECT_NE(solution.thinking, "");
    EXPECT_EQ(solution.thinking.find("\\boxed"), std::string::npos);
    EXPECT_EQ(solution.thinking.find("<"
                                     "/think>"),
              std::string::npos);
    EXPECT_NE(solution.thinking.back(), '\n');
    // An earlier box does not count, nor does what follows the last.
    EXPECT_EQ(task().Verify(instance, "\\boxed{never} " + solution.answer + " So it is.").value, 1);
    EXPECT_EQ(task().Verify(instance, solution.answer + " Or rather \\boxed{never}").value, 0);
    // The data is enough.
    TaskInstance bare;
    bare.task = instance.task;
    bare.data = ParseJson(instance.data.dump(), "data");
    EXPECT_EQ(task().Verify(bare, solution.answer).value, 1);
    EXPECT_EQ(task().Solve(bare).thinking, solution.thinking);
    EXPECT_EQ(task().Key(bare), task().Key(instance));
  });
}

TEST_P(EveryTask, OtherAnswersScoreZero) {
  const std::string many(200'000, '9'), open(100'000, '('), braces(100'000, '{');
  ForEach(20, [&](const TaskInstance& instance) {
    std::string content;
    const std::string answer = task().Solve(instance).answer;
    ASSERT_TRUE(LastBoxed(answer, &content));
    const std::vector<std::string> wrong = {
        "",
        "no idea",
        content,          // no box
        instance.prompt,  // the prompt's own empty box
        "\\boxed{" + instance.prompt + "}",
        "\\boxed{}",
        "\\boxed{ }",
        "\\boxed{" + content,  // does not end
        "\\boxed{" + content + content + "}",
        "\\boxed{" + content + "; " + content + "}",  // twice
        "\\boxed{" + content + " or 17}",
        "\\boxed{" + content + "x}",
        "\\boxed{x" + content + "}",
        "\\boxed{" + content + std::string(1, '\0') + "}",
        "\\boxed{" + std::string(1, '\0') + content + "}",
        "\\boxed{" + content + "\xff}",
        "\\boxed{nan}",
        "\\boxed{NaN}",
        "\\boxed{inf}",
        "\\boxed{1e999}",
        "\\boxed{0x10}",
        "\\boxed{-0}",
        "\\boxed{" + instance.data.dump() + "}",
        "\\boxed{" + many + "}",
        "\\boxed{" + open + "}",
        "\\boxed{" + braces + "}",
        "\\boxed{\\frac{\\frac{\\frac{}}}}",
        "\\boxed{\\}",
        "\\boxed{{}{}{}}}}}",
        "\\boxed{\\text{\\text{\\text{}}}}",
        "\\boxed{\xe2\x88}",
        many,
        "\\boxed",
        "\\boxed{" + content.substr(0, content.size() - 1) + "}",
    };
    for (const std::string& response : wrong) {
      Score score;
      ASSERT_NO_THROW(score = task().Verify(instance, response)) << response.substr(0, 200);
      EXPECT_EQ(score.value, 0) << response.substr(0, 200);
      EXPECT_NE(score.reason, "");
    }
  });
}

TEST_P(EveryTask, NoOtherInstanceTakesTheAnswerForGranted) {
  // Answers of other instances are almost always wrong: a verifier that says yes to anything well formed would show.
  for (int difficulty = task().min_difficulty(); difficulty <= task().max_difficulty(); ++difficulty) {
    int accepted = 0, pairs = 0;
    for (int seed = 0; seed < 40; ++seed) {
      const TaskInstance a = task().Generate(seed, difficulty), b = task().Generate(seed + 1000, difficulty);
      accepted += task().Verify(a, task().Solve(b).answer).value > 0;
      ++pairs;
    }
    EXPECT_LE(accepted, pairs * 3 / 4) << "difficulty " << difficulty;
  }
}

TEST_P(EveryTask, MutilatedAnswersAreJudgedQuietly) {
  Rng rng(7);
  ForEach(5, [&](const TaskInstance& instance) {
    const std::string answer = task().Solve(instance).answer;
    for (int i = 0; i < 50; ++i) {
      std::string text = answer;
      for (int64_t edits = rng.Int(1, 4); edits > 0 && !text.empty(); --edits) {
        const size_t at = rng.Below(text.size());
        switch (rng.Below(3)) {
          case 0:
            text.erase(at, 1);
            break;
          case 1:
            text[at] = static_cast<char>(rng.Below(256));
            break;
          default:
            text.insert(at, 1, static_cast<char>(rng.Below(256)));
        }
      }
      ASSERT_NO_THROW(task().Verify(instance, text)) << text;
    }
  });
}

TEST_P(EveryTask, LongTextsTakeLinearTime) {
  const TaskInstance instance = task().Generate(1, task().max_difficulty());
  std::string text;
  while (text.size() < 4'000'000) text += "\\boxed{\\text{(((1+";
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(task().Verify(instance, text).value, 0);
  EXPECT_EQ(task().Verify(instance, "\\boxed{" + text + "}").value, 0);
  // A quadratic scan would take hours.
  EXPECT_LT(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(), 20);
}

TEST_P(EveryTask, TheSplitIsDisjoint) {
  for (int difficulty = task().min_difficulty(); difficulty <= task().max_difficulty(); ++difficulty) {
    std::set<std::string> train, test;
    for (int seed = 0; seed < 100; ++seed) {
      const TaskInstance seen = GenerateTrain(task(), seed, difficulty), held = GenerateTest(task(), seed, difficulty);
      EXPECT_FALSE(HeldOut(seen));
      EXPECT_TRUE(HeldOut(held));
      for (const TrainPart part : {TrainPart::kSupervised, TrainPart::kReinforcement}) {
        const TaskInstance half = GenerateTrain(task(), seed, difficulty, part);
        EXPECT_FALSE(HeldOut(half));
        EXPECT_EQ(PartOf(half), part);
      }
      EXPECT_EQ(task().Generate(held.seed, difficulty).prompt, held.prompt);
      train.insert(task().Key(seen));
      test.insert(task().Key(held));
    }
    for (const std::string& key : test) EXPECT_EQ(train.count(key), 0u) << key;
    EXPECT_GE(test.size(), 5u) << "difficulty " << difficulty;
  }
}

TEST_P(EveryTask, ThinkingIsShortEnoughForTheBundledModel) {
  int64_t characters = 0, tokens = 0;
  int most_characters = 0, most_tokens = 0;
  constexpr int kSeeds = 500;
  for (int seed = 0; seed < kSeeds; ++seed) {
    const std::string thinking = task().Solve(task().Generate(seed, task().nano_difficulty())).thinking;
    const int length = static_cast<int>(thinking.size()), rough = RoughTokens(thinking);
    characters += length;
    tokens += rough;
    most_characters = std::max(most_characters, length);
    most_tokens = std::max(most_tokens, rough);
  }
  fmt::print("{} at difficulty {}: thinking of {} characters (at most {}), about {} tokens (at most {})\n",
             task().name(), task().nano_difficulty(), characters / kSeeds, most_characters, tokens / kSeeds,
             most_tokens);
  EXPECT_LE(most_characters, 750);
  EXPECT_LE(most_tokens, 250);
}

INSTANTIATE_TEST_SUITE_P(Registry, EveryTask, testing::ValuesIn(AllTasks()),
                         [](const auto& info) { return std::string(info.param->name()); });

// ---- the registry ----

TEST(Registry, HasTheTasksByName) {
  std::vector<std::string> names;
  for (const Task* task : AllTasks()) names.push_back(task->name());
  EXPECT_TRUE(std::is_sorted(names.begin(), names.end()));
  for (const char* name : {"addition", "boolean_expressions", "cipher", "countdown", "dyck_language", "futoshiki",
                           "multiplication", "object_counting", "word_sorting"}) {
    EXPECT_NE(FindTask(name), nullptr) << name;
  }
  EXPECT_EQ(FindTask("chess"), nullptr);
  try {
    GetTask("chess");
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("addition, "), std::string::npos) << error.what();
  }
}

TEST(Registry, HoldsOutAboutOneInSixteen) {
  int held = 0;
  constexpr int kSeeds = 4000;
  for (int seed = 0; seed < kSeeds; ++seed) held += HeldOut(GetTask("addition").Generate(seed, 4));
  EXPECT_NEAR(held, kSeeds / 16, 60);
}

TEST(Registry, TheSplitDoesNotDependOnOrderThatDoesNotMatter) {
  TaskInstance a, b;
  a.task = b.task = "addition";
  a.data = {{"a", 12}, {"b", 345}, {"op", "+"}};
  b.data = {{"a", 345}, {"b", 12}, {"op", "+"}};
  EXPECT_EQ(GetTask("addition").Key(a), GetTask("addition").Key(b));
  a.data["op"] = b.data["op"] = "-";
  EXPECT_NE(GetTask("addition").Key(a), GetTask("addition").Key(b));
}

// ---- instances as JSON ----

TEST(Instances, SeedsSurviveReadersWhoseNumbersAreDoubles) {
  for (const uint64_t seed : {uint64_t{0}, uint64_t{7}, (uint64_t{1} << 53) - 1, uint64_t{1} << 53, ~uint64_t{0}}) {
    const Json json = SeedToJson(seed);
    EXPECT_EQ(json.is_number(), seed < uint64_t{1} << 53);
    EXPECT_EQ(SeedFromJson(json, "test"), seed);
    EXPECT_EQ(SeedFromJson(ParseJson(json.dump(), "test"), "test"), seed);
    EXPECT_EQ(SeedFromJson(Json(seed), "test"), seed);  // as they were written once
    EXPECT_EQ(SeedFromJson(Json(std::to_string(seed)), "test"), seed);
    if (json.is_number()) {
      EXPECT_EQ(static_cast<uint64_t>(json.get<double>()), seed);
    }
  }
  for (const char* wrong : {"-1", "1.5", "\"\"", "\"-1\"", "\"1.5\"", "\"0x1\"", "\"18446744073709551616\"", "\" 1\"",
                            "null", "true", "[1]"}) {
    EXPECT_THROW(SeedFromJson(ParseJson(wrong, "test"), "test"), Error) << wrong;
  }
}

TEST_P(EveryTask, AnInstanceIsTheSameAfterJson) {
  ForEach(3, [&](const TaskInstance& instance) {
    const TaskInstance again = InstanceFromJson(ParseJson(InstanceToJson(instance).dump(), "test"), "test");
    EXPECT_EQ(again.task, instance.task);
    EXPECT_EQ(again.seed, instance.seed);
    EXPECT_EQ(again.difficulty, instance.difficulty);
    EXPECT_EQ(again.prompt, instance.prompt);
    EXPECT_EQ(again.data, instance.data);
  });
}

TEST(Instances, ThePageOnTheirDataIsWhatTheTasksSay) {
  EXPECT_EQ(ReadFile(std::filesystem::path(FULGUR_SOURCE_DIR) / "docs" / "task-data.md"), DescribeAllTasks())
      << "fulgur env describe --markdown > docs/task-data.md";
}

// ---- one table of answers a task ----

struct Case {
  const char* task;
  Json data;
  std::string box;
  double score;
};

void Check(const Case& c) {
  TaskInstance instance;
  instance.task = c.task;
  instance.data = c.data;
  const Score score = GetTask(c.task).Verify(instance, "So \\boxed{" + c.box + "}.");
  EXPECT_EQ(score.value, c.score) << c.task << " " << c.data.dump() << " \"" << c.box << "\": " << score.reason;
}

TEST(Verify, Integers) {
  const Json plus = {{"a", 1200}, {"b", 34}, {"op", "+"}}, minus = {{"a", 34}, {"b", 1200}, {"op", "-"}};
  for (const char* box : {"1234", " 1234 ", "1,234", "1{,}234", "+1234", "$1234$", "\\text{1234}", "\\mathbf{1,234}"}) {
    Check({"addition", plus, box, 1});
  }
  for (const char* box : {"01234",
                          "12,34",
                          ",234",
                          "1,23,4",
                          "1234.0",
                          "1234.",
                          "1234,",
                          "12 34",
                          "1234 1234",
                          "1235",
                          "-1234",
                          "1200+34",
                          "--1234",
                          "1234e0",
                          "0x4d2",
                          "one",
                          "1234=1234",
                          "1\xcb\x99"
                          "234",
                          "99999999999999999999999999",
                          "1 234",
                          "\\1234",
                          "1234/1"}) {
    Check({"addition", plus, box, 0});
  }
  for (const char* box : {"-1166",
                          "\xe2\x88\x92"
                          "1,166",
                          "- 1166"})
    Check({"addition", minus, box, 1});
  for (const char* box : {"1166", "--1166", "(-1166)", "-01166"}) Check({"addition", minus, box, 0});
  Check({"multiplication", {{"a", 47}, {"b", 36}}, "1692", 1});
  Check({"multiplication", {{"a", 47}, {"b", 36}}, "47*36", 0});
  const Json things = {{"kind", "fruits"}, {"list", {"two pears", "a drum", "a plum"}}};
  Check({"object_counting", things, "3", 1});
  for (const char* box : {"three", "4", "3 fruits", "2+1", "3, 4"}) Check({"object_counting", things, box, 0});
}

TEST(Verify, Countdown) {
  const Json data = {{"numbers", {25, 7, 3}}, {"target", 21}};
  for (const char* box :
       {"25-7+3", "(25-7)+3", "3+25-7", "25 - 7 + 3 = 21", "25-(7-3)", "{25-7}+3", "[25-7]+3", "\\left(25-7\\right)+3",
        "3+(25\xe2\x88\x92"
        "7)",
        "((((25))))-7+3", "$25-7+3$", "-7+25+3", "-(7-25)+3", "-(-(25-7+3))", "25+-7+3", "-7--25--3"}) {
    Check({"countdown", data, box, 1});
  }
  for (const char* box : {"21",
                          "7*3",
                          "25-7+3+0",
                          "25-7+3=22",
                          "=21",
                          "25-7+3=",
                          "25-7+3==21",
                          "25-7+3=21=21",
                          "25-4",
                          "18+3",
                          "25-7",
                          "25-7+03",
                          "025-7+3",
                          "25-7+3.0",
                          "25-7+3e0",
                          "(25-7+3",
                          "25-7+3)",
                          "25--7+3",
                          "-(25-7+3)",
                          "-25-7+3",
                          "25-7+-3",
                          "-",
                          "25-7+3-",
                          "25-7+3-0",
                          "25-7+3, 25-7+3",
                          "25-7+3 25-7+3",
                          "25-7 3",
                          "25-7+",
                          "()",
                          "25/0",
                          "7*3*(25-25)",
                          "25^1-7+3",
                          "25-7+3!",
                          "2 5-7+3",
                          "sqrt(25)",
                          "21+0*(25+7+3)",
                          "25-7+3=21;",
                          "\\frac{25}{7}",
                          "25-7+three",
                          "25-7+3\\\\",
                          "7*3+25-25",
                          "x=25-7+3"}) {
    Check({"countdown", data, box, 0});
  }
  // Fractions on the way are exact: 8/(3-8/3) = 24.
  const Json fractions = {{"numbers", {8, 8, 3, 3}}, {"target", 24}};
  Check({"countdown", fractions, "8/(3-8/3)", 1});
  Check({"countdown", fractions, "\\frac{8}{3-\\frac{8}{3}}", 1});
  Check({"countdown", fractions, "8 \\div (3 - 8 \xc3\xb7 3)", 1});
  Check({"countdown", fractions, "8/(8-8)*3", 0});
  Check({"countdown", fractions, "8/(3-3)+8", 0});
  Check({"countdown", {{"numbers", {3, 4, 2}}, {"target", 24}}, "3 \\times 4 \\cdot 2", 1});
  Check({"countdown",
         {{"numbers", {3, 4, 2}}, {"target", 24}},
         "3\xc3\x97"
         "4*2",
         1});
  // Numbers from outside may be large; their products do not overflow silently.
  const Json large = {{"numbers", {1000000, 1000000, 1000000, 999999}}, {"target", 7}};
  Check({"countdown", large, "1000000*1000000*1000000*999999", 0});
  Check({"countdown", data, std::string(2000, '(') + "25-7+3" + std::string(2000, ')'), 0});
}

TEST(Verify, WordSorting) {
  const Json data = {{"words", {"pear", "apple", "fig", "apple"}}};
  for (const char* box : {"apple apple fig pear", "apple, apple, fig, pear", "Apple,apple,Fig,Pear",
                          "\\text{apple, apple, fig, pear}", "apple\napple\nfig\npear", "apple; apple; fig; pear"}) {
    Check({"word_sorting", data, box, 1});
  }
  for (const char* box :
       {"apple fig pear", "apple apple fig", "apple apple fig pear pear", "pear fig apple apple", "appleapplefigpear",
        "apple apple fig pears", "1 apple 2 apple 3 fig 4 pear", "apple apple fig pear apple apple fig pear"}) {
    Check({"word_sorting", data, box, 0});
  }
}

TEST(Verify, DyckLanguage) {
  const Json data = {{"symbols", "( [ ] < ("}};
  for (const char* box : {") > )", ")>)", ") , > , )", ") \\rangle )", ") \\gt )", "$)>)$"}) {
    Check({"dyck_language", data, box, 1});
  }
  for (const char* box : {") >", ") > ) )", "( [ ] < ( ) > )", ") ) >", ") > ) ( )", "> ) )", ") ] > )", "none"}) {
    Check({"dyck_language", data, box, 0});
  }
}

TEST(Verify, BooleanExpressions) {
  const Json data = {{"expression", "not ( True and False ) or False"}};
  for (const char* box : {"True", "true", "TRUE", "\\text{True}", " \\mathrm{true} "}) {
    Check({"boolean_expressions", data, box, 1});
  }
  for (const char* box : {"False", "T", "1", "True or False", "True False", "not False", "True.", "trueTrue"}) {
    Check({"boolean_expressions", data, box, 0});
  }
}

TEST(Verify, Cipher) {
  const Json data = {{"text", "fdw"}, {"shift", 3}, {"reverse", false}};
  for (const char* box : {"c a t", "cat", "C A T", "c, a, t", "\\text{cat}"}) Check({"cipher", data, box, 1});
  for (const char* box : {"f d w", "ca t", "c at", "cats", "c a t c a t", "tac", "c a", "c-a-t"}) {
    Check({"cipher", data, box, 0});
  }
}

TEST(Verify, ClockArithmetic) {
  const Json data = {{"start", 23 * 60 + 50}, {"steps", {75}}};
  for (const char* box : {"1:05", "01:05", "\\text{01:05}", "1:05 am", "1:05 AM", "01:05am", "1:05 a.m.",
                          "1:05\\text{ AM}", "1:05\\,\\text{a.m.}"}) {
    Check({"clock_arithmetic", data, box, 1});
  }
  for (const char* box : {"25:05", "1:5", "001:05", "1.05", "105", "1:05 1:05", "1:05:00", "13:05", "1:05 pm", ":05",
                          "1:", "1:65", "-1:05", "01:005", "13:05 am", "am", "1:05 am am", "am 1:05", "1:05 m"}) {
    Check({"clock_arithmetic", data, box, 0});
  }
  const auto at = [](int64_t minutes) { return Json{{"start", minutes}, {"steps", {1}}}; };
  Check({"clock_arithmetic", at(43), "12:44 AM", 1});
  Check({"clock_arithmetic", at(43), "0:44 am", 1});
  Check({"clock_arithmetic", at(43), "12:44", 0});
  Check({"clock_arithmetic", at(43), "12:44 PM", 0});
  Check({"clock_arithmetic", at(12 * 60 + 43), "12:44 pm", 1});
  Check({"clock_arithmetic", at(12 * 60 + 43), "0:44 pm", 0});
  Check({"clock_arithmetic", at(12 * 60 + 43), "12:44 am", 0});
  Check({"clock_arithmetic", at(17 * 60 + 43), "5:44 p.m.", 1});
  Check({"clock_arithmetic", at(17 * 60 + 43), "17:44 pm", 0});
}

TEST(Verify, Futoshiki) {
  const Json data = {{"grid", "1234 2143 3400 4300"}, {"comparisons", {"c3<c4"}}};
  for (const char* box : {"1234 2143 3412 4321", "1234, 2143, 3412, 4321", "1 2 3 4 / 2 1 4 3 / 3 4 1 2 / 4 3 2 1",
                          "1234\n2143\n3412\n4321", "1 & 2 & 3 & 4 \\\\ 2143 \\\\ 3412 \\\\ 4321"}) {
    Check({"futoshiki", data, box, 1});
  }
  for (const char* box : {"1234 2143 3421 4312", "1234 2143 3400 4300", "1234 2143 3412", "1234 2143 3412 4321 1",
                          "2143 1234 3412 4321", "1234 2143 3412 4322", "1234 2143 3412 432x", "1234 2143 3415 4321"}) {
    Check({"futoshiki", data, box, 0});
  }
  // Two right answers: both count.
  const Json open = {{"grid", "1234 2143 3400 4300"}, {"comparisons", Json::array()}};
  Check({"futoshiki", open, "1234 2143 3412 4321", 1});
  Check({"futoshiki", open, "1234 2143 3421 4312", 1});
}

TEST(Verify, WrongDataIsAnErrorThatNamesIt) {
  const auto fails = [](const char* task, Json data) {
    TaskInstance instance;
    instance.task = task;
    instance.data = std::move(data);
    EXPECT_THROW(GetTask(task).Verify(instance, "\\boxed{1}"), Error) << task << instance.data.dump();
    EXPECT_THROW(GetTask(task).Solve(instance), Error) << task << instance.data.dump();
  };
  for (const Task* task : AllTasks()) {
    for (const char* data : {"null", "1", "[]", "{}", "[1]", "\"x\""}) fails(task->name(), ParseJson(data, "test"));
  }
  fails("addition", {{"a", -1}, {"b", 2}, {"op", "+"}});
  fails("addition", {{"a", 1}, {"b", 2}, {"op", "*"}});
  fails("multiplication", {{"a", 1e12}, {"b", 2}});
  fails("countdown", {{"numbers", {1, 2}}, {"target", 3}});
  fails("countdown", {{"numbers", {1, 2, 0}}, {"target", 3}});
  fails("countdown", {{"numbers", {1, 2, "3"}}, {"target", 3}});
  fails("dyck_language", {{"symbols", "( ]"}});
  fails("dyck_language", {{"symbols", ")"}});
  fails("dyck_language", {{"symbols", "( )"}});
  fails("dyck_language", {{"symbols", "( x"}});
  fails("boolean_expressions", {{"expression", "True and"}});
  fails("boolean_expressions", {{"expression", "( True"}});
  fails("boolean_expressions", {{"expression", "True and True or True"}});
  fails("boolean_expressions", {{"expression", "( True )"}});
  fails("boolean_expressions", {{"expression", ""}});
  fails("word_sorting", {{"words", Json::array()}});
  fails("word_sorting", {{"words", {"two words"}}});
  fails("object_counting", {{"kind", "cars"}, {"list", {"a drum"}}});
  fails("object_counting", {{"kind", "fruits"}, {"list", {"ten pears"}}});
  fails("cipher", {{"text", "ABC"}, {"shift", 1}, {"reverse", false}});
  fails("cipher", {{"text", "abc"}, {"shift", 26}, {"reverse", false}});
  fails("clock_arithmetic", {{"start", 1440}, {"steps", {1}}});
  fails("clock_arithmetic", {{"start", 0}, {"steps", {100000}}});
  fails("futoshiki", {{"grid", "1234"}, {"comparisons", Json::array()}});
  fails("futoshiki", {{"grid", "1234 2143 3400 4300"}, {"comparisons", {"c3<e4"}}});
}

// ---- the parsers ----

TEST(LastBoxed, TakesTheLastAndMatchesBraces) {
  const auto boxed = [](std::string_view text) {
    std::string content = "(none)";
    LastBoxed(text, &content);
    return content;
  };
  EXPECT_EQ(boxed("\\boxed{1} and \\boxed{ 2 }"), "2");
  EXPECT_EQ(boxed("\\boxed{a{b{c}}d} }"), "a{b{c}}d");
  EXPECT_EQ(boxed("\\boxed{a\\}b}"), "a\\}b");
  EXPECT_EQ(boxed("\\boxed{\\boxed{5}}"), "5");
  EXPECT_EQ(boxed("\\boxed{}"), "");
  EXPECT_EQ(boxed("\\boxed{1} \\boxed{2"), "(none)");
  EXPECT_EQ(boxed("\\boxed 1"), "(none)");
  EXPECT_EQ(boxed("boxed{1}"), "(none)");
  EXPECT_EQ(boxed("\\boxed{\\"), "(none)");
  EXPECT_EQ(boxed(""), "(none)");
}

TEST(PlainAnswer, KeepsWhatItDoesNotKnow) {
  EXPECT_EQ(PlainAnswer("3 \\times 4"), "3 * 4");
  EXPECT_EQ(PlainAnswer("3 \\timesx 4"), "3 \\timesx 4");
  EXPECT_EQ(PlainAnswer("\\text{a{b}c} d"), "a{b}c d");
  EXPECT_EQ(PlainAnswer("\\text {a}"), "\\text {a}");
  EXPECT_EQ(PlainAnswer("\\text{a"), "a");
  EXPECT_EQ(PlainAnswer("\\"), "\\");
  EXPECT_EQ(PlainAnswer("\\left( 1 \\right)"), "( 1 )");
  EXPECT_EQ(PlainAnswer(" $ 1 $ "), "1");
}

TEST(Words, AreDifferentAndLowercase) {
  std::set<std::string_view> words;
  for (const std::string_view word : CommonWords()) {
    EXPECT_TRUE(words.insert(word).second) << word;
    EXPECT_GE(word.size(), 3u);
    EXPECT_LE(word.size(), 7u) << word;
    for (const char c : word) EXPECT_TRUE(c >= 'a' && c <= 'z') << word;
  }
}

// ---- worked solutions in full, one a task: what they look like is what the model learns ----

TEST(WorkedSolution, ColumnArithmetic) {
  EXPECT_EQ(ColumnSum(387, 48),
            "387+48+0: 7+8+0=15 have 5\n"
            "38+4+1: 8+4+1=13 have 35\n"
            "3+0+1: 3+0+1=4 have 435\n");
  EXPECT_EQ(ColumnDifference(402, 57),
            "402-57-0: 2-7-0=-5+10=5 have 5\n"
            "40-5-1: 0-5-1=-6+10=4 have 45\n"
            "4-0-1: 4-0-1=3 have 345\n");
}

std::string Thinking(const char* task, Json data) {
  TaskInstance instance;
  instance.task = task;
  instance.data = std::move(data);
  return GetTask(task).Solve(instance).thinking;
}

TEST(WorkedSolution, Countdown) {
  EXPECT_EQ(Thinking("countdown", {{"numbers", {25, 7, 3}}, {"target", 21}}),
            "25 7 3 to 21\n"
            "25 last 46-25 25-4, 7 3 +10 -4 yes\n"
            "25-4=25-(7-3)");
}

}  // namespace
}  // namespace fulgur

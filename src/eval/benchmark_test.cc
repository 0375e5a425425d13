#include "eval/benchmark.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "base/test_folder.h"

namespace fulgur {
namespace {

using testing::HasSubstr;

std::filesystem::path Data(const std::string& name) {
  return std::filesystem::path(FULGUR_SOURCE_DIR) / "tests/data/eval" / name;
}

struct Loaded {
  std::unique_ptr<Benchmark> set;
  std::vector<BenchmarkItem> items;
  std::optional<PromptFile> prompt;
  std::string Asked(size_t i, int64_t sample = 0) const {
    return set->Messages(items[i], sample, prompt ? &*prompt : nullptr).back()["content"].get<std::string>();
  }
  BenchmarkScore Score(size_t i, const std::string& content, int64_t sample = 0) const {
    BenchmarkAnswer answer;
    answer.content = content;
    return set->Score(items[i], sample, answer);
  }
};

Loaded Load(const std::string& name, const std::string& file, BenchmarkOptions options = {}) {
  Loaded loaded{MakeBenchmark(name, options), {}, {}};
  loaded.items = loaded.set->Read(BenchmarkFile(Data(file)));
  if (!loaded.set->prompt_name().empty()) loaded.prompt = PromptFile::BuiltIn(loaded.set->prompt_name());
  return loaded;
}

TEST(Benchmarks, EveryPromptSaysWhereItIsFrom) {
  EXPECT_GE(BuiltInPrompts().size(), 7u);
  for (const auto& [name, text] : BuiltInPrompts()) EXPECT_NO_THROW(PromptFile(text, name)) << name;
  EXPECT_THROW(PromptFile("user: hello", "x"), Error);
}

TEST(Benchmarks, Aime) {
  const Loaded aime = Load("aime-2024", "aime.jsonl");
  ASSERT_EQ(aime.items.size(), 3u);
  EXPECT_EQ(aime.items[0].id, "made-up-1");
  EXPECT_THAT(aime.Asked(0), HasSubstr("tulips"));
  EXPECT_EQ(aime.Score(0, "So \\boxed{072}.").strict, 1);
  EXPECT_EQ(aime.Score(0, "The answer is 72").official, 1);
  EXPECT_EQ(aime.Score(0, "The answer is 72").strict, 0) << "no box";
  EXPECT_EQ(aime.Score(0, "\\boxed{73}").official, 0);
}

TEST(Benchmarks, Math500) {
  const Loaded math = Load("math-500", "math-500.jsonl");
  EXPECT_EQ(math.Score(0, "\\boxed{\\dfrac56}").official, 1);
  EXPECT_EQ(math.Score(1, "\\boxed{(x+1)(x-1)}").official, 1);
  EXPECT_EQ(math.Score(1, "\\boxed{(x+1)(x-1)}").answer, math.Score(1, "\\boxed{(x-1)(x+1)}").answer);
}

TEST(Benchmarks, GpqaOrdersAreDrawnByItemAndSample) {
  const Loaded gpqa = Load("gpqa-diamond", "gpqa.csv");
  EXPECT_THAT(gpqa.Asked(0), HasSubstr("A) "));
  bool differs = false;
  for (int64_t sample = 0; sample < 8; ++sample) {
    const std::string asked = gpqa.Asked(0, sample);
    EXPECT_EQ(asked, gpqa.Asked(0, sample));
    differs |= asked != gpqa.Asked(0, 0);
    const std::string letter(1, asked[asked.find(") Carbon dioxide") - 1]);
    EXPECT_EQ(gpqa.Score(0, "Answer: " + letter, sample).official, 1);
    EXPECT_EQ(gpqa.Score(0, "**Answer:** " + letter, sample).official, 0) << "the official pattern's flaw";
    EXPECT_EQ(gpqa.Score(0, "**Answer:** " + letter, sample).strict, 1);
    EXPECT_EQ(gpqa.Score(0, "**Answer:** " + letter, sample).answer, "Carbon dioxide");
  }
  EXPECT_TRUE(differs);
  BenchmarkOptions options;
  options.official_order = true;
  const Loaded official = Load("gpqa-diamond", "gpqa.csv", options);
  // The second call of Random(0): 3 1 2 0, so the right choice is last.
  EXPECT_THAT(official.Asked(1), HasSubstr("D) 20 m/s"));
}

TEST(Benchmarks, MmluProHasItsWorkedExamples) {
  BenchmarkOptions options;
  options.examples = Data("mmlu-pro-validation.jsonl");
  const Loaded mmlu = Load("mmlu-pro", "mmlu-pro.jsonl", options);
  EXPECT_THAT(mmlu.Asked(0),
              HasSubstr("A clock shows the hours. The answer is (B).\n\nQuestion: What does a thermometer"));
  EXPECT_THAT(mmlu.Asked(1), testing::Not(HasSubstr("clock")));
  EXPECT_DOUBLE_EQ(mmlu.Score(0, "no idea").official, 0.2) << "what a guess is expected to give";
  EXPECT_EQ(mmlu.Score(0, "I think the answer is (B)").strict, 1);
}

TEST(Benchmarks, Zebra) {
  const Loaded zebra = Load("zebralogic", "zebralogic.jsonl");
  EXPECT_THAT(zebra.Asked(0), HasSubstr("\"House 2\": {\n            \"Name\": \"___\""));
  const std::string right =
      R"({"reasoning": ":}", "solution": {"House 1": {"Name": "Ada", "Pet": "cat"}, "House 2": {"Name": "Bo", "Pet": "dog"}}})";
  EXPECT_EQ(zebra.Score(0, right).official, 0) << "the official code counts the brace in the string";
  EXPECT_EQ(zebra.Score(0, right).strict, 1);
}

TEST(Benchmarks, LongContext) {
  const Loaded mrcr = Load("mrcr", "mrcr.jsonl");
  EXPECT_EQ(mrcr.set->Messages(mrcr.items[0], 0, nullptr).size(), 5u);
  EXPECT_EQ(mrcr.Score(0, "qX7Rain taps on the slate roof.").official, 1);
  EXPECT_EQ(mrcr.Score(0, "Rain taps on the slate roof.").strict, 0);
  const Loaded longbench = Load("longbench-v2", "longbench-v2.jsonl");
  EXPECT_EQ(longbench.Score(0, "The correct answer is (B).").official, 1);
  EXPECT_EQ(longbench.Score(0, "The correct answer is: (B).").official, 0);
  EXPECT_EQ(longbench.Score(0, "The correct answer is: (B).").strict, 1);
}

TEST(Benchmarks, InstructionsAndCode) {
  const Loaded ifeval = Load("ifeval", "ifeval.jsonl");
  EXPECT_EQ(ifeval.Score(0, "crow and wren and also owl").official, 1);
  EXPECT_THAT(ifeval.Score(0, "crow, wren").why, HasSubstr("punctuation:no_comma, length_constraints:number_words"));
  EXPECT_EQ(Load("ifbench", "ifbench.jsonl").Score(0, "hello!").strict, 1);
  const Loaded code = Load("livecodebench", "livecodebench.jsonl");
  EXPECT_TRUE(code.Score(0, "```python\nprint(2 * int(input()))\n```").unjudged);
  EXPECT_THAT(code.Asked(0), HasSubstr("```python\n# YOUR CODE HERE\n```"));
  EXPECT_THAT(code.Asked(1), HasSubstr("```python\nclass Solution:"));
  BenchmarkOptions options;
  options.verdicts = Data("livecodebench-verdicts.jsonl");
  const Loaded judged = Load("livecodebench", "livecodebench.jsonl", options);
  EXPECT_EQ(judged.Score(0, "", 0).official, 1);
  EXPECT_EQ(judged.Score(0, "", 1).official, 0);
  EXPECT_TRUE(judged.Score(0, "", 2).unjudged);
}

TEST(Benchmarks, FinalLetters) {
  EXPECT_EQ(FinalLetter("The answer is A. No: the correct answer is (c).", 4), 'C');
  EXPECT_EQ(FinalLetter("Answer: All of them", 4), std::nullopt);
  EXPECT_EQ(FinalLetter("Final answer: \\boxed{\\text{D}}", 4), 'D');
  EXPECT_EQ(FinalLetter("**B**", 4), 'B');
  EXPECT_EQ(FinalLetter("I am sure", 10), std::nullopt);
  EXPECT_EQ(FinalLetter("the answer is E", 4), std::nullopt);
}

TEST(Benchmarks, FilesThatAreWrongAreTold) {
  TestFolder folder;
  const auto error = [&](const std::string& name, const std::string& text) -> std::string {
    WriteFileAtomic(folder / "x", text);
    try {
      MakeBenchmark(name, {})->Read(BenchmarkFile(folder / "x"));
    } catch (const Error& e) {
      return e.what();
    }
    return "";
  };
  EXPECT_THAT(error("aime-2025", "PAR1\x15"), HasSubstr("read_parquet"));
  EXPECT_THAT(error("aime-2025", R"({"problem": "p", "answer": "1000"})"), HasSubstr("record 1"));
  EXPECT_THAT(error("gpqa-diamond", "Question,Correct Answer\na,b\nc\n"), HasSubstr("record 2: 1 fields"));
  EXPECT_THAT(
      error(
          "zebralogic",
          R"([{"id": "a", "size": "2*2", "puzzle": "p", "solution": {"header": ["House", "N"], "rows": [["1", "___"]]}}])"),
      HasSubstr("blank"));
  EXPECT_THAT(error("ifeval", R"({"prompt": "p", "instruction_id_list": ["a:b"], "kwargs": [{}]})"), HasSubstr("a:b"));
  EXPECT_THAT(error("livecodebench", R"({"question_id": "a", "question_content": "q", "public_test_cases": "[{]"})"),
              HasSubstr("record 1: \"public_test_cases\""));
  EXPECT_THAT(
      error("livecodebench", R"({"question_id": "a", "question_content": "q", "private_test_cases": "eJxrYJkq"})"),
      HasSubstr("record 1: \"private_test_cases\": its base64"));
  EXPECT_THAT(error("mmlu", "{}"), HasSubstr("mmlu-pro"));
}

}  // namespace
}  // namespace fulgur

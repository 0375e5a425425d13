#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/test_folder.h"
#include "code/admit.h"
#include "code/answer_code.h"
#include "code/code_judge.h"
#include "code/code_source.h"
#include "code/compare.h"

namespace fulgur {
namespace {

using testing::HasSubstr;

CodeProblem Read(const std::string& json) { return ReadCodeProblem(ParseJson(json, "test"), "p.jsonl, line 1"); }

void ExpectRefused(const std::string& json, const std::string& why) {
  EXPECT_THAT([&] { Read(json); },
              testing::ThrowsMessage<Error>(testing::AllOf(HasSubstr("p.jsonl, line 1"), HasSubstr(why))))
      << json;
}

// --- formats

TEST(CodeFormatsTest, CodeContests) {
  const CodeProblem p =
      Read(R"({"name": "1_A", "description": "Add.", "public_tests": [{"input": "1 2\n", "output": "3\n"}],
      "private_tests": {"input": ["2 2"], "output": ["4"]}, "generated_tests": [], "time_limit": {"seconds": 1, "nanos": 500000000},
      "memory_limit_bytes": 128000000, "solutions": [{"language": "PYTHON3", "solution": "a"}, {"language": "JAVA", "solution": "b"}],
      "incorrect_solutions": {"language": [2, 3, 1], "solution": ["c", "d", "e"]}})");
  EXPECT_EQ(p.format, "CodeContests");
  EXPECT_EQ(IdText(p.id), "1_A");
  ASSERT_EQ(p.tests.size(), 2u);
  EXPECT_EQ(p.tests[1].output, "4");
  EXPECT_DOUBLE_EQ(p.cpu_seconds, 1.5);
  EXPECT_EQ(p.memory_bytes, 128000000);
  EXPECT_EQ(p.solutions.size(), 1u);
  EXPECT_EQ(p.other_solutions, 1);
  ASSERT_EQ(p.incorrect.size(), 2u);
  EXPECT_EQ(p.incorrect[0].language, Language::kCpp);
}

TEST(CodeFormatsTest, AppsAndTaco) {
  const CodeProblem stdio = Read(
      R"({"problem_id": 7, "question": "q", "input_output": "{\"inputs\": [\"1\\n\", [\"2\", \"3\"]], \"outputs\": [\"1\\n\", [\"5\"]]}",
      "solutions": "[\"print(1)\"]", "time_limit": "2.5 seconds", "memory_limit": "256.0 megabytes"})");
  EXPECT_EQ(IdText(stdio.id), "7");
  EXPECT_EQ(stdio.tests[1].input, "2\n3\n");
  EXPECT_DOUBLE_EQ(stdio.cpu_seconds, 2.5);
  EXPECT_EQ(stdio.memory_bytes, int64_t{256} << 20);
  EXPECT_EQ(stdio.solutions.at(0).code, "print(1)");
  const CodeProblem calls =
      Read(R"({"id": "x", "question": "q", "input_output": {"fn_name": "f", "inputs": [[1, "a"]], "outputs": [[2]]}})");
  EXPECT_EQ(calls.tests[0].kind, CodeTest::Kind::kFunction);
  EXPECT_EQ(calls.tests[0].input, R"([1,"a"])");
  EXPECT_TRUE(calls.alternatives);
}

TEST(CodeFormatsTest, LiveCodeBench) {
  // zlib of a pickled text in base64, as Python 3.11 writes it, protocols 4 and 2.
  for (const char* hidden : {"eJxrYJlqwwABPRbR1UqZeQWlJUpWCkrGMXlKOgpK+aUlUAFLiEBJanFJSWVBKkiouCQlM0+pNnaKHgCWMBRP",
                             "eJxrYIqwYGBgiK5WyswrKC1RslJQMo7JU9JRUMovLYEKWEIESlKLS0oqC1JBQsUlKZl5SrWxhQx6AGKqEyU="}) {
    const CodeProblem p =
        Read(fmt::format(R"({{"question_id": "3", "question_content": "q", "starter_code": "", "public_test_cases":
        "[{{\"input\": \"1\\n[2, 3]\", \"output\": \"true\", \"testtype\": \"functional\"}}]", "private_test_cases": "{}", "metadata": "{{\"func_name\": \"f\"}}"}})",
                         hidden));
    ASSERT_EQ(p.tests.size(), 2u);
    EXPECT_EQ(p.tests[0].input, "[1,[2, 3]]");
    EXPECT_EQ(p.tests[1].output, "9\n");
    EXPECT_EQ(p.cpu_seconds, 6);
  }
  ExpectRefused(fmt::format(R"({{"question_id": "3", "public_test_cases": "[]", "private_test_cases": "{}"}})",
                            "eJxrYJkqzwABPawF+cWZFVN62Iori0tSc6dMntLDUlJUmjqldUrQFD0AA2gOlA=="),
                "pickles are not run");
}

TEST(CodeFormatsTest, CodeforcesHumanEvalMbppAndOwn) {
  const CodeProblem f =
      Read(R"({"id": "1/A", "official_tests": [{"input": "1", "output": "2"}], "time_limit": 1.0, "memory_limit": 256.0,
      "input_mode": "file", "generated_checker": "print(1)\n", "interaction_format": null})");
  EXPECT_EQ(f.input_file, "input.txt");
  EXPECT_EQ(f.checker->language, Language::kPython3);
  const CodeProblem h =
      Read(R"({"task_id": "HumanEval/0", "prompt": "def f(x):\n    \"\"\"d\"\"\"\n", "entry_point": "f",
      "canonical_solution": "    return x\n", "test": "def check(candidate):\n    assert candidate(1) == 1\n"})");
  EXPECT_EQ(h.tests.size(), 1u);
  EXPECT_TRUE(h.forgeable);
  const CodeProblem m = Read(
      R"({"task_id": 11, "text": "t", "code": "def g(x):\n    return x", "test_list": ["assert g(1) == 1", "assert g(2) == 2"]})");
  EXPECT_EQ(m.function, "g");
  EXPECT_EQ(m.tests.size(), 2u);
  const CodeProblem own =
      Read(R"({"id": 1, "prompt": "p", "function": "f", "language": "lua", "tests": [{"input": [[1]], "output": 2}]})");
  EXPECT_EQ(own.language, Language::kLua);
}

TEST(CodeFormatsTest, WhatIsWrongIsNamed) {
  ExpectRefused(R"({"id": 1})", "no known format");
  ExpectRefused(R"({"id": 1, "public_tests": []})", "no tests");
  ExpectRefused(R"({"id": 1, "public_tests": [{"input": "1"}]})", "\"public_tests\"[0]: there is no \"output\"");
  ExpectRefused(R"({"id": 1, "input_output": ""})", "no tests");
  ExpectRefused(R"({"id": 1, "input_output": "{"})", "\"input_output\"");
  ExpectRefused(R"({"id": 1, "input_output": {"inputs": ["1"], "outputs": []}})", "1 inputs and 0 outputs");
  ExpectRefused(R"({"id": 1, "test_list": []})", "test_list");
  ExpectRefused(R"({"id": 1, "official_tests": [{"input": "", "output": ""}], "interaction_format": "ask"})",
                "interactor");
  ExpectRefused(R"({"id": 1, "tests": [{"input": "", "output": ""}], "language": "cobol"})", "cobol");
  ExpectRefused(R"({"id": 1, "tests": [{"input": "", "output": ""}], "time_limit": -1})", "time_limit");
  ExpectRefused(R"({"id": 1, "public_test_cases": "[]", "private_test_cases": "!!"})", "base64");
}

TEST(CodeFormatsTest, TwoProblemsOfOneId) {
  const TestFolder folder;
  const auto file = folder / "p.jsonl";
  std::ofstream(file) << R"({"id": 1, "tests": [{"input": "", "output": ""}]})"
                      << "\n"
                      << R"({"id": "1", "tests": [{"input": "", "output": ""}]})"
                      << "\n";
  EXPECT_THAT([&] { ReadCodeProblems(file); }, testing::ThrowsMessage<Error>(HasSubstr("line 2")));
}

// --- comparison

bool Agree(const char* expected, const char* actual, CodeProblem::Compare how = CodeProblem::Compare::kTokens) {
  return CompareOutput(how, expected, actual).empty();
}

TEST(CompareTest, Words) {
  EXPECT_TRUE(Agree("1 2\n3\n", "1  2 3"));
  EXPECT_FALSE(Agree("1 2", "1 2 3"));
  EXPECT_FALSE(Agree("1 2 3", "1 2"));
  EXPECT_FALSE(Agree("5", "5.0"));
  EXPECT_FALSE(Agree("100000000", "100000001"));
  EXPECT_FALSE(Agree("123456789012345678901234567890", "123456789012345678901234567891"));
  EXPECT_TRUE(Agree("0.3333333333", "0.333333"));
  EXPECT_TRUE(Agree("2.0", "2"));
  EXPECT_FALSE(Agree("0.33", "0.34"));
  EXPECT_FALSE(Agree("1.5", "nan"));
  EXPECT_FALSE(Agree("1.5", "inf"));
  EXPECT_FALSE(Agree("1.5", "0x1.8p0"));
  EXPECT_TRUE(Agree("YES", "Yes"));
  EXPECT_FALSE(Agree("Hello", "hello"));
  EXPECT_FALSE(Agree("", "x"));
}

TEST(CompareTest, LinesAndSets) {
  using C = CodeProblem::Compare;
  EXPECT_TRUE(Agree("1 2\n3", "1 2 \n3\n\n", C::kLines));
  EXPECT_FALSE(Agree("1 2\n3", "1\n2 3", C::kLines));
  EXPECT_TRUE(Agree("1.50\n2", "1.5\n2", C::kLines));
  EXPECT_TRUE(Agree("a b c", "c a b", C::kSet));
  EXPECT_FALSE(Agree("a b c", "c a a", C::kSet));
  EXPECT_TRUE(Agree("1 2\n3 4", "3 4\n1 2\n", C::kSet));
  EXPECT_FALSE(Agree("1 2\n3 4", "4 3\n1 2\n", C::kSet));
}

TEST(CompareTest, Json) {
  const auto agree = [](const char* expected, const char* actual, bool alternatives = false) {
    return CompareJson(expected, actual, alternatives).empty();
  };
  EXPECT_TRUE(agree("[1, \"a\", null]", "[1,\"a\",null]"));
  EXPECT_TRUE(agree("5", "5.0"));
  EXPECT_FALSE(agree("5", "5.0000001"));
  EXPECT_TRUE(agree("0.1", "0.10000000001"));
  EXPECT_FALSE(agree("0.1", "NaN"));
  EXPECT_FALSE(agree("123456789012345678901", "123456789012345678902"));
  EXPECT_TRUE(agree("123456789012345678901", "123456789012345678901"));
  EXPECT_TRUE(agree("true", "1"));
  EXPECT_FALSE(agree("1", "\"1\""));
  EXPECT_FALSE(agree("[1]", "1"));
  EXPECT_TRUE(agree("[1]", "1", true));
  EXPECT_FALSE(agree("[1, 2]", "1", true));
  EXPECT_TRUE(agree("[1, 2]", "{\"__set__\": [2, 1]}"));
  EXPECT_TRUE(agree("{\"a\": 1, \"b\": 2}", "{\"b\": 2, \"a\": 1}"));
  EXPECT_FALSE(agree("1", "1 1"));
  EXPECT_FALSE(agree("[1]", "[1]]"));
}

// --- the program in a response

TEST(AnswerCodeTest, TheLastBlockCounts) {
  CodeProblem p = Read(R"({"id": 1, "tests": [{"input": "", "output": ""}]})");
  EXPECT_EQ(CodeOf(p, "Say\n```python\na\n```\nor\n```python\nb\n```\n").program.code, "b\n");
  EXPECT_EQ(CodeOf(p, "```cpp\nint main(){}\n```").program.language, Language::kCpp);
  EXPECT_EQ(CodeOf(p, "```\n#include <iostream>\n```").program.language, Language::kCpp);
  EXPECT_EQ(CodeOf(p, "```python\na\n```\n```text\n1 2\n```").program.code, "a\n");
  EXPECT_EQ(CodeOf(p, "````py\n```\n````\n").program.code, "```\n");
  EXPECT_THAT(CodeOf(p, "```python\na").problem, HasSubstr("not closed"));
  EXPECT_THAT(CodeOf(p, "```rust\na\n```").problem, HasSubstr("rust"));
  EXPECT_THAT(CodeOf(p, "no").problem, HasSubstr("no block"));
  EXPECT_THAT(CodeOf(p, "```python\n\n```").problem, HasSubstr("empty"));
}

// --- judging

class CodeJudgeTest : public testing::Test {
 protected:
  void SetUp() override {
    static const SandboxProbe probe = ProbeSandbox();
    if (!probe.contained) GTEST_SKIP() << probe.missing;
    if (!std::filesystem::exists("/usr/bin/python3")) GTEST_SKIP() << "there is no /usr/bin/python3 here";
    judge_ = std::make_unique<CodeJudge>(CodeJudgeOptions{.threads = 2, .cache = {}});
  }

  CodeVerdict Judge(const std::string& problem, Language language, const std::string& code) {
    return judge_->Judge(Read(problem), {language, code, {}});
  }
  CodeVerdict Python(const std::string& problem, const std::string& code) {
    return Judge(problem, Language::kPython3, code);
  }

  std::unique_ptr<CodeJudge> judge_;
};

constexpr const char* kAdd =
    R"({"id": 1, "time_limit": 0.5, "tests": [{"input": "1 2\n", "output": "3\n"}, {"input": "20 30\n", "output": "50\n"}]})";
constexpr const char* kCall =
    R"({"id": 1, "function": "f", "tests": [{"input": [[3, 1, 2]], "output": [1, 2, 3]}, {"input": [[]], "output": []}]})";
constexpr const char* kHumanEval =
    R"({"task_id": "HumanEval/0", "prompt": "from typing import List\n\n\ndef total(x: List[int]) -> int:\n    \"\"\" Sum. \"\"\"\n",
    "entry_point": "total", "test": "def check(candidate):\n    assert candidate([1, 2]) == 3\n    assert candidate([]) == 0\n    assert candidate([5] * 10) == 50\n"})";
constexpr const char* kMbpp = R"j({"task_id": 2, "text": "t", "code": "def f(x):\n    return sorted(x)",
    "test_list": ["assert f([2, 1]) == [1, 2]", "assert f([]) == []", "assert f([3, 1, 2]) == [1, 2, 3]"]})j";

TEST_F(CodeJudgeTest, LanguagesAddTwoNumbers) {
  EXPECT_EQ(Python(kAdd, "a, b = map(int, input().split())\nprint(a + b)\nexit()").score, 1);
  EXPECT_EQ(Judge(kAdd, Language::kLua, "local a, b = io.read('n', 'n') print(a + b)").score, 1);
  EXPECT_EQ(
      Judge(kAdd, Language::kCpp, "#include <cstdio>\nint main(){int a,b;scanf(\"%d %d\",&a,&b);printf(\"%d\",a+b);}")
          .score,
      1);
}

TEST_F(CodeJudgeTest, SaysWhatFailed) {
  const CodeVerdict wrong = Python(kAdd, "print(3)");
  EXPECT_EQ(wrong.score, 0);
  EXPECT_EQ(wrong.passed, 1);
  EXPECT_EQ(wrong.tests, 2);
  EXPECT_EQ(wrong.end, "exit");
  EXPECT_THAT(wrong.reason, HasSubstr("test 2"));
  EXPECT_EQ(Python(kAdd, "print(3").end, "compile");
  EXPECT_EQ(Judge(kAdd, Language::kLua, "print(").end, "compile");
  const CodeVerdict compile = Judge(kAdd, Language::kCpp, "int main( {}");
  EXPECT_EQ(compile.end, "compile");
  EXPECT_EQ(compile.score, 0);
  EXPECT_EQ(Python(kAdd, "while True: pass").end, "cpu");
  EXPECT_EQ(Python(kAdd, "x = []\nwhile True: x.append(bytearray(1 << 26))").end, "memory");
  EXPECT_EQ(Python(kAdd, "print('x' * 3000000)").end, "output");
  EXPECT_EQ(Judge(kAdd, Language::kLua, "while true do end").end, "fuel");
  EXPECT_EQ(Python(kAdd, "").end, "none");
}

TEST_F(CodeJudgeTest, RewardsNoTricksAtPrograms) {
  for (const char* code : {
           "print('PASSED')",                                       //
           "import os; os._exit(0)",                                //
           "raise SystemExit(0)",                                   //
           "a, b = map(int, input().split())\nprint(a + b, 'ok')",  // more after the answer
           "a, b = map(int, input().split())\nprint(a + b)\nprint(a + b)",
           "a, b = map(int, input().split())\nprint(a + b)\nraise SystemExit(1)",
           "a, b = map(int, input().split())\nprint(a + b, flush=True)\nimport os\nos.kill(os.getpid(), 9)",
           "print(float('nan'))",
           "print('3 50')",
           "import glob\nfor f in glob.glob('/proc/*/fd/*') + glob.glob('/*') + glob.glob('/tmp/**'):\n    "
           "print(open(f).read()) if 'output' in f else 0",
           "import sys\nsys.stderr.write('3')",
       }) {
    EXPECT_EQ(Python(kAdd, code).score, 0) << code;
  }
}

TEST_F(CodeJudgeTest, Functions) {
  EXPECT_EQ(Python(kCall, "def f(x):\n    print('noise')\n    return sorted(x)").score, 1);
  EXPECT_EQ(
      Python(kCall, "class Solution:\n    def f(self, x: List[int]) -> List[int]:\n        return sorted(x)").score, 1);
  EXPECT_EQ(Judge(kCall, Language::kLua, "function f(x) table.sort(x) return x end").score, 1);
  EXPECT_EQ(Judge(kCall, Language::kCpp, "int main(){}").end, "compile");
  for (const char* code : {
           "class Any:\n    def __eq__(self, other): return True\ndef f(x): return Any()",
           "class Any(list):\n    def __eq__(self, other): return True\ndef f(x): return Any([1])",
           "def f(x): return x",
           "def g(x): return sorted(x)",
           "import os\nos.write(1, b'[1, 2, 3]\\n')\ndef f(x): os._exit(0)",
           "def f(x):\n    import os\n    for fd in range(20):\n        try: os.write(fd, b'[1,2,3]\\n')\n        "
           "except OSError: pass\n    return sorted(x)",
       }) {
    EXPECT_EQ(Python(kCall, code).score, 0) << code;
  }
}

TEST_F(CodeJudgeTest, Asserts) {
  const CodeVerdict body = Python(kHumanEval, "    return sum(x)\n");
  EXPECT_EQ(body.score, 1) << body.reason;
  EXPECT_EQ(Python(kHumanEval, "def total(x):\n    return sum(x)\n").score, 1);
  EXPECT_EQ(Python(kHumanEval, "    return 3\n").score, 0);
  EXPECT_EQ(judge_->JudgeResponse(Read(kHumanEval), "    return sum(x)\n").score, 1);
  EXPECT_EQ(Python(kMbpp, "def f(x): return sorted(x)").passed, 3);
  const CodeVerdict some = Python(kMbpp, "def f(x): return x");
  EXPECT_EQ(some.score, 0);
  EXPECT_EQ(some.passed, 1);
  // In place, objects of the answer's, exceptions.
  EXPECT_EQ(
      Python(
          R"j({"task_id": 3, "test_list": ["x = [2, 1]\ng(x)\nassert x == [1, 2]", "n = Node(1)\nn.next = Node(2)\nassert length(n) == 2",
      "try:\n    bad()\n    assert False\nexcept ValueError:\n    pass"]})j",
          "def g(x): x.sort()\nclass Node:\n    def __init__(self, v):\n        self.v = v\n        self.next = "
          "None\ndef length(n):\n"
          "    c = 0\n    while n:\n        c += 1\n        n = n.next\n    return c\ndef bad(): raise ValueError('x')")
          .score,
      1);
}

TEST_F(CodeJudgeTest, RewardsNoTricksAtAsserts) {
  for (const char* code : {
           "class Any:\n    def __eq__(self, o): return True\ndef f(x): return Any()",
           "class Any(list):\n    def __eq__(self, o): return True\n    def __ne__(self, o): return False\ndef f(x): "
           "return Any()",
           "import sys\ndef f(x): sys.exit(0)",
           "import os\nos._exit(0)",
           "import os\ndef f(x): os._exit(0)",
           "print('PASSED')\nprint('held 0')\ndef f(x): return None",
           "import builtins\nbuiltins.AssertionError = ValueError\ndef f(x): return None",
           "import sys, os\nfor fd in range(3, 20):\n    try: os.write(fd, b'{\"v\": true}\\n' * 100)\n    except "
           "OSError: pass\ndef f(x): return 0",
           "import ast, sys\nsys.stdlib_module_names = ()\ndef f(x): raise AssertionError",
           "import atexit, os\natexit.register(lambda: os.write(2, b'end'))\ndef f(x): return 1",
           "def f(x):\n    import inspect, gc\n    for o in gc.get_objects():\n        if isinstance(o, dict) and "
           "'asserts' in o: o['asserts'] = []\n    return 0",
       }) {
    EXPECT_EQ(Python(kMbpp, code).score, 0) << code;
  }
}

TEST_F(CodeJudgeTest, CheckersDecide) {
  // Any two numbers with the given sum.
  Json problem = ParseJson(R"({"id": 1, "tests": [{"input": "10", "output": "5 5"}]})", "");
  problem["checker"] = {{"language", "cpp"}, {"code", R"(#include <fstream>
int main(int, char** v) { std::ifstream in(v[1]), out(v[2]); int s, a, b; in >> s; if (!(out >> a >> b)) return 2; return a + b == s ? 0 : 1; })"}};
  const auto score = [&](const char* code) { return Python(problem.dump(), code).score; };
  EXPECT_EQ(score("print(3, 7)"), 1);
  EXPECT_EQ(score("print(3, 8)"), 0);
  EXPECT_EQ(score("print('x')"), 0);
  problem["checker"] = {{"language", "python3"}, {"code", R"(import sys
s = int(open(sys.argv[1]).read()); a, b = map(int, open(sys.argv[3]).read().split()); print(1 if a + b == s else 0))"}};
  EXPECT_EQ(score("print(3, 7)"), 1);
  EXPECT_EQ(score("print(3, 8)"), 0);
  EXPECT_EQ(score("print('x')"), 0);  // the checker stumbles over it, and does not over the right output
  problem["checker"] = {{"language", "python3"}, {"code", "raise ValueError"}};
  EXPECT_EQ(score("print(3, 7)"), std::nullopt);
}

TEST_F(CodeJudgeTest, InteractiveProblems) {
  Json problem = ParseJson(R"({"id": 1, "tests": [{"input": "42", "output": ""}]})", "");
  problem["interactor"] = {{"language", "python3"}, {"code", R"(import sys
secret = int(open(sys.argv[1]).read())
for _ in range(10):
    g = int(input())
    print("lower" if secret < g else "higher" if secret > g else "right", flush=True)
    if g == secret: sys.exit(0)
sys.exit(1))"}};
  const auto run = [&](const char* code) { return Python(problem.dump(), code); };
  const CodeVerdict right =
      run("lo, hi = 1, 100\nwhile True:\n    m = (lo + hi) // 2\n    print(m, flush=True)\n    a = input()\n    if a "
          "== 'right': break\n"
          "    if a == 'lower': hi = m - 1\n    else: lo = m + 1");
  EXPECT_EQ(right.score, 1) << right.reason;
  EXPECT_EQ(run("print(1)").score, 0);
  EXPECT_EQ(run("while True: print(1)").score, 0);
  EXPECT_EQ(run("import time\nprint(1, flush=True)\nprint('x')").score, 0);
}

TEST_F(CodeJudgeTest, FilesInsteadOfStreams) {
  const char* problem = R"({"id": "1/A", "official_tests": [{"input": "4", "output": "8"}], "input_mode": "file"})";
  EXPECT_EQ(Python(problem, "open('output.txt', 'w').write(str(2 * int(open('input.txt').read())))").score, 1);
  EXPECT_EQ(Python(problem, "print(8)").score, 0);
  EXPECT_EQ(Python(problem, "import os\nos.symlink('/usr/bin/env', 'output.txt')").score, 0);
}

TEST_F(CodeJudgeTest, PartialScoring) {
  CodeJudge judge(CodeJudgeOptions{.partial = true, .threads = 1, .cache = {}});
  EXPECT_EQ(judge.Judge(Read(kAdd), {Language::kPython3, "print(3)", {}}).score, 0.5);
}

TEST_F(CodeJudgeTest, CompilerCannotBeUsedToLook) {
  for (const char* code : {"#include \"/etc/shadow\"\nint main(){}", "#include \"/dev/zero\"\nint main(){}",
                           "template<int N> struct T { static const long v = T<N-1>::v + T<N-2>::v; T<N*7+1> x; };\n"
                           "int main(){ return T<900>::v; }"}) {
    EXPECT_EQ(Judge(kAdd, Language::kCpp, code).end, "compile") << code;
  }
  EXPECT_EQ(Judge(kAdd, Language::kCpp, "#include \"/proc/self/environ\"\nint main(){}").score, 0);
}

TEST_F(CodeJudgeTest, JudgesWhatAPolicySaid) {
  const TestFolder folder;
  std::ofstream(folder / "p.jsonl")
      << R"({"id": 1, "prompt": "Add.", "tests": [{"input": "1 2", "output": "3"}]})"
      << "\n"
      << R"({"id": 2, "prompt": "Subtract.", "tests": [{"input": "1 2", "output": "-1"}]})"
      << "\n";
  const CodeProblemFile file(folder / "p.jsonl", "code", std::nullopt);
  const Problem problem = file.Get(1);
  EXPECT_THAT(problem.prompt, testing::AllOf(HasSubstr("Subtract."), HasSubstr("Python 3"), HasSubstr("```python")));
  ProgramJudge judge(&file, CodeJudgeOptions{.threads = 2, .cache = {}});
  const auto ask = [&](const std::string& content) {
    Trajectory trajectory;
    trajectory.turns.emplace_back();
    trajectory.turns[0].parsed.content = content;
    return judge.Ask(problem, trajectory).get();
  };
  EXPECT_EQ(ask("```python\na, b = map(int, input().split())\nprint(a - b)\n```").score, 1);
  EXPECT_EQ(ask("```python\nprint(3)\n```").fault, "");
  EXPECT_EQ(ask("```python\n1 / 0\n```").fault, "crash");
  EXPECT_EQ(ask("```python\n1 /\n```").fault, "compile");
  EXPECT_EQ(ask("I do not know.").fault, "compile");
}

// --- admission

TEST_F(CodeJudgeTest, AdmitsWhatSeparatesRightFromWrong) {
  Json problem = ParseJson(kAdd, "");
  problem["solutions"] = {"a, b = map(int, input().split())\nprint(a + b)"};
  problem["incorrect_solutions"] = {"a, b = map(int, input().split())\nprint(a * b)"};
  const auto admit = [&] { return Admit(*judge_, Read(problem.dump())); };
  const Admission good = admit();
  EXPECT_TRUE(good.admitted) << good.reason;
  EXPECT_GE(good.mutants, 3);
  problem["incorrect_solutions"] = {"print(sum(map(int, input().split())))"};
  EXPECT_THAT(admit().reason, HasSubstr("incorrect_solutions[0]"));
  problem.erase("incorrect_solutions");
  problem["tests"].erase(1);
  EXPECT_THAT(admit().reason, HasSubstr("always gives the same"));
  problem["solutions"] = {"print(4)"};
  EXPECT_THAT(admit().reason, HasSubstr("reference solution fails"));
  problem.erase("solutions");
  EXPECT_THAT(admit().reason, HasSubstr("no solution"));
}

TEST_F(CodeJudgeTest, AdmitsAsserts) {
  Json problem = ParseJson(kHumanEval, "");
  problem["canonical_solution"] = "    return sum(x)\n";
  EXPECT_TRUE(Admit(*judge_, Read(problem.dump())).admitted);
  problem["test"] = "def check(candidate):\n    assert candidate([]) == 0\n";
  EXPECT_FALSE(Admit(*judge_, Read(problem.dump())).admitted);
}

}  // namespace
}  // namespace fulgur

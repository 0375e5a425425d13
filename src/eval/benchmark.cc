#include "eval/benchmark.h"

#include <array>

#include "base/error.h"
#include "text/python_text.h"
#include "unicode/regex.h"

namespace fulgur {

const char* SampleStateName(SampleState state) {
  constexpr std::array<const char*, 5> kNames = {"scored", "unread", "cut", "unjudged", "error"};
  return kNames[static_cast<size_t>(state)];
}

std::vector<std::string> BenchmarkNames() {
  return {"aime-2024", "aime-2025",    "math-500", "gpqa-diamond", "mmlu-pro",      "zebralogic",
          "mrcr",      "longbench-v2", "ifeval",   "ifbench",      "livecodebench", "needles"};
}

std::unique_ptr<Benchmark> MakeBenchmark(const std::string& name, const BenchmarkOptions& options) {
  if (name == "aime-2024" || name == "aime-2025") return MakeAime(name);
  if (name == "math-500") return MakeMath500();
  if (name == "gpqa-diamond") return MakeGpqa(options);
  if (name == "mmlu-pro") return MakeMmluPro(options);
  if (name == "zebralogic") return MakeZebraLogic();
  if (name == "mrcr") return MakeMrcr();
  if (name == "longbench-v2") return MakeLongBenchV2();
  if (name == "ifeval" || name == "ifbench") return MakeInstructionSet(name);
  if (name.starts_with("env:")) return MakeEnvTasks(name.substr(4), options);
  if (name == "needles") return MakeNeedles();
  if (name == "livecodebench") return MakeLiveCodeBench(options);
  std::string names;
  for (const std::string& known : BenchmarkNames()) names += (names.empty() ? "" : ", ") + known;
  throw Error("there is no benchmark \"{}\"; there are {}, and env:TASK for the tasks of fulgur env", name, names);
}

std::optional<char> FinalLetter(const std::string& content, int choices) {
  const std::string last(1, static_cast<char>('A' + choices - 1));
  std::string text;
  for (const char c : content) {
    if (c != '*' && c != '_' && c != '`' && c != '$') text += c;
  }
  // A statement of the answer, the letter not the beginning of a word.
  const Regex statement(R"((?:answer|choice|option)\s*(?:is|:|=)*\s*:?\s*(?:\\boxed\{|\\text\{|[\(\[\{])*\s*([A-)" +
                            last + R"(])(?![\w'])|\\boxed\{\s*(?:\\text\{)?\(?([A-)" + last + R"(])\)?\}?\s*\})",
                        Regex::kIgnoreCase);
  const auto matches = statement.FindAll(text);
  if (!matches.empty()) {
    const std::string_view letter = matches.back().groups[1] ? matches.back()[1] : matches.back()[2];
    return python::Upper(letter)[0];
  }
  const std::string_view alone = python::Strip(python::Strip(text), " ().[]");
  if (alone.size() == 1 && alone[0] >= 'A' && alone[0] <= last[0]) return alone[0];
  return std::nullopt;
}

std::optional<std::string> LastBox(const std::string& content) {
  for (size_t begin = content.rfind("\\boxed{"); begin != std::string::npos;
       begin = begin == 0 ? std::string::npos : content.rfind("\\boxed{", begin - 1)) {
    int64_t open = 0;
    for (size_t i = begin; i < content.size(); ++i) {
      if (content[i] == '{') ++open;
      if (content[i] == '}' && --open == 0) return content.substr(begin + 7, i - begin - 7);
    }
  }
  return std::nullopt;
}

uint64_t StableHash(std::string_view text) {
  uint64_t hash = 14695981039346656037u;  // FNV-1a
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
  return hash;
}

}  // namespace fulgur

#include "code/formats.h"

#include <cmath>
#include <set>
#include <string>
#include <utility>

#include "base/ascii.h"
#include "base/error.h"
#include "base/json_as_given.h"

namespace fulgur {
namespace {

constexpr double kMostSeconds = 300;
constexpr int64_t kMiB = 1 << 20;

bool Has(const Json& record, const char* key) { return record.contains(key) && !record[key].is_null(); }

std::string Field(const CodeProblem& p, const char* key) { return fmt::format("{}: \"{}\"", p.where, key); }

// The text of a field; "" if it is missing or null.
std::string TextOf(const Json& record, const char* key, const CodeProblem& p) {
  return JsonGetOr<std::string>(record, key, "", p.where);
}

// A field that is JSON, or JSON in a text, as data sets without nested columns have it. Null if it is missing or empty.
Json JsonOf(const Json& record, const char* key, const CodeProblem& p) {
  if (!Has(record, key)) return {};
  const Json& value = record[key];
  if (!value.is_string()) return value;
  const std::string text = value.get<std::string>();
  if (Trim(text).empty()) return {};
  try {
    return ParseJsonAsGiven(text, Field(p, key));
  } catch (const Error& e) {
    throw Error("{} must be JSON in a text: {}", Field(p, key), e.what());
  }
}

// Seconds: a number, "2.0 seconds", or {"seconds", "nanos"}. 0: not said.
double SecondsOf(const Json& record, const char* key, const CodeProblem& p) {
  if (!Has(record, key)) return 0;
  const Json& value = record[key];
  double seconds = -1;
  if (value.is_number()) seconds = value.get<double>();
  if (value.is_string()) {
    const std::string text = value.get<std::string>();
    char* end = nullptr;
    seconds = std::strtod(text.c_str(), &end);
    const std::string_view unit = Trim(std::string_view(end));
    if (end == text.c_str() || (!unit.empty() && !unit.starts_with("s") && !unit.starts_with("ms"))) seconds = -1;
    if (unit.starts_with("ms") || unit.starts_with("milli")) seconds /= 1000;
  }
  if (value.is_object()) {
    seconds = JsonGetOr<double>(value, "seconds", 0, Field(p, key)) +
              1e-9 * JsonGetOr<double>(value, "nanos", 0, Field(p, key));
  }
  if (!(seconds >= 0 && seconds <= kMostSeconds)) {
    throw Error("{} must be from 0 to {} seconds, not {}", Field(p, key), kMostSeconds, value.dump());
  }
  return seconds;
}

void SetTime(const Json& record, const char* key, CodeProblem* p) {
  const double seconds = SecondsOf(record, key, *p);
  if (seconds > 0) p->cpu_seconds = seconds;
}

// unit: bytes of a bare number.
void SetMemory(const Json& record, const char* key, int64_t unit, CodeProblem* p) {
  if (!Has(record, key)) return;
  const Json& value = record[key];
  double bytes = -1;
  if (value.is_number()) bytes = value.get<double>() * static_cast<double>(unit);
  if (value.is_string()) {
    const std::string text = value.get<std::string>();
    char* end = nullptr;
    bytes = std::strtod(text.c_str(), &end);
    const std::string_view name = Trim(std::string_view(end));
    if (end == text.c_str()) bytes = -1;
    if (name.starts_with("g") || name.starts_with("G")) {
      bytes *= 1024.0 * static_cast<double>(kMiB);
    } else if (name.starts_with("m") || name.starts_with("M")) {
      bytes *= static_cast<double>(kMiB);
    } else if (name.starts_with("k") || name.starts_with("K")) {
      bytes *= 1024;
    } else if (!name.starts_with("b")) {
      bytes *= static_cast<double>(unit);
    }
  }
  if (bytes == 0) return;  // not said
  if (!(bytes > 0 && bytes <= 64.0 * 1024 * static_cast<double>(kMiB))) {
    throw Error("{} must be an amount of memory of at most 64 GiB, not {}", Field(*p, key), value.dump());
  }
  // Interpreters need some of their own.
  p->memory_bytes = std::max<int64_t>(std::llround(bytes), 64 * kMiB);
}

// A list of objects, or an object of lists, as some files have it: calls back with each entry as an object.
template <typename Take>
void ForEachEntry(const Json& list, const std::string& where, const std::vector<const char*>& keys, Take take) {
  if (list.is_null()) return;
  if (list.is_array()) {
    for (size_t i = 0; i < list.size(); ++i) {
      const std::string entry = fmt::format("{}[{}]", where, i);
      if (!list[i].is_object()) throw Error("{} must be an object, not {}", entry, list[i].dump().substr(0, 60));
      take(list[i], entry);
    }
    return;
  }
  if (!list.is_object()) throw Error("{} must be a list of objects, not {}", where, list.dump().substr(0, 60));
  size_t count = 0;
  for (size_t k = 0; k < keys.size(); ++k) {
    if (!list.contains(keys[k]) || !list[keys[k]].is_array()) {
      throw Error("{}: \"{}\" must be a list", where, keys[k]);
    }
    if (k == 0) count = list[keys[k]].size();
    if (list[keys[k]].size() != count) {
      throw Error("{}: \"{}\" has {} entries and \"{}\" has {}", where, keys[0], count, keys[k], list[keys[k]].size());
    }
  }
  for (size_t i = 0; i < count; ++i) {
    Json entry = Json::object();
    for (const char* key : keys) entry[key] = list[key][i];
    take(entry, fmt::format("{}[{}]", where, i));
  }
}

// The text of a test's input or output: a text, or a list of lines.
std::string TestText(const Json& entry, const char* key, const std::string& where) {
  if (!entry.contains(key) || entry[key].is_null()) throw Error("{}: there is no \"{}\"", where, key);
  const Json& value = entry[key];
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_array()) throw Error("{}: \"{}\" must be a text, not {}", where, key, value.dump().substr(0, 60));
  std::string text;
  for (const Json& line : value) {
    if (!line.is_string())
      throw Error("{}: \"{}\" must be a list of lines, but has {}", where, key, line.dump().substr(0, 60));
    text += line.get<std::string>() + "\n";
  }
  return text;
}

void AddStdioTests(const Json& record, const char* key, CodeProblem* p) {
  ForEachEntry(
      JsonOf(record, key, *p), Field(*p, key), {"input", "output"}, [&](const Json& entry, const std::string& at) {
        p->tests.push_back({CodeTest::Kind::kStdio, TestText(entry, "input", at), TestText(entry, "output", at)});
      });
}

ProgramText ReadProgram(const Json& value, Language fallback, const std::string& where) {
  ProgramText program;
  program.language = fallback;
  if (value.is_string()) {
    program.code = value.get<std::string>();
    return program;
  }
  if (!value.is_object()) throw Error("{} must be a program, or an object with \"language\" and \"code\"", where);
  const auto name = JsonGetOr<std::string>(value, "language", LanguageName(fallback), where);
  const auto language = LanguageFromName(name);
  if (!language) throw Error("{}: \"language\" is \"{}\", but must be python3, cpp or lua", where, name);
  program.language = *language;
  program.code = JsonGet<std::string>(value, "code", where);
  if (value.contains("files")) {
    if (!value["files"].is_object()) throw Error("{}: \"files\" must be an object of names and texts", where);
    for (const auto& [file, text] : value["files"].items()) {
      if (!text.is_string() || file.empty() || file.find('/') != std::string::npos) {
        throw Error("{}: \"files\" must be an object of names without \"/\" and texts", where);
      }
      program.files[file] = text.get<std::string>();
    }
  }
  return program;
}

bool IsBlank(const std::string& text) { return Trim(text).empty(); }

// --- CodeContests

void AddContestSolutions(const Json& record, const char* key, CodeProblem* p, std::vector<ProgramText>* programs) {
  ForEachEntry(JsonOf(record, key, *p), Field(*p, key), {"language", "solution"},
               [&](const Json& entry, const std::string& at) {
                 if (!entry.contains("language")) throw Error("{}: there is no \"language\"", at);
                 const Json& name = entry["language"];
                 std::optional<Language> language;
                 if (name.is_number_integer()) {  // UNKNOWN, PYTHON (2), CPP, PYTHON3, JAVA
                   const auto number = name.get<int64_t>();
                   if (number == 2) language = Language::kCpp;
                   if (number == 3) language = Language::kPython3;
                 } else if (name.is_string()) {
                   const auto text = name.get<std::string>();
                   if (text != "PYTHON" && text != "PYTHON2")
                     language = LanguageFromName(text);  // PYTHON is version 2 there
                 } else {
                   throw Error("{}: \"language\" must be a name, not {}", at, name.dump());
                 }
                 const std::string code = JsonGet<std::string>(entry, "solution", at);
                 if (language) {
                   programs->push_back({*language, code, {}});
                 } else if (programs == &p->solutions) {
                   ++p->other_solutions;
                 }
               });
}

void ReadCodeContests(const Json& record, CodeProblem* p) {
  p->statement = TextOf(record, "description", *p);
  p->language = Language::kCpp;
  for (const char* key : {"public_tests", "private_tests", "generated_tests"}) AddStdioTests(record, key, p);
  SetTime(record, "time_limit", p);
  SetMemory(record, "memory_limit_bytes", 1, p);
  p->input_file = TextOf(record, "input_file", *p);
  p->output_file = TextOf(record, "output_file", *p);
  AddContestSolutions(record, "solutions", p, &p->solutions);
  AddContestSolutions(record, "incorrect_solutions", p, &p->incorrect);
}

// --- APPS and TACO

void ReadApps(const Json& record, CodeProblem* p) {
  p->statement = TextOf(record, "question", *p);
  if (const std::string starter = TextOf(record, "starter_code", *p); !IsBlank(starter)) {
    p->statement += "\n\n" + starter;
  }
  const Json tests = JsonOf(record, "input_output", *p);
  const std::string at = Field(*p, "input_output");
  if (tests.is_null()) throw Error("{}: the problem has no tests: {} is empty", p->where, at);
  if (!tests.is_object()) throw Error("{} must be an object with \"inputs\" and \"outputs\"", at);
  for (const char* key : {"inputs", "outputs"}) {
    if (!tests.contains(key) || !tests[key].is_array()) throw Error("{}: \"{}\" must be a list", at, key);
  }
  const Json &inputs = tests["inputs"], &outputs = tests["outputs"];
  if (inputs.size() != outputs.size()) {
    throw Error("{}: there are {} inputs and {} outputs", at, inputs.size(), outputs.size());
  }
  p->cpu_seconds = 4;
  SetTime(record, "time_limit", p);
  SetMemory(record, "memory_limit", 1, p);
  p->function = JsonGetOr<std::string>(tests, "fn_name", "", at);
  p->alternatives = !p->function.empty();
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!p->function.empty()) {
      if (!inputs[i].is_array()) throw Error("{}: \"inputs\"[{}] must be a list of arguments", at, i);
      p->tests.push_back({CodeTest::Kind::kFunction, DumpJson(inputs[i]), DumpJson(outputs[i])});
    } else {
      const Json entry = {{"inputs", inputs[i]}, {"outputs", outputs[i]}};
      const std::string test = fmt::format("{}: test {}", at, i);
      p->tests.push_back({CodeTest::Kind::kStdio, TestText(entry, "inputs", test), TestText(entry, "outputs", test)});
    }
  }
  const Json solutions = JsonOf(record, "solutions", *p);
  if (solutions.is_null()) return;
  if (!solutions.is_array()) throw Error("{} must be a list of programs", Field(*p, "solutions"));
  for (const Json& solution : solutions) {
    if (!solution.is_string()) throw Error("{} must be a list of programs", Field(*p, "solutions"));
    p->solutions.push_back({Language::kPython3, solution.get<std::string>(), {}});
  }
}

// --- LiveCodeBench

// One JSON value a line, as a list.
std::string ArgumentLines(const std::string& text, const std::string& where) {
  std::string list = "[";
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = Trim(std::string_view(text).substr(begin, end - begin));
    if (!line.empty()) {
      try {
        ParseJsonAsGiven(line, where);
      } catch (const Error& e) {
        throw Error("{}: \"input\" must be one JSON value a line: {}", where, e.what());
      }
      if (list.size() > 1) list += ',';
      list += line;
    }
    begin = end + 1;
  }
  return list + "]";
}

void AddLiveTests(const Json& tests, const std::string& at, CodeProblem* p) {
  ForEachEntry(tests, at, {"input", "output"}, [&](const Json& entry, const std::string& test) {
    const std::string type = JsonGetOr<std::string>(entry, "testtype", "stdin", test);
    const std::string input = TestText(entry, "input", test), output = TestText(entry, "output", test);
    if (type == "stdin") {
      p->tests.push_back({CodeTest::Kind::kStdio, input, output});
    } else if (type == "functional") {
      try {
        ParseJsonAsGiven(output, test);
      } catch (const Error& e) {
        throw Error("{}: \"output\" must be a JSON value: {}", test, e.what());
      }
      p->tests.push_back({CodeTest::Kind::kFunction, ArgumentLines(input, test), output});
    } else {
      throw Error("{}: \"testtype\" is \"{}\", but must be stdin or functional", test, type);
    }
  });
}

void ReadLiveCodeBench(const Json& record, CodeProblem* p) {
  p->statement = TextOf(record, "question_content", *p);
  if (const std::string starter = TextOf(record, "starter_code", *p); !IsBlank(starter)) {
    p->statement += "\n\n" + starter;
  }
  p->cpu_seconds = 6;
  p->compare = CodeProblem::Compare::kLines;
  const Json metadata = JsonOf(record, "metadata", *p);
  if (metadata.is_object()) p->function = JsonGetOr<std::string>(metadata, "func_name", "", Field(*p, "metadata"));
  AddLiveTests(JsonOf(record, "public_test_cases", *p), Field(*p, "public_test_cases"), p);
  if (Has(record, "private_test_cases")) {
    const std::string at = Field(*p, "private_test_cases");
    const Json& hidden = record["private_test_cases"];
    if (!hidden.is_string()) {
      AddLiveTests(hidden, at, p);
    } else if (!IsBlank(hidden.get<std::string>())) {
      AddLiveTests(ParseJsonAsGiven(DecodePrivateTests(hidden.get<std::string>(), at), at), at, p);
    }
  }
  for (const CodeTest& test : p->tests) {
    if (test.kind == CodeTest::Kind::kFunction && p->function.empty()) {
      throw Error("{}: the tests call a function, but \"metadata\" has no \"func_name\"", p->where);
    }
  }
}

// --- Codeforces (open-r1)

void ReadCodeforces(const Json& record, CodeProblem* p) {
  p->statement = TextOf(record, "description", *p);
  for (const char* key : {"input_format", "output_format", "interaction_format"}) {
    if (const std::string part = TextOf(record, key, *p); !IsBlank(part)) p->statement += "\n\n" + part;
  }
  p->language = Language::kCpp;
  AddStdioTests(record, "official_tests", p);
  SetTime(record, "time_limit", p);
  SetMemory(record, "memory_limit", kMiB, p);
  const std::string mode = TextOf(record, "input_mode", *p);
  if (mode == "file") {
    p->input_file = "input.txt";
    p->output_file = "output.txt";
  } else if (!mode.empty() && mode != "stdio") {
    throw Error("{} is \"{}\", but must be stdio or file", Field(*p, "input_mode"), mode);
  }
  if (Has(record, "checker")) p->checker = ReadProgram(record["checker"], Language::kCpp, Field(*p, "checker"));
  if (!p->checker && Has(record, "generated_checker")) {
    p->checker = ReadProgram(record["generated_checker"], Language::kPython3, Field(*p, "generated_checker"));
  }
  if (Has(record, "interactor"))
    p->interactor = ReadProgram(record["interactor"], Language::kCpp, Field(*p, "interactor"));
  if (!IsBlank(TextOf(record, "interaction_format", *p)) && !p->interactor) {
    throw Error("{}: the problem is interactive (\"interaction_format\"), but has no \"interactor\" program", p->where);
  }
}

// --- HumanEval and MBPP

void ReadHumanEval(const Json& record, CodeProblem* p) {
  p->statement = JsonGet<std::string>(record, "prompt", p->where);
  p->prelude = p->statement;
  p->function = JsonGet<std::string>(record, "entry_point", p->where);
  p->setup = JsonGet<std::string>(record, "test", p->where);
  p->tests.push_back({CodeTest::Kind::kAssert, "check(" + p->function + ")", ""});
  p->forgeable = true;
  p->cpu_seconds = 5;
  if (p->function.empty()) throw Error("{} is empty", Field(*p, "entry_point"));
  if (p->setup.find("def check") == std::string::npos) throw Error("{} defines no check()", Field(*p, "test"));
  if (Has(record, "canonical_solution")) {
    p->solutions.push_back({Language::kPython3, JsonGet<std::string>(record, "canonical_solution", p->where), {}});
  }
}

// The first function that the code defines and the assert calls; "" if there is none.
std::string FunctionCalled(const std::string& code, const std::string& statement) {
  for (size_t def = code.find("def "); def != std::string::npos; def = code.find("def ", def + 4)) {
    const size_t end = code.find('(', def);
    if (end == std::string::npos) break;
    const std::string name(Trim(std::string_view(code).substr(def + 4, end - def - 4)));
    if (!name.empty() && statement.find(name + "(") != std::string::npos) return name;
  }
  return "";
}

void ReadMbpp(const Json& record, CodeProblem* p) {
  p->statement = TextOf(record, Has(record, "text") ? "text" : "prompt", *p);
  const Json imports = JsonOf(record, "test_imports", *p);
  if (imports.is_array()) {
    for (const Json& line : imports) p->setup += (line.is_string() ? line.get<std::string>() : "") + "\n";
  }
  p->setup += TextOf(record, "test_setup_code", *p);
  const Json tests = JsonOf(record, "test_list", *p);
  if (!tests.is_array() || tests.empty()) throw Error("{} must be a list of asserts", Field(*p, "test_list"));
  for (const Json& test : tests) {
    if (!test.is_string() || IsBlank(test.get<std::string>())) {
      throw Error("{} must be a list of asserts, but has {}", Field(*p, "test_list"), test.dump().substr(0, 60));
    }
    p->tests.push_back({CodeTest::Kind::kAssert, test.get<std::string>(), ""});
    p->statement += "\n" + test.get<std::string>();  // they say what the function is to be called
  }
  p->forgeable = true;
  p->cpu_seconds = 5;
  if (!Has(record, "code")) return;
  const auto code = JsonGet<std::string>(record, "code", p->where);
  p->solutions.push_back({Language::kPython3, code, {}});
  p->function = FunctionCalled(code, p->tests[0].input);
}

// --- Fulgur's own

void AddOwnTest(const Json& entry, const std::string& at, CodeProblem* p) {
  if (p->function.empty()) {
    p->tests.push_back({CodeTest::Kind::kStdio, TestText(entry, "input", at), TestText(entry, "output", at)});
    return;
  }
  for (const char* key : {"input", "output"}) {
    if (!entry.contains(key)) throw Error("{}: there is no \"{}\"", at, key);
  }
  if (!entry["input"].is_array()) throw Error("{}: \"input\" must be the list of the function's arguments", at);
  p->tests.push_back({CodeTest::Kind::kFunction, DumpJson(entry["input"]), DumpJson(entry["output"])});
}

void ReadOwn(const Json& record, CodeProblem* p) {
  if (Has(record, "prompt") && record["prompt"].is_string()) p->statement = record["prompt"].get<std::string>();
  p->function = TextOf(record, "function", *p);
  if (!record["tests"].is_array()) throw Error("{} must be a list of tests", Field(*p, "tests"));
  ForEachEntry(record["tests"], Field(*p, "tests"), {},
               [&](const Json& entry, const std::string& at) { AddOwnTest(entry, at, p); });
  SetTime(record, "time_limit", p);
  SetMemory(record, "memory_limit_bytes", 1, p);
  if (Has(record, "language")) {
    const auto name = JsonGet<std::string>(record, "language", p->where);
    const auto language = LanguageFromName(name);
    if (!language) throw Error("{} is \"{}\", but must be python3, cpp or lua", Field(*p, "language"), name);
    p->language = *language;
  }
  if (Has(record, "compare")) {
    const auto compare = JsonGet<std::string>(record, "compare", p->where);
    if (compare != "tokens" && compare != "lines" && compare != "set") {
      throw Error("{} is \"{}\", but must be tokens, lines or set", Field(*p, "compare"), compare);
    }
    p->compare = compare == "tokens"  ? CodeProblem::Compare::kTokens
                 : compare == "lines" ? CodeProblem::Compare::kLines
                                      : CodeProblem::Compare::kSet;
  }
  if (Has(record, "checker")) p->checker = ReadProgram(record["checker"], Language::kCpp, Field(*p, "checker"));
  if (Has(record, "interactor"))
    p->interactor = ReadProgram(record["interactor"], Language::kCpp, Field(*p, "interactor"));
  p->input_file = TextOf(record, "input_file", *p);
  p->output_file = TextOf(record, "output_file", *p);
  for (const auto& [key, programs] :
       {std::pair{"solutions", &p->solutions}, std::pair{"incorrect_solutions", &p->incorrect}}) {
    if (!Has(record, key)) continue;
    if (!record[key].is_array()) throw Error("{} must be a list of programs", Field(*p, key));
    for (size_t i = 0; i < record[key].size(); ++i) {
      programs->push_back(ReadProgram(record[key][i], p->language, fmt::format("{}[{}]", Field(*p, key), i)));
    }
  }
}

void CheckFileNames(const CodeProblem& p) {
  for (const std::string& name : {p.input_file, p.output_file}) {
    if (name.find('/') != std::string::npos || name == "." || name == "..") {
      throw Error("{}: the file name \"{}\" must be a plain name", p.where, name);
    }
  }
}

template <void (*read)(const Json&, CodeProblem*)>
void Checked(const Json& record, CodeProblem* p) {
  read(record, p);
  CheckFileNames(*p);
}

}  // namespace

const std::vector<CodeFormat>& CodeFormats() {
  static const std::vector<CodeFormat> formats = {
      {"LiveCodeBench", [](const Json& r) { return Has(r, "public_test_cases") || Has(r, "private_test_cases"); },
       Checked<ReadLiveCodeBench>},
      {"CodeContests",
       [](const Json& r) { return Has(r, "public_tests") || Has(r, "private_tests") || Has(r, "generated_tests"); },
       Checked<ReadCodeContests>},
      {"APPS", [](const Json& r) { return r.contains("input_output"); }, Checked<ReadApps>},
      {"Codeforces", [](const Json& r) { return r.contains("official_tests"); }, Checked<ReadCodeforces>},
      {"HumanEval", [](const Json& r) { return Has(r, "entry_point") && Has(r, "test"); }, Checked<ReadHumanEval>},
      {"MBPP", [](const Json& r) { return Has(r, "test_list"); }, Checked<ReadMbpp>},
      {"own", [](const Json& r) { return Has(r, "tests"); }, Checked<ReadOwn>},
  };
  return formats;
}

}  // namespace fulgur

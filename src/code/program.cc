#include "code/program.h"

#include <openssl/evp.h>

#include <array>
#include <cmath>
#include <cstdlib>
#include <utility>

#include "base/error.h"
#include "base/file.h"

namespace fulgur {

extern const char kProgramPy[], kFunctionPy[], kFunctionLua[];
extern const size_t kProgramPySize, kFunctionPySize, kFunctionLuaSize;

namespace {

constexpr const char* kPythonPath = "/usr/bin/python3";
constexpr const char* kCompilerPath = "/usr/bin/g++";
constexpr double kInstructionsPerSecond = 5e7;
constexpr size_t kMostCompiledBytes = size_t{256} << 20, kMostProgramBytes = size_t{32} << 20;

std::string Sha256(std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned size = 0;
  FULGUR_CHECK(EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha256(), nullptr) == 1);
  std::string hex;
  for (unsigned i = 0; i < size; ++i) hex += fmt::format("{:02x}", digest[i]);
  return hex;
}

void NeedProgram(const char* path, const char* package, Language language) {
  if (std::filesystem::exists(path)) return;
  throw Error("programs in {} cannot be judged: there is no {} here; apt-get install {}", LanguageName(language), path,
              package);
}

std::vector<std::string> Python(const char* driver) { return {kPythonPath, "-s", "-S", "-P", "-B", driver}; }

std::string CompilerVersion() {
  static const std::string version = [] {
    std::error_code none;
    const auto file = std::filesystem::canonical(kCompilerPath, none);
    return fmt::format("{} {} {}", file.string(), std::filesystem::file_size(file, none),
                       std::filesystem::last_write_time(file, none).time_since_epoch().count());
  }();
  return version;
}

constexpr const char* kFlags[] = {"-O2", "-std=gnu++20", "-pipe", "-w", "-fmax-errors=20"};

}  // namespace

std::filesystem::path DefaultProgramCache() {
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache != nullptr && cache[0] == '/') {
    return std::filesystem::path(cache) / "fulgur/programs";
  }
  if (const char* home = std::getenv("HOME"); home != nullptr && home[0] == '/') {
    return std::filesystem::path(home) / ".cache/fulgur/programs";
  }
  return {};
}

Programs::Programs(Sandbox* sandbox, std::filesystem::path cache) : sandbox_(sandbox), cache_(std::move(cache)) {}

ReadyProgram Programs::Prepare(const ProgramText& program, double cpu_seconds, int64_t memory_bytes) {
  ReadyProgram ready;
  ready.language = program.language;
  switch (program.language) {
    case Language::kPython3:
      NeedProgram(kPythonPath, "python3", program.language);
      ready.command = Python("/program.py");
      ready.files = {{"/program.py", std::string(kProgramPy, kProgramPySize), false},
                     {"/answer.py", program.code, false}};
      break;
    case Language::kLua:
      ready.command = {"/lua", fmt::format("{:.0f}", std::ceil(kInstructionsPerSecond * cpu_seconds)),
                       std::to_string(memory_bytes), "/answer.lua"};
      ready.files = {LuaRunnerFile("/lua"), {"/answer.lua", program.code, false}};
      break;
    case Language::kCpp:
      return Compiled(program);
  }
  for (const auto& [name, text] : program.files) ready.files.push_back({name, text, false});
  return ready;
}

ReadyProgram Programs::PrepareFunction(const ProgramText& program, const std::string& function, double cpu_seconds,
                                       int64_t memory_bytes) {
  ReadyProgram ready =
      Prepare({program.language == Language::kCpp ? Language::kPython3 : program.language, program.code, {}},
              cpu_seconds, memory_bytes);
  switch (program.language) {
    case Language::kPython3:
      ready.command = Python("/function.py");
      ready.command.push_back(function);
      ready.files[0] = {"/function.py", std::string(kFunctionPy, kFunctionPySize), false};
      break;
    case Language::kLua:
      ready.command.back() = "/function.lua";
      ready.files.push_back({"/function.lua", std::string(kFunctionLua, kFunctionLuaSize), false});
      break;
    case Language::kCpp:
      ready.error = "the tests call a function, which an answer in cpp cannot give; python3 and lua can";
      break;
  }
  return ready;
}

ReadyProgram Programs::Compiled(const ProgramText& program) {
  NeedProgram(kCompilerPath, "g++", Language::kCpp);
  std::string key = CompilerVersion();
  for (const char* flag : kFlags) key += std::string("\n") + flag;
  key += fmt::format("\n{}\n", program.code.size()) + program.code;
  for (const auto& [name, text] : program.files) key += fmt::format("\n{} {}\n", name, text.size()) + text;
  const std::string hash = Sha256(key);
  {
    const std::lock_guard lock(mutex_);
    const auto found = compiled_.find(hash);
    if (found != compiled_.end()) return found->second;
  }
  ReadyProgram ready;
  ready.language = Language::kCpp;
  ready.command = {"/answer"};
  const std::filesystem::path file = cache_.empty() ? std::filesystem::path() : cache_ / hash;
  std::string binary;
  std::error_code none;
  if (!cache_.empty() && std::filesystem::exists(file, none)) binary = ReadFile(file);
  if (binary.empty()) {
    binary = Compile(program, &ready.error);
    if (!binary.empty() && !cache_.empty()) {
      try {
        std::filesystem::create_directories(cache_);
        WriteFileAtomic(file, binary);
      } catch (const std::exception&) {  // then it is compiled again another time
      }
    }
  }
  if (!binary.empty()) ready.files = {{"/answer", std::move(binary), true}};
  const std::lock_guard lock(mutex_);
  for (const SandboxFile& made : ready.files) compiled_bytes_ += made.content.size();
  if (compiled_bytes_ > kMostCompiledBytes) {
    compiled_.clear();
    compiled_bytes_ = 0;
  }
  compiled_.emplace(hash, ready);
  return ready;
}

std::string Programs::Compile(const ProgramText& program, std::string* error) {
  SandboxRun run = MakeSandboxRun(SandboxProfile::kCompile, {kCompilerPath});
  run.command.insert(run.command.end(), std::begin(kFlags), std::end(kFlags));
  for (const char* argument : {"-o", "/tmp/answer", "answer.cpp"}) run.command.emplace_back(argument);
  run.files = {{"answer.cpp", program.code, false}};
  for (const auto& [name, text] : program.files) run.files.push_back({name, text, false});
  run.collect = {"answer"};
  SandboxOutcome outcome = sandbox_->Run(std::move(run)).get();
  if (outcome.end == RunEnd::kInfrastructure) throw Error("the sandbox failed at a compilation: {}", outcome.problem);
  if (outcome.end == RunEnd::kExit && outcome.exit_code == 0 && outcome.collected.size() == 1) {
    if (outcome.collected[0].content.size() <= kMostProgramBytes) return std::move(outcome.collected[0].content);
    *error = fmt::format("the compiled program has {} bytes, more than {}", outcome.collected[0].content.size(),
                         kMostProgramBytes);
    return {};
  }
  *error = outcome.end == RunEnd::kExit ? "" : fmt::format("the compiler was ended: {}. ", RunEndName(outcome.end));
  *error += outcome.err.substr(0, 2000);
  if (error->empty()) *error = "the compiler made no program";
  return {};
}

}  // namespace fulgur

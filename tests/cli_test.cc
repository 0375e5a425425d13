// The command line from outside: help, version, exit status, and messages that name what is wrong.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <regex>
#include <sstream>

#include "base/file.h"
#include "base/json.h"
#include "base/test_folder.h"
#include "tests/command.h"

namespace fulgur {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

// Subcommands that a help text lists.
std::vector<std::string> Subcommands(const std::string& help) {
  std::vector<std::string> names;
  std::istringstream lines(help);
  std::string line;
  bool listed = false;
  while (std::getline(lines, line)) {
    std::smatch match;
    if (std::regex_match(line, std::regex("subcommands:", std::regex::icase))) {
      listed = true;
    } else if (listed && std::regex_search(line, match, std::regex("^  ([a-z][a-z0-9-]*)"))) {
      names.push_back(match[1]);
    }
  }
  return names;
}

// Every command with its parents: {"chat"}, {"debug", "forward"}, ...
void CollectCommands(const std::vector<std::string>& parents, std::vector<std::vector<std::string>>* commands) {
  std::vector<std::string> args = parents;
  args.push_back("--help");
  for (const std::string& name : Subcommands(RunFulgur(args).out)) {
    std::vector<std::string> command = parents;
    command.push_back(name);
    commands->push_back(command);
    CollectCommands(command, commands);
  }
}

std::vector<std::vector<std::string>> AllCommands() {
  std::vector<std::vector<std::string>> commands;
  CollectCommands({}, &commands);
  return commands;
}

TEST(Cli, Version) {
  const CommandResult result = RunFulgur({"--version"});
  EXPECT_EQ(result.status, 0);
  EXPECT_TRUE(std::regex_match(result.out, std::regex("[0-9]+\\.[0-9]+\\.[0-9]+\n"))) << result.out;
}

TEST(Cli, NoArgumentsSaysWhatThereIs) {
  const CommandResult result = RunFulgur({});
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.err, HasSubstr("subcommand"));
}

TEST(Cli, UnknownCommandIsNamed) {
  const CommandResult result = RunFulgur({"frobnicate"});
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.err, HasSubstr("frobnicate"));
}

TEST(Cli, WhatIsMisspeltIsToldWithWhatWasMeant) {
  struct Case {
    std::vector<std::string> args;
    const char* message;
  };
  for (const Case& c : std::vector<Case>{
           {{"caht", "models/nano"}, "there is no command \"caht\"; did you mean \"chat\"?"},
           {{"trian", "c.json"}, "did you mean \"train\"?"},
           {{"chat", "m", "--contxt", "5"}, "there is no option --contxt; did you mean \"--context\"?"},
           {{"train-tokenizer", "c", "--ouy", "x"}, "there is no option --ouy; did you mean \"--out\"?"},
           {{"chat", "m", "n"}, "\"n\" is one argument too many"},
           {{"eval", "m", "--task", "adition"}, "there is no task \"adition\"; did you mean \"addition\"?"},
           {{"new-model", FULGUR_SOURCE_DIR "/models/nano", "x", "--set", "hiden_size=64"},
            "a config has no such key; did you mean \"hidden_size\"?"},
           {{"train", "c.json", "--extend", "99999999999999999999"}, "99999999999999999999 is too large"}}) {
    const CommandResult result = RunFulgur(c.args);
    EXPECT_EQ(result.status, 1) << c.message;
    EXPECT_THAT(result.err, HasSubstr(c.message));
  }
}

TEST(Cli, AContextBeyondTheModelsIsNamed) {
  const std::string nano = FULGUR_SOURCE_DIR "/models/nano";
  for (const std::vector<std::string>& args : {std::vector<std::string>{"chat", nano, "--prompt", "x"},
                                               {"generate", nano, "--prompt", "x"},
                                               {"eval", nano, "--count", "1"},
                                               {"serve", nano, "--port", "0"}}) {
    std::vector<std::string> more = args;
    more.insert(more.end(), {"--context", "1000000"});
    const CommandResult result = RunFulgur(more);
    EXPECT_EQ(result.status, 1) << args[0];
    EXPECT_THAT(result.err, HasSubstr("--context 1000000: the model has a context of 4096")) << args[0];
  }
  const CommandResult none = RunFulgur({"new-model", nano, "x", "--set", "max_position_embeddings=0"});
  EXPECT_EQ(none.status, 1);
  EXPECT_THAT(none.err, HasSubstr("max_position_embeddings is 0"));
}

TEST(Cli, TheSettledCommandsAreThere) {
  std::vector<std::string> names = Subcommands(RunFulgur({"--help"}).out);
  EXPECT_THAT(names,
              testing::IsSupersetOf({"chat", "generate", "inspect", "new-model", "train", "eval", "env", "debug"}));
}

TEST(Cli, EveryCommandHasHelp) {
  const auto commands = AllCommands();
  EXPECT_GT(commands.size(), 10u);
  for (std::vector<std::string> command : commands) {
    command.push_back("--help");
    const CommandResult result = RunFulgur(command);
    EXPECT_EQ(result.status, 0) << testing::PrintToString(command);
    EXPECT_THAT(result.out, HasSubstr("--help")) << testing::PrintToString(command);
    EXPECT_THAT(result.out, Not(testing::StartsWith("\n"))) << "no description: " << testing::PrintToString(command);
    EXPECT_THAT(result.err, IsEmpty()) << testing::PrintToString(command);
  }
}

TEST(Cli, EveryCommandNamesAnUnknownOption) {
  for (std::vector<std::string> command : AllCommands()) {
    command.push_back("--no-such-option");
    const CommandResult result = RunFulgur(command);
    EXPECT_EQ(result.status, 1) << testing::PrintToString(command) << result.err;
    EXPECT_THAT(result.err, Not(IsEmpty())) << testing::PrintToString(command);
    EXPECT_THAT(result.out, IsEmpty()) << testing::PrintToString(command);
  }
}

TEST(Cli, AModelThatIsNotThereIsNamed) {
  for (const std::vector<std::string>& command : {std::vector<std::string>{"inspect", "no/such/model"},
                                                  {"chat", "no/such/model", "--prompt", "x"},
                                                  {"generate", "no/such/model", "--prompt", "x"},
                                                  {"eval", "no/such/model", "--task", "all"},
                                                  {"eval", "no/such/model", "--task", "trained"}}) {
    const CommandResult result = RunFulgur(command);
    EXPECT_EQ(result.status, 1) << command[0];
    EXPECT_THAT(result.err, AllOf(testing::StartsWith("fulgur: "), HasSubstr("no/such/model"))) << command[0];
    EXPECT_THAT(result.out, IsEmpty()) << command[0];
  }
}

// Before a model is loaded, or even looked for.
TEST(Cli, BadValuesAreNamedWithWhatWouldBeRight) {
  struct Case {
    std::vector<std::string> args;
    const char* message;
  };
  for (const Case& c : std::vector<Case>{
           {{"generate", "m", "--temperature", "-1"}, "--temperature: must be a number from 0 to 1000, not -1"},
           {{"generate", "m", "--temperature", "nan"}, "--temperature: must be a number from 0 to 1000, not nan"},
           {{"chat", "m", "--temperature", "hot"}, "--temperature: must be a number from 0 to 1000, not hot"},
           {{"eval", "m", "--top-p", "2"}, "--top-p: must be a number from 0 to 1, not 2"},
           {{"generate", "m", "--top-k", "1.5"}, "--top-k: must be a whole number of at least 0, not 1.5"},
           {{"generate", "m", "--min-p", "-0.1"}, "--min-p: must be a number from 0 to 1, not -0.1"},
           {{"generate", "m", "--repetition-penalty", "0"}, "--repetition-penalty: must be a number from 0.01 to 100"},
           {{"generate", "m", "--presence-penalty", "1e9"}, "--presence-penalty: must be a number from -100 to 100"},
           {{"generate", "m", "--seed", "-1"}, "--seed: must be a whole number from 0 to 18446744073709551615, not -1"},
           {{"env", "sample", "--seed", "99999999999999999999"},
            "--seed: 99999999999999999999 is too large; the most is"},
           {{"generate", "m", "--max-tokens", "-1"}, "--max-tokens: must be a whole number of at least 0, not -1"},
           {{"generate", "m", "--thinking-budget", "-1"}, "--thinking-budget: must be a whole number of at least 0"},
           {{"generate", "m", "--early-truncation", "-1"}, "--early-truncation: must be a whole number of at least 0"},
           {{"generate", "m", "--early-truncation-probability", "99"}, "must be a number from 0 to 1, not 99"},
           {{"generate", "m", "--stop", ""}, "--stop: must have at least one character"},
           {{"generate", "m", "--threads", "-1"}, "--threads: must be a whole number from 0 to 1024, not -1"},
           {{"generate", "m", "--prefill-chunk", "0"}, "--prefill-chunk: must be a whole number of at least 1, not 0"},
           {{"generate", "m", "--kv-cache", "fp8"}, "--kv-cache: must be f32, bf16, bf16-dot or int8, not fp8"},
           {{"generate", "m", "--outputs", "0"}, "--outputs: must be a whole number from 1 to 1000000, not 0"},
           {{"generate", "m", "--logprobs", "-1"}, "--logprobs: must be a whole number from 0 to 1000, not -1"},
           {{"generate", "m", "--prompt", "ab\xff"}, "--prompt: must be UTF-8 text; byte 2 is not"},
           {{"generate", "m", "--prompt", ""}, "there is no text to continue"},
           {{"chat", "m", "--prompt", ""}, "there is no question"},
           {{"chat", "m", "--logprobs", "2"}, "--logprobs requires --json"},
           {{"chat", "m", "--thinking", "loud"}, "{show,collapse,hide}"},
           {{"eval", "m", "--batch", "0"}, "--batch: must be a whole number from 1"},
           {{"eval", "m", "--count", "0"}, "--count: must be a whole number from 1"},
           {{"eval", "m", "--each"}, "--each requires --json"},
           {{"eval", "m", "--task", "juggling"}, "there is no task \"juggling\""},
           {{"inspect", "m", "--context", "-5"}, "--context: must be a whole number from 0 to 4294967296, not -5"},
           {{"new-model", "c", "m", "--layers", "0"}, "--layers: must be a whole number from 1 to 10000, not 0"},
           {{"train", "c", "--threads", "-2"}, "--threads: must be a whole number from 0 to 1024, not -2"}}) {
    const CommandResult result = RunFulgur(c.args);
    EXPECT_EQ(result.status, 1) << c.message;
    EXPECT_THAT(result.err, AllOf(testing::StartsWith("fulgur: "), HasSubstr(c.message)));
    EXPECT_THAT(result.out, IsEmpty()) << c.message;
  }
}

TEST(Cli, MoreLayersThanTheConfigHasRepeatItsPattern) {
  const TestFolder folder;
  const std::string out = (folder / "model").string();
  const CommandResult result = RunFulgur({"new-model", FULGUR_SOURCE_DIR "/models/nano", out, "--layers", "17", "--set",
                                          "hidden_size=8", "--set", "intermediate_size=8"});
  ASSERT_EQ(result.status, 0) << result.err;
  const Json config = ReadJsonFile(folder / "model/config.json");
  EXPECT_EQ(config["num_hidden_layers"], 17);
  EXPECT_EQ(config["attn_type_list"], Json({0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0}));
}

// A folder with one of the small tokenizers of tests/data/tokenizers.
void WriteTokenizer(const std::filesystem::path& folder, const std::string& name, const Json& config) {
  std::filesystem::create_directories(folder);
  WriteFileAtomic(folder / "tokenizer.json", ReadFile(FULGUR_SOURCE_DIR "/tests/data/tokenizers/" + name + ".json"));
  WriteFileAtomic(folder / "tokenizer_config.json", config.dump());
}

TEST(Cli, NewModelFitsAnotherTokenizer) {
  const TestFolder folder;
  const char* chat_template =
      "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endfor %}"
      "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";
  WriteTokenizer(folder / "qwen", "qwen3", {{"eos_token", "<|endoftext|>"}, {"chat_template", chat_template}});
  WriteTokenizer(folder / "llama", "llama2", {{"eos_token", {{"content", "</s>"}}}});
  for (const char* name : {"qwen", "llama"}) {
    const std::string tokenizer = (folder / name).string(), out = tokenizer + "-model";
    const CommandResult made =
        RunFulgur({"new-model", FULGUR_SOURCE_DIR "/models/nano", out, "--layers", "2", "--tokenizer", tokenizer,
                   "--set", "hidden_size=8", "--set", "intermediate_size=8"});
    ASSERT_EQ(made.status, 0) << made.err;
    const CommandResult text =
        RunFulgur({"generate", out, "--prompt", "Hi", "--json-object", "--max-tokens", "20", "--json"});
    EXPECT_EQ(text.status, 0) << text.err;
    // The config of one with the tokenizer of another.
    const std::string other = (folder / "other").string();
    std::filesystem::copy(out, other);
    std::filesystem::copy(FULGUR_SOURCE_DIR "/models/nano/tokenizer.json", folder / "other/tokenizer.json",
                          std::filesystem::copy_options::overwrite_existing);
    std::filesystem::remove(folder / "other/tokenizer_config.json");
    const CommandResult refused = RunFulgur({"generate", other, "--prompt", "Hi"});
    EXPECT_EQ(refused.status, 1);
    EXPECT_THAT(refused.err,
                AllOf(HasSubstr("eos_token_id is "), HasSubstr("\"<end_of_sentence>\", which has id 660")));
    std::filesystem::remove_all(other);
  }
  const Json qwen = ReadJsonFile(folder / "qwen-model/config.json"),
             llama = ReadJsonFile(folder / "llama-model/config.json");
  EXPECT_EQ(llama["eos_token_id"], 2);
  EXPECT_EQ(qwen["eos_token_id"].size(), 2u) << "the end of a turn, and that of a text";
  EXPECT_GT(qwen["vocab_size"], 400);
  const CommandResult chat =
      RunFulgur({"chat", (folder / "qwen-model").string(), "--prompt", "Hi", "--max-tokens", "20"});
  EXPECT_EQ(chat.status, 0) << chat.err;
}

TEST(Cli, StandardInputThatIsNoTextIsAnError) {
  for (const char* command : {"chat", "generate"}) {
    const CommandResult result = RunFulgur({command, "m"}, "abc\xc3(");
    EXPECT_EQ(result.status, 1);
    EXPECT_THAT(result.err, HasSubstr("standard input: must be UTF-8 text; byte 3 is not"));
  }
}

TEST(Cli, WhatCannotBeReadOrWrittenIsAnError) {
  const CommandResult folder = RunFulgur({"env", "verify", "."});
  EXPECT_EQ(folder.status, 1);
  EXPECT_THAT(folder.err, HasSubstr("cannot be read"));
  for (const char* command : {"env list", "inspect " FULGUR_SOURCE_DIR "/models/nano"}) {
    const std::string line = std::string(FULGUR_BINARY) + " " + command + " > /dev/full 2> /dev/null";
    EXPECT_EQ(WEXITSTATUS(std::system(line.c_str())), 1) << command;
  }
}

// Ctrl-C ends the output, not in the middle of a line, and the program as a shell expects it.
TEST(Cli, AnInterruptedAnswerIsEnded) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    ::dup2(ends[1], 1);
    ::close(ends[0]);
    ::execl(FULGUR_BINARY, "fulgur", "generate", FULGUR_SOURCE_DIR "/models/nano", "--prompt", "1", "--temperature",
            "50", "--top-p", "1", "--seed", "1", static_cast<char*>(nullptr));
    ::_exit(127);
  }
  ::close(ends[1]);
  std::string out(1, 0);
  EXPECT_EQ(::read(ends[0], out.data(), 1), 1);  // it has begun
  ::kill(child, SIGINT);
  char buffer[4096];
  for (ssize_t n; (n = ::read(ends[0], buffer, sizeof buffer)) > 0;) out.append(buffer, static_cast<size_t>(n));
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT) << status;
  EXPECT_EQ(out.back(), '\n');
  EXPECT_LT(out.size(), 5000u);
}

TEST(Cli, FlopsAddsAModelAndDraws) {
  const TestFolder folder;
  const std::string plot = folder / "plot.svg";
  const CommandResult result = RunFulgur(
      {"flops", FULGUR_SOURCE_DIR "/models/nano", "--length", "10,1000", "--prompt", "5", "--plot", plot, "--json"});
  EXPECT_EQ(result.status, 0) << result.err;
  const Json report = Json::parse(result.out);
  EXPECT_EQ(report["lengths"], Json({10, 1000}));
  ASSERT_EQ(report["models"].size(), 6u);
  EXPECT_EQ(report["models"][0]["name"], "MiniMax-M1");
  const Json& nano = report["models"][5];
  const double token = nano["flops_per_token"], pair = nano["flops_per_pair"];
  EXPECT_DOUBLE_EQ(nano["flops"][0].get<double>(), 10 * token + (6 + 7 + 8 + 9 + 10 + 11 + 12 + 13 + 14 + 15) * pair);
  EXPECT_DOUBLE_EQ(nano["last_token_flops"][1].get<double>(), token + 1005 * pair);
  EXPECT_THAT(ReadFile(plot), AllOf(HasSubstr("<svg"), HasSubstr("models/nano"), HasSubstr("DeepSeek-R1, expanded")));
}

TEST(Cli, KvCacheFormats) {
  const std::string nano = FULGUR_SOURCE_DIR "/models/nano";
  const auto json = [](const std::vector<std::string>& args) {
    const CommandResult result = RunFulgur(args);
    EXPECT_EQ(result.status, 0) << result.err;
    return Json::parse(result.out);
  };
  // 2 kv heads of 32 in one softmax layer.
  const Json plan = json({"inspect", nano, "--context", "6400", "--kv-cache", "int8", "--json"});
  EXPECT_EQ(plan["kv_cache"], "int8");
  const Json& memory = plan["memory"][0];
  EXPECT_EQ(memory["kv_cache_f32"], 6400 * 2 * 2 * 32 * 4);
  EXPECT_EQ(memory["kv_cache_bf16"], 6400 * 2 * 2 * 32 * 2);
  EXPECT_EQ(memory["kv_cache_int8"], 6400 * 2 * 2 * (32 + 4));
  EXPECT_EQ(memory["total"].get<int64_t>(),
            memory["weights"].get<int64_t>() + memory["lightning_state"].get<int64_t>() +
                memory["lightning_chunk"].get<int64_t>() + memory["kv_cache_int8"].get<int64_t>() +
                memory["activations"].get<int64_t>());
  EXPECT_EQ(json({"inspect", nano, "--json"})["kv_cache"], "bf16");

  const Json bench = json({"bench", nano, "--depth", "640", "--prompt", "16", "--generate", "0", "--repeat", "1",
                           "--kv-cache", "f32", "--json"});
  EXPECT_EQ(bench["kv_cache"], "f32");
  EXPECT_EQ(bench["results"][0]["state_bytes"].get<int64_t>(),
            memory["lightning_state"].get<int64_t>() + memory["lightning_chunk"].get<int64_t>() + 640 * 2 * 2 * 32 * 4);

  const auto quality = [&](const char* format) {
    return json({"perplexity", nano, "--reference", nano, "--kv-cache", format, "--task", "addition", "--count", "2",
                 "--json"});
  };
  EXPECT_EQ(quality("f32")["kl"]["max"], 0);
  EXPECT_GT(quality("int8")["kl"]["max"].get<double>(), 0);
}

TEST(Cli, BenchPrintsWhatItMeasured) {
  const CommandResult result = RunFulgur({"bench", FULGUR_SOURCE_DIR "/models/nano", "--prompt", "16", "--generate",
                                          "2", "--repeat", "1", "--batch", "1,2", "--json"});
  EXPECT_EQ(result.status, 0) << result.err;
  const Json results = Json::parse(result.out)["results"];
  ASSERT_EQ(results.size(), 3u);
  for (const Json& r : results) {
    EXPECT_GT(r["tokens_per_second"].get<double>(), 0);
    EXPECT_GT(r["share"].get<double>(), 0);
  }
  EXPECT_EQ(results[2]["tokens"], 4);

  const TestFolder folder;
  const CommandResult drawn =
      RunFulgur({"bench", FULGUR_SOURCE_DIR "/models/nano", "--prompt", "0", "--generate", "20", "--repeat", "1",
                 "--depth", "0,100", "--batch", "1,2", "--draft", "4", "--plot", folder / "time.svg"});
  EXPECT_EQ(drawn.status, 0) << drawn.err;
  EXPECT_THAT(drawn.out, AllOf(HasSubstr("misleads"), HasSubstr("repeats")));
  const std::string svg = ReadFile(folder / "time.svg");
  EXPECT_THAT(svg, AllOf(HasSubstr("batch 1"), HasSubstr("batch 2"), HasSubstr("<polyline")));
}

TEST(Cli, Drafts) {
  const auto generate = [](const char* draft) {
    return RunFulgur({"generate", FULGUR_SOURCE_DIR "/models/nano", "--prompt", "1 2 3 4 5 6 1 2 3 4 5 6 1 2 3",
                      "--seed", "1", "--max-tokens", "200", "--logprobs", "1", "--draft", draft});
  };
  const CommandResult with = generate("16"), without = generate("0");
  EXPECT_EQ(with.status, 0) << with.err;
  EXPECT_EQ(with.out, without.out);
  EXPECT_NE(generate("-1").status, 0);
}

}  // namespace
}  // namespace fulgur
